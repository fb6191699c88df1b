"""One run of the health check around its decision: what it does, and whether that lasted."""

from __future__ import annotations

from typing import Any

import pytest

from catchment.cdc.connectors.client import ConnectorStatus, Rebalancing, TaskStatus
from catchment.cdc.health import check as module
from catchment.cdc.health.decide import ActionKind, ConnectorAction
from catchment.cdc.health.policy import Policy
from catchment.connection import Connection
from catchment.errors import CatchmentError
from tests.support.cdc_health import NAME, running

RESTART = ConnectorAction(NAME, ActionKind.RESTART_FAILED, "it failed", 1)
TRACE = "a.b.ConnectException: boom\n\tat x.Y.z(Y.java:1)\nCaused by: c.PSQLException: no such role"


class Connect:
    """Takes a restart, and says afterwards what a test says."""

    after: ConnectorStatus | CatchmentError = running()
    taken: CatchmentError | None = None

    def __init__(self, connection: Any) -> None:
        pass

    def __enter__(self) -> Connect:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def restart_failed(self, name: str) -> None:
        if self.taken:
            raise self.taken

    def status(self, name: str) -> ConnectorStatus:
        if isinstance(self.after, CatchmentError):
            raise self.after
        return self.after


@pytest.mark.parametrize(
    ("after", "error"),
    [
        (running(), ""),
        (ConnectorStatus("RUNNING", (TaskStatus(0, "FAILED", trace=TRACE),)), "PSQLException: no such role"),
        (ConnectorStatus("FAILED", (), TRACE), "PSQLException: no such role"),
        (Rebalancing("409"), ""),  # the next run sees it
    ],
)
def test_a_restart_is_done_only_if_its_task_lives_some_seconds_later(
    after: Any, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: "restart_failed …: done" of a task that was dead five seconds later."""
    waited: list[float] = []
    monkeypatch.setattr(Connect, "after", after)
    monkeypatch.setattr(module, "Connect", Connect)
    monkeypatch.setattr(module.time, "sleep", waited.append)
    ((_, outcome),) = module._act([RESTART], lambda name: Connection(conn_id=name), Policy())
    assert waited == [20]
    assert (str(outcome) if outcome else "") == (f"it failed again within 20 s: {error}" if error else "")


def test_what_connect_did_not_take_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connect, "taken", Rebalancing("409"))
    monkeypatch.setattr(module, "Connect", Connect)
    monkeypatch.setattr(module.time, "sleep", lambda _: pytest.fail("nothing was begun"))
    ((_, outcome),) = module._act([RESTART], lambda name: Connection(conn_id=name), Policy())
    assert isinstance(outcome, Rebalancing)
