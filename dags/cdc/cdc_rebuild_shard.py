"""Rebuild the capture of a shard after its slot is lost: a new slot, a new epoch, a snapshot of every table.

A person approves it first, after reading the consequence. Rows that were deleted in the gap are the ones that
the snapshot lacks; each gets a delete on its topic. Then the shard is compared with the current state.
Owner: data. How and when: docs/runbooks/cdc_rebuild_shard.md.
"""

from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

from catchment.operators import cdc_forms as form
from catchment.operators.cdc_rebuild import CdcConsequenceOperator, CdcGapOperator, CdcRebuildOperator

with form.on_call_dag(
    "cdc_rebuild_shard",
    title="4 On call: CDC, rebuild a shard",
    doc_md=__doc__,
    run_timeout=timedelta(hours=40),
    params={"shard": form.shard()},
    max_active_runs=16,  # one shard's question must not wait for the answer to another's
) as dag:  # an Airflow DAG
    asked = {"shard": "{{ params.shard }}", "reason": "{{ params.reason }}", "is_dry_run": "{{ params.dry_run }}"}
    consequence = CdcConsequenceOperator(task_id="consequence", **asked)
    approve = ApprovalOperator(
        task_id="approve",
        subject="Rebuild the capture of {{ params.shard }}?",
        body="{{ ti.xcom_pull(task_ids='consequence') }}",
        response_timeout=timedelta(hours=12),
        defaults="Reject",
        execution_timeout=None,
    )
    rebuild = CdcRebuildOperator(task_id="rebuild", approval="approve", **asked)
    gap = CdcGapOperator(
        task_id="deleted_in_the_gap",
        epoch="{{ ti.xcom_pull(task_ids='rebuild') }}",
        execution_timeout=timedelta(hours=12),
        **asked,
    )
    compare = TriggerDagRunOperator(
        task_id="compare",
        trigger_dag_id="cdc_reconcile",
        fail_when_dag_is_paused=True,
        conf={"shards": ["{{ params.shard }}"]},
        wait_for_completion=True,
        deferrable=True,
        poke_interval=10,
        execution_timeout=timedelta(hours=6),
    )
    consequence >> form.unless_dry_run() >> approve >> rebuild >> gap >> compare
