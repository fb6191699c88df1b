"""Raw → staging → intermediate → marts, by dbt, each time all sources have news, and at six in any case.

Cosmos renders the models as task groups from a manifest that is made ahead (`python -m catchment dbt-manifest`);
nothing runs dbt when this file is parsed. One `dbt build` does the work and every task watches its own model (WATCHER).
Set `CATCHMENT_DBT_EXECUTION_MODE=local` for one dbt call per task: slower, each model can be cleared by itself.
Owner: data. If a model is red, see docs/runbooks/dbt_failed.md.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable
from cosmos import DbtTaskGroup, ExecutionConfig, RenderConfig
from cosmos.constants import ExecutionMode, LoadMode, TestBehavior

from catchment.dbt_project import APPLICATION
from catchment.hooks.dbt_profile import profile_config, project_config
from catchment.operators.ingest import source_asset
from catchment.sources import SOURCES

PROJECT = Path(__file__).parents[2] / "include" / "dbt"
MODE = ExecutionMode(os.environ.get("CATCHMENT_DBT_EXECUTION_MODE", ExecutionMode.WATCHER.value))

with DAG(
    dag_id="customer_metrics",
    dag_display_name="raw → customer metrics",
    description="dbt: staging, intermediate, marts",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 6 * * *", timezone="UTC"),
        assets=[source_asset(name) for name in SOURCES],
    ),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["transform", "dbt", "owner:data"],
    default_args={
        "owner": "data",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "execution_timeout": timedelta(hours=1),
    },
) as dag:
    DbtTaskGroup(
        group_id="dbt",
        project_config=project_config(PROJECT, "customer_metrics"),
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
            "deferrable": False,  # a watcher that wakes within one loop of the scheduler is taken for a lost task
            "poke_interval": 1,
            # Here, not in RenderConfig: there it makes the tasks' order random. And not as `exclude`: the one dbt build
            # that works for all would not get it.
            "dbt_cmd_flags": ["--exclude", "resource_type:unit_test", "--exclude", f"path:{APPLICATION}"],
        },
    )
