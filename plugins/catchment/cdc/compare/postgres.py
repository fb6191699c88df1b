"""The source of truth: a shard's own Postgres, or a standby of it, read in one snapshot.

The snapshot stays open until the comparison is over, and holds back vacuum as a dump would. Of a standby the LSNs are
what it has replayed. Single rows are read live from the shard itself: a standby may be behind the warehouse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from catchment.cdc import shard as database
from catchment.cdc.compare.table_view import TableView
from catchment.cdc.compare.texts import PostgresTexts
from catchment.cdc.declared import Shard, Table
from catchment.cdc.systems import Systems
from catchment.connection import Connection, NoConnection
from catchment.errors import NeedsPerson

SECONDS = 1800  # for one statement
TEXTS = PostgresTexts()
_LSN = "(CASE WHEN pg_is_in_recovery() THEN {} ELSE pg_current_wal_insert_lsn() END - '0/0'::pg_lsn)::bigint"
BEFORE = _LSN.format("pg_last_wal_replay_lsn()")
# A standby shows a commit a little before it says that it was replayed; what it received is never too early.
AFTER = _LSN.format("GREATEST(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())")
# Text must not depend on a server's or a role's defaults; and a statement must end soon after its client is gone.
SETTINGS = {
    "datestyle": "ISO, YMD",
    "timezone": "UTC",
    "intervalstyle": "iso_8601",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "client_connection_check_interval": "5s",
}
_SINCE_14 = "client_connection_check_interval"


@dataclass(frozen=True)
class PostgresSnapshot:
    """A shard in one Postgres snapshot: with every change up to the LSN `before`, and none after the LSN `after`.

    `now` reads in a second session, outside the snapshot and never behind the warehouse.
    """

    systems: Systems
    before: int
    after: int
    schema: str
    session: Any
    live_session: Any

    def view(self, table: Table) -> TableView:
        return self._view(table, self.session)

    def now(self, table: Table) -> TableView:
        return self._view(table, self.live_session)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """A part of the comparison whose failed statement leaves the snapshot usable."""
        database.rows(self.session, "SAVEPOINT guarded")
        try:
            yield
        finally:
            import psycopg2

            with suppress(psycopg2.Error):
                database.rows(self.session, "ROLLBACK TO SAVEPOINT guarded")

    def _view(self, table: Table, session: Any) -> TableView:
        def query(sql: str) -> list[tuple[Any, ...]]:
            self.systems.refuse_if_cancelled()
            return database.rows(session, sql)

        return TableView(TEXTS, query, f"{TEXTS.name(self.schema)}.{TEXTS.name(table.name)}", table)


@contextmanager
def postgres_snapshot(
    systems: Systems, connection: Connection, schema: str = "public", *, replica: Connection | None = None
) -> Iterator[PostgresSnapshot]:
    """A snapshot of the shard, or of its replica, open until the block ends.

    A commit is in the WAL shortly before it is visible, so the snapshot lies between two LSNs: one read before it was
    taken, one after.
    """
    with (
        systems.database(connection, statement_seconds=SECONDS) as live_session,
        systems.database(replica or connection, statement_seconds=SECONDS) as session,
    ):
        set_texts(live_session)
        set_texts(session)
        before = _lsn(session, BEFORE, replica or connection)
        session.set_session(isolation_level="REPEATABLE READ", readonly=True, autocommit=False)
        after = _lsn(session, AFTER, replica or connection)
        database.rows(session, "SET LOCAL idle_in_transaction_session_timeout = 0")
        yield PostgresSnapshot(systems, before, after, schema, session, live_session)


def replica_of(look_up: Callable[[str], Connection], shard: Shard) -> Connection | None:
    """The connection `<shard's>_replica`, to a physical standby that is read in the shard's place; None without one.

    Raises NeedsPerson for a replica that is no standby of that shard: its LSNs would mean nothing.
    """
    try:
        replica = look_up(f"{shard.connection}_replica")
    except NoConnection:
        return None
    own = look_up(shard.connection)
    identity = "SELECT system_identifier, pg_is_in_recovery() FROM pg_control_system()"
    with database.opened(own) as primary, database.opened(replica) as standby:
        ((wanted, _),) = database.rows(primary, identity)
        ((found, in_recovery),) = database.rows(standby, identity)
    if wanted != found or not in_recovery:
        raise NeedsPerson(
            f'The connection "{replica.conn_id}" leads to no standby of "{own.conn_id}" '
            f"({'another cluster' if wanted != found else 'it is not in recovery'}), so nothing was compared. Point it "
            "to a physical replica, or remove it: then the shard itself is read."
        )
    return replica


def set_texts(session: Any) -> None:
    """Give a session the settings that make texts equal."""
    for name, value in SETTINGS.items():
        if name != _SINCE_14 or session.server_version >= 140_000:
            database.rows(session, "SELECT set_config(%s, %s, false)", (name, value))


def _lsn(session: Any, sql: str, connection: Connection) -> int:
    ((lsn,),) = database.rows(session, f"SELECT {sql}")
    if lsn is None:
        raise NeedsPerson(
            f'The replica "{connection.conn_id}" does not say what it has replayed, so nothing can be compared as of '
            "an LSN. Remove the connection: then the shard itself is read."
        )
    return int(lsn)
