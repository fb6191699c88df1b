"""Give the role `cdc` of a shard a new password; at every point someone can log in.

The password is kept in one place: the file that Connect's config provider reads. Connectors refer to it
(`${file:/path:s0.password}`), and so does the platform's own connection. A password never leaves this module but to
that file and, as a SCRAM verifier, to Postgres: it is in no log, no XCom, no config.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from catchment.cdc import shard as database
from catchment.cdc.connectors.client import Rebalancing
from catchment.cdc.declared import HEARTBEAT, Shard
from catchment.cdc.secret import Reference
from catchment.cdc.systems import Systems
from catchment.connection import Connection
from catchment.errors import CatchmentError, NeedsPerson

LENGTH = 32  # random bytes
HEARTBEAT_SECONDS = 90.0  # seconds for the heartbeat to move


class NotRotated(NeedsPerson):
    """The new password did not work; the old one is in force again."""


@dataclass(frozen=True)
class Place:
    """Where a shard's password is kept, and who logs in with it."""

    shard: Shard
    reference: Reference
    connection: Connection

    @property
    def path(self) -> Path:
        return self.reference.path

    @property
    def pending(self) -> Reference:
        """Where a new password is while the role may or may not have it."""
        return Reference(self.path, self.reference.key + ".pending")


def place(systems: Systems, shard: Shard) -> Place:
    """Raises NeedsPerson unless one file serves Connect and the platform alike, and can be written here."""
    extra = systems.look_up("kafka_connect").extra
    wanted = Reference.parse(str(extra.get("secret", "")).replace("{shard}", shard.name))
    if wanted is None:
        raise NeedsPerson(
            'The connection "kafka_connect" does not say in which file passwords are: its extra needs '
            '"secret": "${file:<path>:{shard}.password}". Where they are kept elsewhere, rotate there, as '
            "docs/runbooks/cdc_rotate_password.md says by hand."
        )
    if not os.access(wanted.path, os.W_OK) or not os.access(wanted.path.parent, os.W_OK):
        raise NeedsPerson(
            f"This worker can't write {wanted.path}, where Connect reads passwords: run this where the file is, or "
            "rotate by hand (docs/runbooks/cdc_rotate_password.md)."
        )
    connection = systems.look_up(shard.connection)
    if Reference.parse(connection.password) != wanted:
        raise NeedsPerson(
            f'The connection "{connection.conn_id}" holds a password of its own, which would be the old one then: give '
            f"it the reference ${{file:{wanted.path}:{wanted.key}}} (docs/runbooks/cdc_rotate_password.md)."
        )
    return Place(shard, wanted, connection)


def plan(at: Place) -> list[str]:
    """What a rotation would do, in sentences."""
    return [
        f"make a new password for the role {at.connection.login} of {at.shard.name}",
        f"ALTER ROLE {at.connection.login} PASSWORD, as a SCRAM verifier, by the role itself",
        f"write it to {at.path} under {at.reference.key}",
        f"log in with it, and restart the connector {at.shard.connector}, which reads the file again",
        f"wait until the heartbeat of {at.shard.name} moves; if it does not, put the old password back",
    ]


def rotate(systems: Systems, at: Place, given: str = "", report: Callable[[str], None] = lambda _: None) -> None:
    """Rotate; `given` is the new password, or one is made. Raises NotRotated when the old one is back in force.

    The new password is in the file, as the pending one, before the role has it: a rotation that is killed half-way
    locks nobody out, because the next one finds it there.
    """
    new = given or secrets.token_urlsafe(LENGTH)
    if re.fullmatch(r"[!-\[\]-~]{16,256}", new) is None:
        raise NeedsPerson(
            "A password needs 16 to 256 characters of ASCII, without spaces and backslashes. Nothing was changed."
        )
    old = _in_force(at)
    connection = replace(at.connection, password=old)
    with database.opened(connection) as session:
        try:
            at.pending.write(new)
            _alter(session, connection.login, new)
            report("the role has the new password")
            at.reference.write(new)
            report(f"{at.path} has it too")
            with database.opened(replace(connection, password=new)):
                report("a login with it works")
            ((since,),) = database.rows(session, "SELECT clock_timestamp()")
            _restart(systems, at.shard)
            _wait_for_beat(session, at.shard, since)
            at.pending.remove()
            report(f"{at.shard.connector} runs with it: the heartbeat moves")
        except BaseException as error:
            _alter(session, connection.login, old)
            at.reference.write(old)
            with suppress(CatchmentError, OSError):
                at.pending.remove()
                _restart(systems, at.shard)
            if not isinstance(error, CatchmentError | OSError):
                raise
            raise NotRotated(
                f"{at.shard.name}: the new password did not work ({error}). The old one is in force again, in Postgres "
                f"and in {at.path}, and {at.shard.connector} was restarted with it. Fix that, and run this again."
            ) from error


def _in_force(at: Place) -> str:
    """The password that the role has: the file's, or the pending one of a rotation that was killed half-way."""
    kept = at.reference.read()
    try:
        with database.opened(replace(at.connection, password=kept)):
            return kept
    except database.ShardRefused:
        try:
            pending = at.pending.read()
            with database.opened(replace(at.connection, password=pending)):
                at.reference.write(pending)
                return pending
        except NeedsPerson:
            pass
        raise


def _alter(session: Any, role: str, password: str) -> None:
    """Set the password as a verifier, so that the server's log can't show it."""
    from psycopg2.extensions import encrypt_password, quote_ident

    verifier = encrypt_password(password, role, scope=session, algorithm="scram-sha-256")
    database.rows(session, f"ALTER ROLE {quote_ident(role, session)} PASSWORD %s", (verifier,))


def _restart(systems: Systems, shard: Shard) -> None:
    """Restart the connector whole: its tasks resolve references when they start."""
    with systems.connect() as connect:
        for wait in (1, 2, 4, 8, 0):
            try:
                connect.restart(shard.connector)
            except Rebalancing:
                if not wait:
                    raise
                time.sleep(wait)
            else:
                return


def _beat(session: Any) -> int:
    ((number,),) = database.rows(session, f"SELECT n FROM {HEARTBEAT} WHERE id = 1")
    return int(number)


def _wait_for_beat(session: Any, shard: Shard, since: Any, timeout: float = HEARTBEAT_SECONDS) -> None:
    """Wait until the slot is held by a login of after `since`, and the heartbeat has moved under it."""
    deadline = time.monotonic() + timeout
    first: int | None = None
    while time.monotonic() < deadline:
        held = "SELECT 1 FROM pg_replication_slots AS s JOIN pg_stat_activity AS a ON a.pid = s.active_pid "
        if database.rows(session, held + "WHERE s.slot_name = %s AND a.backend_start > %s", (shard.slot, since)):
            beat = _beat(session)
            first = beat if first is None else first
            if beat > first:
                return
        time.sleep(0.5)
    raise NeedsPerson(
        f"the heartbeat of {shard.name} did not move within {timeout:.0f} s of the restart: {shard.connector} does "
        "not run with the new password, or did not run before"
    )
