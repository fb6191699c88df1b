"""The demo's DAG runs: start them, watch them, and say why one failed."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from local.airflow.api import AirflowApi
from local.errors import LocalError

FINISHED = ("success", "failed")
POLL_SECONDS = 3.0
RUN_SECONDS = 1800
ASSET_RUN_SECONDS = 90


@dataclass(frozen=True)
class Run:
    """A DAG run as last seen; `tasks` are Airflow's task instances."""

    dag_id: str
    run_id: str
    state: str
    tasks: tuple[Mapping[str, Any], ...]

    @property
    def finished(self) -> bool:
        return self.state in FINISHED

    @property
    def counts(self) -> Counter[str]:
        return Counter(str(task["state"] or "waiting") for task in self.tasks)


@dataclass(frozen=True)
class Failure:
    """A task that failed: the sentence of its error, and the file with its log."""

    dag_id: str
    task_id: str
    sentence: str
    log: Path


def look(api: AirflowApi, dag_id: str, run_id: str) -> Run:
    state = api.run(dag_id, run_id)["state"]
    return Run(dag_id, run_id, state, tuple(api.task_instances(dag_id, run_id)))


def wait(api: AirflowApi, started: Mapping[str, str], show: Callable[[Iterable[Run]], None]) -> list[Run]:
    """Wait until every run (run id by DAG id) is over; `show` gets all of them at each look."""
    deadline = time.monotonic() + RUN_SECONDS
    seen: dict[str, Run] = {}
    while len([run for run in seen.values() if run.finished]) < len(started):
        for dag_id, run_id in started.items():
            if dag_id not in seen or not seen[dag_id].finished:
                seen[dag_id] = look(api, dag_id, run_id)
        show(seen.values())
        if time.monotonic() > deadline:
            late = ", ".join(run.dag_id for run in seen.values() if not run.finished)
            raise LocalError(f"Not over after {RUN_SECONDS // 60} minutes: {late}. It goes on; look at Airflow's page.")
        time.sleep(POLL_SECONDS)
    return [seen[dag_id] for dag_id in started]


def wait_for_asset_run(
    api: AirflowApi, dag_id: str, since: datetime, show: Callable[[Iterable[Run]], None]
) -> Run | None:
    """Wait for the run that asset updates since then created, and for its end; None when no asset was updated.

    When updates came in while it ran, Airflow starts another: the last one counts, as it has seen them all. A run from
    before, which an earlier demo may have left at work, is waited for first: runs never overlap.
    """
    if not api.asset_events_since(since):
        return None
    for older in api.runs_under_way(dag_id):
        wait(api, {dag_id: older["dag_run_id"]}, show)
    deadline = time.monotonic() + ASSET_RUN_SECONDS
    while True:
        runs = api.runs_since(dag_id, since)
        if runs and not api.queued_asset_events(dag_id):
            [last] = wait(api, {dag_id: runs[-1]["dag_run_id"]}, show)
            if not api.queued_asset_events(dag_id):
                return last
        elif not runs and time.monotonic() > deadline:
            raise LocalError(
                f"The sources updated their assets, but Airflow made no run of {dag_id} in {ASSET_RUN_SECONDS} s. "
                "Look at its schedule on Airflow's page (Assets), and at the scheduler: make logs S=airflow-scheduler"
            )
        time.sleep(POLL_SECONDS)


def failures(runs: Iterable[Run], task_logs: Path, *, state: str = "failed") -> list[Failure]:
    """The tasks that failed by themselves (or are in another `state` for a failure's sake), with why."""
    return [
        Failure(run.dag_id, task["task_id"], sentence(log), log)
        for run in runs
        for task in run.tasks
        if task["state"] == state
        for log in [log_file(task_logs, task)]
    ]


def log_file(task_logs: Path, task: Mapping[str, Any]) -> Path:
    """Where Airflow writes the log of a task's last attempt (its default `log_filename_template`)."""
    folder = task_logs / f"dag_id={task['dag_id']}" / f"run_id={task['dag_run_id']}" / f"task_id={task['task_id']}"
    if task["map_index"] >= 0:
        folder /= f"map_index={task['map_index']}"
    return folder / f"attempt={max(task['try_number'], 1)}.log"


def sentence(log: Path) -> str:
    """What the last exception in a task's log said; without one, the log's last error."""
    if not log.exists():
        return "it ended before it wrote a log: its process was killed, or the scheduler could not start it"
    said = ""
    for line in log.read_text(errors="replace").splitlines():
        said = _error(line) or said
    return said or "its log has no error: its process was killed"


def _error(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return ""
    if details := entry.get("error_detail"):
        return str(details[0].get("exc_value") or details[0].get("exc_type"))
    return str(entry.get("event", "")) if entry.get("level") in ("error", "critical") else ""
