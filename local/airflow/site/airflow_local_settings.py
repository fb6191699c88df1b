"""Airflow reads this when any of its processes starts (it is on their PYTHONPATH): what is special about one machine.

Two things. Schedules begin with the interval in which the profile was first started: Airflow 3.3 would otherwise run
the one before as soon as a DAG is unpaused, even with `catchup=False`, in front of a person's first run. And those who
fork for each task and each parse import what the forks need, once for all: imports were two fifths of a task's time.
"""

from __future__ import annotations

import importlib
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.sdk import CronDataIntervalTimetable
from croniter import croniter

FORKING = {"scheduler", "dag-processor"}
USED_BY_FORKS = (
    "airflow.dag_processing.dagbag",
    "airflow.providers.snowflake.hooks.snowflake",
    "airflow.providers.standard.decorators.python",
    "airflow.providers.standard.triggers.temporal",
    "airflow.sdk.execution_time.task_runner",
    "boto3",
    "cosmos.operators.watcher",
    "dbt.adapters.snowflake",
    "dbt.cli.main",
    "google.auth.transport.requests",
    "google.oauth2.service_account",
    "tabulate",
    "catchment.dag_builders",
    "catchment.extract.run",
    "catchment.operators.dbt",
    "catchment.platform",
    "catchment.sources",
)
OURS = Path(__file__).parents[3] / "plugins" / "catchment"


def dag_policy(dag: Any) -> None:
    """Let no schedule begin before the interval of the profile's first start."""
    begin = datetime.fromisoformat(os.environ["CATCHMENT_FIRST_START"])
    if isinstance(dag.timetable, CronDataIntervalTimetable):
        begin = croniter(dag.timetable.expression, begin).get_prev(datetime)
    for scheduled in (dag, *dag.tasks):
        if scheduled.start_date is not None:
            scheduled.start_date = max(scheduled.start_date, begin)


def files() -> dict[str, int]:
    """Our modules' files, and when each was last written."""
    return {str(file): file.stat().st_mtime_ns for file in OURS.rglob("*.py")}


def import_for_forks() -> None:
    """Import what forks need. One that finds a file of ours changed imports ours again: an edit counts at once."""
    for module in USED_BY_FORKS:
        importlib.import_module(module)
    # Reads S3's description from a large JSON file, which boto3 keeps for the clients of all tasks.
    sys.modules["boto3"].client("s3", region_name="us-east-1")
    imported = files()

    def forget_what_changed() -> None:
        if files() != imported:
            for name in [name for name in sys.modules if name.partition(".")[0] == "catchment"]:
                del sys.modules[name]

    os.register_at_fork(after_in_child=forget_what_changed)


if FORKING & set(sys.argv):
    import_for_forks()
