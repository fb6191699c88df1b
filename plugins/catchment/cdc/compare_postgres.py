"""The truth: a shard's own Postgres, read in one snapshot.

The snapshot lives until the comparison is over, up to `SECONDS`, and holds back vacuum as a dump would. It can be taken
from a standby too, by a connection of that name; its LSN is then what the standby has replayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from catchment.cdc import shard as database
from catchment.cdc.compare_sides import Side, literal
from catchment.cdc.compare_text import Dialect
from catchment.cdc.declared import Table
from catchment.connection import Connection

SECONDS = 3600  # for one statement
LSN = (
    "(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END "
    "- '0/0'::pg_lsn)::bigint"
)


@dataclass(frozen=True)
class PostgresMoment:
    """One moment of a shard (`compare.Moment`). `now` reads by a session of its own, outside the snapshot."""

    before: int
    after: int
    schema: str
    snapshot: Any
    present: Any

    def side(self, table: Table, without: Iterable[str] = ()) -> Side:
        return self._side(table, self.snapshot, without)

    def now(self, table: Table) -> Side:
        return self._side(table, self.present)

    def _side(self, table: Table, session: Any, without: Iterable[str] = ()) -> Side:
        side = Side(
            Dialect.POSTGRES,
            lambda sql: database.rows(session, sql),
            f'"{self.schema}"."{table.name}"',
            table,
        )
        keys = ", ".join(literal(key, Dialect.POSTGRES) for key in without)
        if not keys:
            return side
        left_out = f"SELECT 1 FROM UNNEST(ARRAY[{keys}]::text[]) AS left_out(key) WHERE left_out.key = {side.key}"
        return Side(side.dialect, side.query, side.relation, table, f"NOT EXISTS ({left_out})")


@contextmanager
def moment(connection: Connection, schema: str = "public") -> Iterator[PostgresMoment]:
    """The shard as of now, until the block ends.

    A commit is in the WAL a little before it is visible, so two LSNs stand for the moment: one read before the snapshot
    is taken, one after.
    """
    with (
        database.opened(connection, statement_seconds=SECONDS) as present,
        database.opened(connection, statement_seconds=SECONDS, autocommit=False) as snapshot,
    ):
        snapshot.set_session(isolation_level="REPEATABLE READ", readonly=True)
        ((before,),) = database.rows(present, f"SELECT {LSN}")
        ((after,),) = database.rows(snapshot, f"SELECT {LSN}")
        database.rows(snapshot, "SET LOCAL idle_in_transaction_session_timeout = 0")
        yield PostgresMoment(int(before), int(after), schema, snapshot, present)
