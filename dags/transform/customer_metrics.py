"""Raw → staging → intermediate → marts, by dbt, each time all sources have news, and at six in any case.

Cosmos renders the models as task groups from a manifest that is made ahead (`python -m catchment dbt-manifest`);
nothing runs dbt when this file is parsed. One `dbt build` does the work and every task watches its own model (WATCHER).
Set `CATCHMENT_DBT_EXECUTION_MODE=local` for one dbt call per task: slower, each model can be cleared by itself.
Owner: data. If a model is red, see docs/runbooks/dbt_failed.md.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable

from catchment.operators.dbt import dbt_group
from catchment.operators.ingest import source_asset
from catchment.sources import SOURCES

PROJECT = Path(__file__).parents[2] / "include" / "dbt"

with DAG(
    dag_id="customer_metrics",
    dag_display_name="2 Build: raw → customer metrics",
    description="dbt: staging, intermediate, marts",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 6 * * *", timezone="UTC"),
        assets=[source_asset(name) for name in SOURCES],
    ),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=8),
    tags=["transform", "dbt", "owner:data"],
    default_args={
        "owner": "data",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "execution_timeout": timedelta(hours=1),
    },
) as dag:
    dbt_group("customer_metrics", PROJECT)
