"""Airflow reads this when any of its processes starts (it is on their PYTHONPATH): what is special about one machine.

Two things. Schedules begin with the interval in which the profile was first started: Airflow 3.3 would otherwise run
the one before as soon as a DAG is unpaused, even with `catchup=False`, in front of a person's first run. And the
scheduler imports what tasks need before it forks its workers: they share it, and a task does not spend its first
seconds on imports.
"""

from __future__ import annotations

import importlib
import os
import sys
from datetime import datetime
from typing import Any

from airflow.sdk import CronDataIntervalTimetable
from croniter import croniter

# Other people's packages only: our own are imported again by each task, so that an edit counts at once.
USED_BY_TASKS = (
    "airflow.providers.snowflake.hooks.snowflake",
    "airflow.providers.standard.triggers.temporal",
    "boto3",
    "cosmos",
    "cosmos.operators.watcher",
    "dbt.adapters.snowflake",
    "dbt.cli.main",
    "google.auth.transport.requests",
    "google.oauth2.service_account",
    "msgspec",
    "snowflake.connector",
    "urllib3",
    "zstandard",
)


def dag_policy(dag: Any) -> None:
    """Let no schedule begin before the interval of the profile's first start."""
    begin = datetime.fromisoformat(os.environ["CATCHMENT_FIRST_START"])
    if isinstance(dag.timetable, CronDataIntervalTimetable):
        begin = croniter(dag.timetable.expression, begin).get_prev(datetime)
    for scheduled in (dag, *dag.tasks):
        if scheduled.start_date is not None:
            scheduled.start_date = max(scheduled.start_date, begin)


if "scheduler" in sys.argv:
    for module in USED_BY_TASKS:
        importlib.import_module(module)
    # Reads S3's description from a large JSON file, which boto3 keeps for the clients of all tasks.
    sys.modules["boto3"].client("s3", region_name="us-east-1")
