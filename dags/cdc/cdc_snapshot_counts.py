"""Did a snapshot bring every row? Counts what the health check asks for, apart from it: a large table takes minutes.

Each table of a finished snapshot is counted on its shard and in raw, each for at most two minutes. What the counts mean
is said by cdc_connector_health, also when one can't be had. Almost always there is nothing to count.
Owner: data. What the states mean: docs/runbooks/cdc_snapshot_incomplete.md.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from catchment.operators.cdc_health import CdcCountOperator

with DAG(
    dag_id="cdc_snapshot_counts",
    dag_display_name="3 Watch: CDC snapshots, counted",
    description="Rows on the shard against keys in raw, for snapshots that are over",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("*/3 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=30),
    tags=["cdc", "health", "owner:data"],
    default_args={"owner": "data", "retries": 0, "execution_timeout": timedelta(minutes=20)},
) as dag:
    CdcCountOperator(task_id="count", seconds=600, doc_md="Leaves each count where the health check finds it.")
