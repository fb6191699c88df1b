"""The application's own tables as they are now, and as they were: changes in raw → current state and history, by dbt.

Each run merges the changes that came since the last one; what it costs grows with them, not with history
(`include/dbt/README.md`, "The application's tables"). A run that fails is made good by the next: watermarks move only
after the merge.
Owner: data. If a model is red, see docs/runbooks/dbt_failed.md.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, CronTriggerTimetable
from cosmos import DbtTaskGroup, ExecutionConfig, RenderConfig
from cosmos.constants import ExecutionMode, LoadMode, TestBehavior

from catchment.dbt_project import APPLICATION
from catchment.hooks.dbt_profile import profile_config, project_config

PROJECT = Path(__file__).parents[2] / "include" / "dbt"
MODE = ExecutionMode(os.environ.get("CATCHMENT_DBT_EXECUTION_MODE", ExecutionMode.WATCHER.value))
ONE_BUILD = ["--select", f"path:{APPLICATION}"] if MODE is ExecutionMode.WATCHER else []

with DAG(
    dag_id="application_state",
    dag_display_name="application → current state",
    description="dbt: changes of the application's tables → current state and history",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("*/10 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["transform", "dbt", "cdc", "owner:data"],
    default_args={
        "owner": "data",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "execution_timeout": timedelta(hours=1),
    },
) as dag:
    DbtTaskGroup(
        group_id="dbt",
        project_config=project_config(PROJECT, "application_state"),
        profile_config=profile_config(),
        execution_config=ExecutionConfig(execution_mode=MODE),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            test_behavior=TestBehavior.BUILD if MODE is ExecutionMode.LOCAL else TestBehavior.AFTER_EACH,
            group_nodes_by_folder=True,
            emit_datasets=False,
        ),
        operator_args={
            "install_deps": False,
            "pool": "dbt",
            "deferrable": False,  # as in customer_metrics
            "poke_interval": 1,
            "dbt_cmd_flags": [*ONE_BUILD, "--exclude", "resource_type:unit_test"],
        },
    )
