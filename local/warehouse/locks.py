"""One lock a table, for statements that Snowflake lets run only one at a time on a table (MERGE)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import snowflake.connector.errors as sf

from local.warehouse import errors
from local.warehouse.sessions import Session

Table = tuple[Any, ...]
DEFAULT_TIMEOUT = 300.0

_CHANGED = threading.Condition()
_HOLDERS: dict[Table, Session] = {}


@contextmanager
def hold(table: Table, session: Session) -> Iterator[None]:
    """Hold the table's lock for the block; in a transaction, until it ends. Errors after LOCK_TIMEOUT seconds."""
    timeout = float(session.parameters.get("LOCK_TIMEOUT", DEFAULT_TIMEOUT))
    deadline = time.monotonic() + timeout
    with _CHANGED:
        while (holder := _HOLDERS.get(table)) is not None and holder is not session:
            if not _CHANGED.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                raise sf.ProgrammingError(
                    msg=f"Session {holder.id} has locked table {'.'.join(map(str, table))} for {timeout:.0f} s in a "
                    "transaction and has not released it. End that transaction, then run the statement again.",
                    errno=errors.CONFLICT,
                    sqlstate="57014",
                )
        _HOLDERS[table] = session
    try:
        yield
    finally:
        if not session.in_transaction:
            release(session)


def release(session: Session) -> None:
    """Let go of all tables of a session: its transaction has ended."""
    with _CHANGED:
        for table in [t for t, holder in _HOLDERS.items() if holder is session]:
            del _HOLDERS[table]
        _CHANGED.notify_all()
