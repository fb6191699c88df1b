"""Compare every table of every shard with the warehouse's current state, every morning, row by row where need be.

A shard's task is red when a table differs, and names the rows. Results stay in RAW.CATCHMENT.CDC_COMPARISONS.
Owner: data. If it is red, see docs/runbooks/cdc_reconcile.md.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from catchment.cdc.declared import application
from catchment.operators import cdc_forms as form
from catchment.operators.cdc_compare import CdcCompareOperator
from catchment.operators.retries import RetryByKind

DECLARED = application()

with DAG(
    dag_id="cdc_reconcile",
    dag_display_name="3 Watch: CDC shards = warehouse",
    description="Every table, shard by shard, compared with the current state",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("30 4 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=20),
    render_template_as_native_obj=True,
    tags=["cdc", "owner:data"],
    params={
        "shards": form.some("Shards", [shard.name for shard in DECLARED.shards]),
        "tables": form.some("Tables", form.tables()),
    },
    default_args={
        "owner": "data",
        "retries": 2,
        "retry_delay": timedelta(minutes=5),
        "retry_policy": RetryByKind(),
        "execution_timeout": timedelta(hours=2),
    },
) as dag:
    for shard in DECLARED.shards:
        CdcCompareOperator(
            task_id=f"compare_{shard.name}",
            shard=shard.name,
            shards="{{ params.shards }}",
            tables="{{ params.tables }}",
        )
