"""The demo's DAG runs: start them, watch them, and say why one failed."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from local.airflow.api import AirflowApi
from local.errors import LocalError

FINISHED = ("success", "failed")
POLL_SECONDS = 1.5
LOOKS_AT_TASKS = 6
"""A run's tasks are asked for at every sixth look: they cost the API server as much as a task of the run."""
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


def look(api: AirflowApi, dag_id: str, run_id: str, before: Run | None = None) -> Run:
    """The run now; its tasks as they were `before`, if that is given and it is not over."""
    state = api.run(dag_id, run_id)["state"]
    if before and state not in FINISHED:
        return replace(before, state=state)
    return Run(dag_id, run_id, state, tuple(api.task_instances(dag_id, run_id)))


def wait(api: AirflowApi, started: Mapping[str, str], show: Callable[[Iterable[Run]], None]) -> list[Run]:
    """Wait until every run (run id by DAG id) is over; `show` gets all of them at each look."""
    deadline = time.monotonic() + RUN_SECONDS
    seen: dict[str, Run] = {}
    looks = 0
    while len([run for run in seen.values() if run.finished]) < len(started):
        for dag_id, run_id in started.items():
            if dag_id not in seen or not seen[dag_id].finished:
                seen[dag_id] = look(api, dag_id, run_id, seen.get(dag_id) if looks % LOOKS_AT_TASKS else None)
        looks += 1
        show(seen.values())
        if time.monotonic() > deadline:
            late = ", ".join(run.dag_id for run in seen.values() if not run.finished)
            raise LocalError(f"Not over after {RUN_SECONDS // 60} minutes: {late}. It goes on; look at Airflow's page.")
        time.sleep(POLL_SECONDS)
    return [seen[dag_id] for dag_id in started]


def loaded_at(runs: Iterable[Run]) -> datetime | None:
    """When the last load of these runs was over; None when there was none."""
    ends = [
        datetime.fromisoformat(task["end_date"])
        for run in runs
        for task in run.tasks
        if task["task_id"].endswith(".load") and task["end_date"]
    ]
    return max(ends, default=None)


def wait_for_run_after(
    api: AirflowApi,
    dag_id: str,
    loaded: datetime,
    show: Callable[[Iterable[Run]], None],
    *,
    seconds: float = ASSET_RUN_SECONDS,
) -> Run:
    """Wait for the end of the first run that had not begun at `loaded`: it has seen all that was loaded by then.

    As a rule the sources' assets set it off. But other runs of the sources update assets too: then a run may have begun
    before the last load and taken what ours waits for, or an update may stay queued until tomorrow. So a run that began
    earlier is let finish, for runs never overlap, and if none follows within `seconds`, one is started here.
    """
    run_id = _pending_run(api, dag_id, loaded, show, seconds) or api.trigger(dag_id)
    [seen] = wait(api, {dag_id: run_id}, show)
    return seen


def _pending_run(
    api: AirflowApi, dag_id: str, loaded: datetime, show: Callable[[Iterable[Run]], None], seconds: float
) -> str | None:
    if (run_id := first_not_begun(api.latest_runs(dag_id), loaded)) is not None:
        return run_id
    for older in api.runs_under_way(dag_id):
        wait(api, {dag_id: older["dag_run_id"]}, show)
    deadline = time.monotonic() + seconds
    while (run_id := first_not_begun(api.latest_runs(dag_id), loaded)) is None and time.monotonic() < deadline:
        show(())
        time.sleep(POLL_SECONDS)
    return run_id


def first_not_begun(runs: Sequence[Mapping[str, Any]], moment: datetime) -> str | None:
    """The id of the first of Airflow's runs (oldest first) that began at `moment` or later, or has yet to begin."""
    for run in runs:
        began = run["start_date"]
        if datetime.fromisoformat(began) >= moment if began else run["state"] not in FINISHED:
            return str(run["dag_run_id"])
    return None


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
