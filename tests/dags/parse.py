"""Parse the DAG files as a dag-processor does, cut off from the world; print what came of it as one JSON object.

Run in a process of its own, for Airflow reads its settings when it is imported: `python tests/dags/parse.py <folder>`.
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

asked: list[str] = []


def cut_off() -> None:
    """Whoever connects to anything, or looks up a connection or variable, is written down and refused."""

    def refuse(what: str) -> Any:
        def refused(*args: Any, **_: Any) -> Any:
            asked.append(f"{what}: {args[-1]!r}")
            raise OSError(f"{what} while a DAG file is parsed")

        return refused

    socket.socket.connect = refuse("connect")
    socket.socket.connect_ex = refuse("connect")
    socket.getaddrinfo = refuse("look-up of a host")


def parse(folder: str) -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import BaseHook, Connection, Variable
    from airflow.serialization.serialized_objects import DagSerialization

    before = set(sys.modules)
    for owner, name in ((BaseHook, "get_connection"), (Connection, "get"), (Variable, "get")):

        def refused(*args: Any, what: str = f"{owner.__name__}.{name}", **_: Any) -> Any:
            asked.append(what)
            raise OSError(f"{what} while a DAG file is parsed")

        setattr(owner, name, refused)
    bag = DagBag(folder)
    serialized = {dag_id: DagSerialization.to_dict(dag) for dag_id, dag in sorted(bag.dags.items())}
    for value in serialized.values():
        del value["dag"]["_processor_dags_folder"]  # of this Airflow, not of the DAG
    scheduled = {dag_id: DagSerialization.from_dict(value) for dag_id, value in serialized.items()}
    return {
        "errors": bag.import_errors,
        "dags": {dag_id: look(dag) for dag_id, dag in bag.dags.items()},
        "serialized": serialized,
        "scheduled": {dag_id: sorted(dag.task_dict) for dag_id, dag in scheduled.items()},
        "asked": asked,
        "modules": sorted(set(sys.modules) - before),
    }


def look(dag: Any) -> dict[str, Any]:
    """What people rely on: of the DAG, and of each task."""
    return {
        "file": dag.relative_fileloc,
        "owner": dag.owner,
        "doc_md": dag.doc_md,
        "tags": sorted(dag.tags),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "run_timeout": dag.dagrun_timeout.total_seconds() if dag.dagrun_timeout else None,
        "paused_at_first": dag.is_paused_upon_creation,
        "timetable": str(dag.timetable),
        "params": {name: dag.params.get_param(name).schema for name in dag.params},
        "tasks": {task.task_id: look_at_task(task) for task in dag.tasks},
    }


def look_at_task(task: Any) -> dict[str, Any]:
    policy = getattr(task, "retry_policy", None)
    return {
        "owner": task.owner,
        "retries": task.retries,
        "retry_policy": type(policy).__name__ if policy else None,
        "retry_delay": task.retry_delay.total_seconds(),
        "backoff": task.retry_exponential_backoff,
        "timeout": task.execution_timeout.total_seconds() if task.execution_timeout else None,
        "pool": task.pool,
        "doc_md": task.doc_md,
        "trigger_rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)),
        "upstream": sorted(task.upstream_task_ids),
        "outlets": sorted(getattr(asset, "name", str(asset)) for asset in task.outlets),
    }


if __name__ == "__main__":
    cut_off()
    print(json.dumps(parse(sys.argv[1]), sort_keys=False, default=str))
