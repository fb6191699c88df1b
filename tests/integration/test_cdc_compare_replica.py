"""A comparison that reads a real standby of the shard: as of what it has replayed, and never behind the warehouse.

PeerDB PR 858 and neon PR 9425: what asked a standby for `pg_current_wal_lsn()` failed there, and what it has received
is more than what can be read. patroni 1691: a standby whose replay is paused answers, with yesterday's rows. Right:
its place is what it has *replayed*, and what the warehouse has beyond that is no difference.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from catchment.cdc import shard as database
from catchment.cdc.compare.comparison import Fault, judge
from catchment.cdc.compare.postgres import PostgresSnapshot, postgres_snapshot, replica_of
from catchment.cdc.compare.table_view import KeyRange
from catchment.cdc.declared import application
from catchment.cdc.systems import Systems
from catchment.connection import Connection, NoConnection
from catchment.errors import NeedsPerson
from local.cdc import shards
from local.cdc.stack import Stack, free_ports
from local.services.postgres import NOBODY, Cluster, _unprivileged, binary

pytestmark = pytest.mark.timeout(300)
APPLICATION = application()
S0 = APPLICATION.shard("s0")
ACCOUNTS = APPLICATION.database("application").table("accounts")
INSERT = "INSERT INTO accounts (id, external_id, name) VALUES ({0}, 'x{0}', 'new')"


@dataclass
class Bed:
    primary: Connection
    standby: Connection
    owner: Connection
    standby_owner: Connection

    def write(self, sql: str) -> None:
        with database.opened(self.owner) as session:
            database.rows(session, sql)

    def on_standby(self, sql: str) -> list[tuple[Any, ...]]:
        with database.opened(self.standby_owner) as session:
            return database.rows(session, sql)

    def ids(self, snapshot: PostgresSnapshot) -> set[str]:
        return {key[0] for key in snapshot.view(ACCOUNTS).values([("-1",), ("-2",)])}

    def caught_up(self) -> None:
        with database.opened(self.owner) as session:
            ((wanted,),) = database.rows(session, "SELECT pg_current_wal_insert_lsn()::text")
        deadline = time.monotonic() + 60
        while not self.on_standby(f"SELECT 1 WHERE pg_last_wal_replay_lsn() >= '{wanted}'"):
            assert time.monotonic() < deadline, "the standby does not follow"
            time.sleep(0.1)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The standby receives and replays nothing."""
        self.on_standby("SELECT pg_wal_replay_pause()")
        try:
            yield
        finally:
            self.on_standby("SELECT pg_wal_replay_resume()")


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    with Stack(tmp_path_factory.mktemp("stack"), free_ports(), parts=("shard_s0",), scale=0.02) as stack:
        environment = stack.environment()
        primary, owner = (Connection.from_env(name, environment) for name in (S0.connection, S0.owner_connection))
        cluster = shards.cluster(stack.settings, stack.credentials, "s0")
        port = free_ports().kafka
        with standby(cluster, stack.settings.var / "shards" / "standby", port):
            other = replace(primary, conn_id="application_s0_replica", port=port)
            bed = Bed(primary, other, owner, replace(owner, port=port))
            bed.caught_up()
            yield bed


@contextmanager
def standby(primary: Cluster, data: Path, port: int) -> Iterator[None]:
    """A streaming standby of a cluster, from a base backup."""
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(data, NOBODY, NOBODY)
    copy = [*_unprivileged(), str(binary("pg_basebackup")), "-D", str(data), "-R", "-X", "stream", "-c", "fast"]
    copy += ["-d", primary.dsn("postgres")]
    subprocess.run(copy, check=True, cwd="/", capture_output=True)
    command = replace(primary, data=data, port=port, options={**primary.options, "hot_standby": "on"}).command
    with subprocess.Popen(command, cwd="/", stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + 60
            ready = [str(binary("pg_isready")), "-q", "-h", "127.0.0.1", "-p", str(port)]
            while subprocess.run(ready, check=False).returncode:
                assert time.monotonic() < deadline, "the standby does not start"
                time.sleep(0.2)
            yield
        finally:
            server.send_signal(2)
            server.wait(30)


def snapshot(bed: Bed) -> Any:
    return postgres_snapshot(Systems(lambda name: Connection(conn_id=name)), bed.primary, replica=bed.standby)


class Held:
    """A warehouse that holds certain rows, with the LSN of their newest change."""

    def __init__(self, rows: dict[tuple[str, ...], list[tuple[Any, ...]]]) -> None:
        self._rows = rows

    def everything(self, _: Any) -> Any:
        return self

    def values(self, keys: Any, extra: Any = ()) -> dict[tuple[str, ...], list[tuple[Any, ...]]]:
        return {key: rows for key, rows in self._rows.items() if key in set(keys)}


def test_a_standby_is_read_as_of_what_it_has_replayed(bed: Bed) -> None:
    with bed.paused():
        bed.write(INSERT.format(-1))
        with database.opened(bed.owner) as session:
            ((inserted,),) = database.rows(session, "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint")
        with snapshot(bed) as now:
            assert now.before < inserted
            assert bed.ids(now) == set()
    bed.caught_up()
    with snapshot(bed) as now:
        assert now.before >= inserted
        assert bed.ids(now) == {"-1"}


def test_a_change_that_the_warehouse_has_before_the_standby_is_no_difference(bed: Bed) -> None:
    with bed.paused():
        bed.write(INSERT.format(-2))
        with snapshot(bed) as now:
            (row,) = now.now(ACCOUNTS).values([("-2",)])["-2",]
            # Its log position may be older than the snapshot's: a long transaction writes early and commits late.
            warehouse: Any = Held({("-2",): [(*row, False, now.before - 1)]})
            assert judge(ACCOUNTS, [("-2",)], now, warehouse) == ([], [])
    bed.caught_up()


def test_a_row_that_the_warehouse_lost_is_named_by_the_standby(bed: Bed) -> None:
    warehouse: Any = Held({})
    with snapshot(bed) as now:
        kept = next(iter(now.view(ACCOUNTS).rows(KeyRange())))
        (difference,), moved = judge(ACCOUNTS, [kept], now, warehouse)
    assert (difference.key, difference.fault, moved) == (kept, Fault.MISSING, [])


def test_without_a_connection_the_shard_itself_is_read(bed: Bed) -> None:
    def look_up(name: str) -> Connection:
        if name == bed.primary.conn_id:
            return bed.primary
        raise NoConnection(name)

    assert replica_of(look_up, S0) is None


def test_a_replica_that_is_no_standby_is_refused(bed: Bed) -> None:
    with pytest.raises(NeedsPerson, match="not in recovery"):
        replica_of(lambda name: replace(bed.primary, conn_id=name), S0)
    assert replica_of(lambda name: bed.standby if name.endswith("_replica") else bed.primary, S0) == bed.standby
