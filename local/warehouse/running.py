"""The statements that run now, one a session: each can be cancelled, and is written to the history when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from local.warehouse import history
from local.warehouse.sessions import Session, all_sessions


@dataclass
class Run:
    """One statement: `error` is filled in when it ends."""

    session: Session
    text: str
    request_id: str | None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    error: str | None = None


@contextmanager
def statement(session: Session, request_id: str | None, text: str) -> Iterator[Run]:
    """Register a statement while it runs, then write it to the history."""
    session.run = run = Run(session, text, request_id)
    try:
        yield run
    finally:
        session.run = None
        history.append(run)


def cancel_request(request_id: str) -> None:
    """Cancel the statement that the client sent with this request id."""
    for session in all_sessions():
        if (run := session.run) is not None and run.request_id == request_id:
            session.interrupt()
