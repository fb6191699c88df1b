"""A client that died in a transaction does not keep it open.

Snowflake ends the transaction of a client that is gone; upstream keeps it for ever, and the next load of the same batch
would meet its changes as a conflict. When the last socket of a session is closed while a transaction is open, and the
client does not come back within GRACE seconds, its transaction is rolled back and the session ends. A client that has
waited too long for a statement's answer also closes its socket; it asks again after a pause, so it is given longer.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import fakesnow.server as upstream
from uvicorn.protocols.http.h11_impl import H11Protocol

from local.warehouse import locks
from local.warehouse.sessions import Session, all_sessions

log = logging.getLogger("catchment.warehouse")
GRACE = 1.5
LONGEST_PAUSE = 20.0  # seconds; the connector's own pauses between two requests are 16 at most


class WatchedProtocol(H11Protocol):
    """uvicorn's HTTP protocol, telling when a client's socket closes."""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        left = [s for s in all_sessions() if self.client in s.peers]
        for session in left:
            session.peers.discard(self.client)
            if session.in_transaction and not session.peers:
                session.left_at = time.monotonic()
                wait = LONGEST_PAUSE if session.run else GRACE
                timer = threading.Timer(wait, _end, [session, session.left_at])
                timer.daemon = True
                timer.start()


def _end(session: Session, left_at: float) -> None:
    if session.peers or session.left_at != left_at or not session.in_transaction:
        return
    log.warning("session %s left a transaction open: rolled back", session.id)
    for token in [t for t, connection in upstream.sessions.items() if connection is session.connection]:
        del upstream.sessions[token]
    while session.run is not None:
        session.interrupt()
        time.sleep(0.05)
    close(session)


def close(session: Session) -> None:
    """End a session: an open transaction is rolled back, its locks are released."""
    session.begun = False
    connection: Any = session.connection
    connection._in_transaction = False
    connection.close()
    locks.release(session)
