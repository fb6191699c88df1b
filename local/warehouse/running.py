"""The statements that run now: each has an id from its start, can be cancelled, and is written to the history."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from local.warehouse import history
from local.warehouse.sessions import Session


@dataclass
class Run:
    """One statement: `error` and `rows` are filled in when it ends."""

    session: Session
    text: str
    request_id: str | None
    query_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    error: str | None = None
    rows: int | None = None
    ended_at: datetime | None = None


_LOCK = threading.Lock()
_RUNS: dict[str, Run] = {}


@contextmanager
def statement(session: Session, request_id: str | None, text: str) -> Iterator[Run]:
    """Register a statement while it runs, then write it to the history."""
    run = Run(session, text, request_id)
    with _LOCK:
        _RUNS[run.query_id] = run
    session.run = run
    try:
        yield run
    finally:
        session.run = None
        run.ended_at = datetime.now(UTC)
        with _LOCK:
            del _RUNS[run.query_id]
        history.append(run)


def cancel_request(request_id: str) -> None:
    """Cancel the statement that the client sent with this request id."""
    for run in active():
        if run.request_id == request_id:
            run.session.interrupt()


def active() -> list[Run]:
    """The statements that run now."""
    with _LOCK:
        return list(_RUNS.values())
