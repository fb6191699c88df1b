"""The dbt project as a task group: Cosmos makes a task of each model, from the manifest's part that is the DAG's."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from cosmos import DbtTaskGroup, ExecutionConfig, RenderConfig
from cosmos.constants import ExecutionMode, LoadMode, TestBehavior
from cosmos.operators._watcher import base as watcher
from cosmos.operators.local import DbtRunLocalOperator, DbtSourceLocalOperator

from catchment.dbt_freshness import fail_if_stale
from catchment.dbt_project import part_of_build
from catchment.hooks.dbt_profile import profile_config, project_config

BUILD_POOL = "dbt"
MODE = "CATCHMENT_DBT_EXECUTION_MODE"
"""The setting: `watcher` (one `dbt build` does the work, every task watches its model) or `local` (a call per task)."""

# Cosmos (1.15) writes an XCom at each of a node's four events over the one before, and its tasks read the last: of 181
# nodes that is 540 calls of the API server for nothing, a sixth of all.
watcher._DBT_EVENT_ALLOWLIST = watcher._DBT_ERROR_EVENTS_TYPES | {"NodeFinished"}


def dbt_group(dag_id: str, project: Path) -> DbtTaskGroup:
    """The task group `dbt` of a DAG that `catchment.dbt_project.PARTS` names; call it inside the DAG's `with`."""
    mode = ExecutionMode(os.environ.get(MODE, ExecutionMode.WATCHER.value))
    watches = mode is ExecutionMode.WATCHER
    return DbtTaskGroup(
        group_id="dbt",
        project_config=project_config(project, dag_id),
        profile_config=profile_config(dag_id),
        execution_config=ExecutionConfig(execution_mode=mode, setup_operator_args={"pool": BUILD_POOL}),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            test_behavior=TestBehavior.BUILD if mode is ExecutionMode.LOCAL else TestBehavior.AFTER_EACH,
            group_nodes_by_folder=True,
            emit_datasets=False,
        ),
        operator_args={
            "install_deps": False,
            "pool": watch_pool(dag_id) if watches else BUILD_POOL,
            "deferrable": False,  # a watcher that wakes within one loop of the scheduler is taken for a lost task
            "poke_interval": 2,
            # Here, not in RenderConfig: there it makes the tasks' order random. And not as `exclude`: the one dbt build
            # that works for all would not get it.
            "dbt_cmd_flags": [
                *(part_of_build(dag_id) if watches else ()),
                *("--exclude", "resource_type:unit_test"),
            ],
        },
    )


def watch_pool(dag_id: str) -> str:
    """The pool of a DAG's watchers: its own, or those that wait for one build keep everybody else waiting."""
    return f"{dag_id}_watch"


def dbt_freshness(dag_id: str, project: Path) -> DbtSourceLocalOperator:
    """The task `freshness`: one `dbt source freshness`; it fails with a sentence for each stream that is stale."""
    return DbtSourceLocalOperator(
        task_id="freshness",
        project_dir=str(project),
        profile_config=profile_config(dag_id),
        install_deps=False,
        emit_datasets=False,
        callback=fail_if_stale,
        pool=BUILD_POOL,
    )


def dbt_from_scratch(dag_id: str, project: Path, *, select: str) -> DbtRunLocalOperator:
    """The task `from_scratch`: builds a few models again, while their DAG's runs go on; `select` is a template.

    Only from scratch: two runs that add to one model would share dbt's table of what is new.
    """
    return DbtRunLocalOperator(
        task_id="from_scratch",
        project_dir=str(project),
        profile_config=profile_config(dag_id),
        select=select,
        full_refresh=True,
        install_deps=False,
        emit_datasets=False,
        pool=BUILD_POOL,
        execution_timeout=timedelta(hours=12),
    )
