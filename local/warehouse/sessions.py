"""What the server knows of each session beyond upstream's connection: who, with what role, and what runs now."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from fakesnow.conn import FakeSnowflakeConnection

_IDS = itertools.count(int(datetime.now(UTC).timestamp()) * 1000)


@dataclass
class Session:
    """One client session. `parameters` holds what ALTER SESSION set; `peers` are the client's open sockets;
    the last of them was closed at `left_at`.

    `turn` is held by the statement that runs: an engine's connection takes one at a time. `asked` is the request that
    came last, and its answer.
    """

    connection: FakeSnowflakeConnection
    id: int = field(default_factory=lambda: next(_IDS))
    user: str = "CATCHMENT"
    role: str | None = None
    warehouse: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    peers: set[Any] = field(default_factory=set)
    left_at: float = 0.0
    begun: bool = False
    transaction_name: str = ""
    begun_at: datetime | None = None
    run: Any = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    asked: tuple[str | None, asyncio.Future[Any]] | None = None

    @property
    def query_tag(self) -> str:
        return self.parameters.get("QUERY_TAG", "")

    @property
    def in_transaction(self) -> bool:
        """Whether BEGIN was said, or a change was made with AUTOCOMMIT off, and not ended since."""
        return self.begun or self.connection._in_transaction

    def abort(self, by: Session) -> None:
        """End the open transaction, and the statement that runs in it, as if the client had said ROLLBACK."""
        while self is not by and self.run is not None:
            self.interrupt()
            time.sleep(0.05)
        self.connection.cursor().execute("ROLLBACK")

    def interrupt(self) -> None:
        """Cancel the statement that runs now, if any."""
        self.connection._duck_conn.interrupt()


_LOCK = threading.Lock()
_SESSIONS: WeakKeyDictionary[FakeSnowflakeConnection, Session] = WeakKeyDictionary()


def session_of(connection: FakeSnowflakeConnection) -> Session:
    """The session of an upstream connection; made at first use."""
    with _LOCK:
        if connection not in _SESSIONS:
            _SESSIONS[connection] = Session(connection)
        return _SESSIONS[connection]


def all_sessions() -> list[Session]:
    with _LOCK:
        return list(_SESSIONS.values())
