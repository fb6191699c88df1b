"""Read a table of one shard again, while streaming continues, and prove that every row arrived.

For a table whose rows in the warehouse are doubted, or whose type changed. A signal asks Debezium for an incremental
snapshot; the task shows how far it is, and is red when rows were skipped. Then dbt merges the table, or builds it from
scratch where the form says so, and the table is compared, row by row if need be.
Owner: data. How and when: docs/runbooks/cdc_resnapshot.md.
"""

from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

from catchment.operators import cdc_forms as form
from catchment.operators.cdc_on_call import CdcSnapshotOperator
from catchment.operators.dbt import dbt_run

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
        "reason": form.reason(),
        "dry_run": form.dry_run(),
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
    merge = dbt_run(
        "cdc_resnapshot",
        PROJECT,
        task_id="merge",
        select=form.models_of_table(),
        full_refresh="{{ params.from_scratch }}",
    )
    compare = TriggerDagRunOperator(
        task_id="compare",
        trigger_dag_id="cdc_reconcile",
        fail_when_dag_is_paused=True,
        conf={"shards": ["{{ params.shard }}"], "tables": ["{{ params.table }}"]},
        wait_for_completion=True,
        deferrable=True,
        poke_interval=10,
        execution_timeout=timedelta(hours=3),
    )
    snapshot >> form.unless_dry_run() >> merge >> compare
