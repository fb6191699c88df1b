"""The application's own tables as they are now, and as they were: changes in raw → current state and history, by dbt.

Each run merges the changes that came since the last one; what it costs grows with them, not with history
(`include/dbt/README.md`, "The application's tables"). A run that fails is made good by the next: watermarks move only
after the merge.
Owner: data. If a model is red, see docs/runbooks/dbt_failed.md.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, CronTriggerTimetable

from catchment.operators.dbt import dbt_group

PROJECT = Path(__file__).parents[2] / "include" / "dbt"

with DAG(
    dag_id="application_state",
    dag_display_name="2 Build: application → current state",
    description="dbt: changes of the application's tables → current state and history",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("*/10 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=4),
    tags=["transform", "dbt", "cdc", "owner:data"],
    default_args={
        "owner": "data",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "execution_timeout": timedelta(hours=1),
    },
) as dag:
    dbt_group("application_state", PROJECT)
