"""Is every stream as fresh as its spec promises? Asked each time all sources have news, and twice a day in any case.

A source whose DAG is red says so itself. This one sees what says nothing: a DAG that is paused or never scheduled, a
stream that is skipped night after night. A stream beyond its promise (`fresh_within`) is a warning in the log; beyond
twice that, `freshness` is red and names it. It reads the ledger alone: one small query a stream, on the warehouse that
dbt uses anyway.
Owner: data. If it is red, see docs/runbooks/source_late.md.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable

from catchment.operators.dbt import dbt_freshness
from catchment.operators.ingest import source_asset
from catchment.operators.retries import RetryByKind
from catchment.sources import SOURCES

PROJECT = Path(__file__).parents[2] / "include" / "dbt"

with DAG(
    dag_id="source_freshness",
    dag_display_name="3 Watch: are all sources fresh?",
    description="dbt source freshness, for every stream",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 7,19 * * *", timezone="UTC"),
        assets=[source_asset(name) for name in SOURCES],
    ),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    tags=["transform", "dbt", "health", "owner:data"],
    default_args={
        "owner": "data",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "retry_policy": RetryByKind(),
        "execution_timeout": timedelta(minutes=15),
    },
) as dag:
    dbt_freshness("source_freshness", PROJECT)
