"""The source of truth: a shard's own Postgres, read in one snapshot.

The snapshot stays open until the comparison is over, at most `SECONDS`, and holds back vacuum as a dump would. If the
connection points to a standby, the LSN is what the standby has replayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from catchment.cdc import shard as database
from catchment.cdc.compare.table_view import TableView, literal
from catchment.cdc.compare.texts import Dialect
from catchment.cdc.declared import Table
from catchment.connection import Connection

SECONDS = 3600  # for one statement
LSN = (
    "(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END "
    "- '0/0'::pg_lsn)::bigint"
)


@dataclass(frozen=True)
class PostgresSnapshot:
    """A shard in one Postgres snapshot (`compare.ShardSnapshot`). `now` reads in a second session, outside it."""

    before: int
    after: int
    schema: str
    session: Any
    live_session: Any

    def view(self, table: Table, without: Iterable[str] = ()) -> TableView:
        return self._view(table, self.session, without)

    def now(self, table: Table) -> TableView:
        return self._view(table, self.live_session)

    def _view(self, table: Table, session: Any, without: Iterable[str] = ()) -> TableView:
        view = TableView(
            Dialect.POSTGRES,
            lambda sql: database.rows(session, sql),
            f'"{self.schema}"."{table.name}"',
            table,
        )
        keys = ", ".join(literal(key, Dialect.POSTGRES) for key in without)
        if not keys:
            return view
        left_out = f"SELECT 1 FROM UNNEST(ARRAY[{keys}]::text[]) AS left_out(key) WHERE left_out.key = {view.key}"
        return TableView(view.dialect, view.query, view.relation, table, f"NOT EXISTS ({left_out})")


@contextmanager
def postgres_snapshot(connection: Connection, schema: str = "public") -> Iterator[PostgresSnapshot]:
    """A snapshot of the shard, open until the block ends.

    A commit is in the WAL shortly before it is visible, so the snapshot lies between two LSNs: one read before it was
    taken, one after.
    """
    with (
        database.opened(connection, statement_seconds=SECONDS) as live_session,
        database.opened(connection, statement_seconds=SECONDS, autocommit=False) as session,
    ):
        session.set_session(isolation_level="REPEATABLE READ", readonly=True)
        ((before,),) = database.rows(live_session, f"SELECT {LSN}")
        ((after,),) = database.rows(session, f"SELECT {LSN}")
        database.rows(session, "SET LOCAL idle_in_transaction_session_timeout = 0")
        yield PostgresSnapshot(int(before), int(after), schema, session, live_session)
