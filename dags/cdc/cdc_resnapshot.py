"""Read a table of one shard again, while streaming continues, and prove that every row arrived.

For a table whose rows in the warehouse are doubted, or whose type changed. A signal asks Debezium for an incremental
snapshot; the task shows how far it is, and is red when rows were skipped. Then dbt builds the table's models from
scratch, where the form says so, and the table is compared, row by row if need be.
Owner: data. How and when: docs/runbooks/cdc_resnapshot.md.
"""

from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

from catchment.operators import cdc_forms as form
from catchment.operators.cdc_on_call import CdcSnapshotOperator
from catchment.operators.dbt import dbt_from_scratch

PROJECT = Path(__file__).parents[2] / "include" / "dbt"

with form.on_call_dag(
    "cdc_resnapshot",
    title="4 On call: CDC, re-snapshot a table",
    doc_md=__doc__,
    run_timeout=timedelta(hours=48),
    params={
        "shard": form.shard(),
        "table": form.table(),
        "from_scratch": form.from_scratch(),
    },
) as dag:  # an Airflow DAG
    snapshot = CdcSnapshotOperator(
        task_id="snapshot",
        shard="{{ params.shard }}",
        table="{{ params.table }}",
        reason="{{ params.reason }}",
        is_dry_run="{{ params.dry_run }}",
        execution_timeout=timedelta(hours=12),
    )
    build = dbt_from_scratch("cdc_resnapshot", PROJECT, select=form.models_of_table())
    compare = TriggerDagRunOperator(
        task_id="compare",
        trigger_dag_id="cdc_reconcile",
        fail_when_dag_is_paused=True,
        conf={"shards": ["{{ params.shard }}"], "tables": ["{{ params.table }}"]},
        wait_for_completion=True,
        deferrable=True,
        poke_interval=10,
        trigger_rule="none_failed",
        execution_timeout=timedelta(hours=3),
    )
    gate = form.unless_dry_run()
    snapshot >> gate >> form.if_from_scratch() >> build >> compare
    gate >> compare
