"""The order in which the profile stops.

apache/airflow PR 73244: a task's supervisor tries its heartbeats again and again while the api-server is away, and does
not see that its task has ended meanwhile. Right: the scheduler and its tasks end while the api-server still answers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.profile import Profile
from local.services.supervisor import Process, Supervisor
from local.settings import Settings


def test_the_scheduler_stops_before_the_api_server_that_its_tasks_report_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newcomer's report: `make stop` under load took 54 s and killed the scheduler. It had waited for tasks that
    could not end, for the api-server was stopped at the same moment. Right: tasks end first, then what they need.
    """
    profile = Profile(Settings(var=tmp_path))
    stopped: list[str] = []
    since = datetime(2026, 11, 27, tzinfo=UTC)
    processes = {service.name: Process(service.name, "RUNNING", 1, since, "") for service in profile.services()}
    monkeypatch.setattr(Supervisor, "is_running", lambda _: True)
    monkeypatch.setattr(Supervisor, "processes", lambda _: processes)
    monkeypatch.setattr(Supervisor, "stop_process", lambda _, name: stopped.append(name))
    monkeypatch.setattr(Supervisor, "shutdown", lambda _: None)

    profile.stop(say=lambda _: None)

    assert sorted(stopped) == sorted(processes)
    scheduler = stopped.index("airflow-scheduler")
    assert stopped.index("loader") < scheduler < stopped.index("airflow-api-server") < stopped.index("postgres")
