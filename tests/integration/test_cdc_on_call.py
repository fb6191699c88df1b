"""What people on call do, on the real parts: each job as its DAG runs it, and what it finds when it must not go on."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from catchment.cdc import pipeline
from catchment.cdc import shard as database
from catchment.cdc.compare.comparison import Comparison
from catchment.cdc.compare.reconcile import Reconciliation
from catchment.cdc.compare.results import refuse_differences
from catchment.cdc.connectors import pauses
from catchment.cdc.declared import Application, Shard, Table, application
from catchment.cdc.repair import missing_rows, rebuild, snapshot
from catchment.cdc.setup import add_table
from catchment.cdc.systems import Systems
from catchment.connection import Connection
from catchment.dbt_project import APPLICATION as MODELS
from catchment.errors import ContractBroken, NeedsPerson, TryAgain
from catchment.sources import SOURCES
from catchment.warehouse import provision
from catchment.warehouse.session import connect
from local.cdc.stack import Stack, free_ports
from tests.dbt.project import Dbt

pytestmark = pytest.mark.timeout(900)
APPLICATION = application()
S0, S1 = APPLICATION.shards
TABLES = {table.name: table for table in APPLICATION.database("application").tables}
PARTS = ("warehouse", "s3", "shard_s0", "shard_s1", "kafka", "connect", "loader")


class Bed:
    """A private stack, and the systems by its connections."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.systems = Systems(lambda name: Connection.from_env(name, stack.environment()))

    def owner(self, shard: Shard, sql: str) -> list[tuple[Any, ...]]:
        with self.systems.owner(shard) as session:
            return database.rows(session, sql)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with self.systems.warehouse() as warehouse:
            cursor = warehouse.cursor()
            cursor.execute(statement)
            return list(cursor.fetchall())

    def ops(self, shard: Shard, table: Table, id_: int) -> list[str]:
        """The operations of a row that raw knows, in Kafka's order."""
        rows = self.sql(
            f"SELECT RECORD_CONTENT:op::VARCHAR FROM {shard.raw_table(table)} "
            f"WHERE RECORD_METADATA:key:id::NUMBER = {id_} AND RECORD_CONTENT IS NOT NULL ORDER BY KAFKA_OFFSET"
        )
        return [op for (op,) in rows]

    def snapshot(self, shard: Shard, table: Table, id_: str) -> str:
        """As the operator does it: ask, look until it is done, count."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            asked = snapshot.request(self.systems, shard, table, id_)
            seen = snapshot.progress(self.systems, asked)
            if seen.done:
                return snapshot.verify(asked, seen)
            time.sleep(0.5)
        raise AssertionError(f"the snapshot {id_} is not over: {seen}")

    def write_odd_changes(self) -> None:
        """Changes that are easy to get wrong: a large value kept, a key changed, a row that comes back."""
        for shard in (S0, S1):
            self.owner(shard, "UPDATE accounts SET notes = repeat('x', 20000), balance = 'NaN' WHERE id % 7 = 0")
            self.owner(
                shard, "UPDATE accounts SET name = 'kept', settings = '{\"b\": 1.50, \"a\": 2}' WHERE id % 7 = 0"
            )
            self.owner(shard, "UPDATE customers SET id = -id WHERE id % 5 = 0; DELETE FROM events WHERE id % 100 = 1")
            self.owner(shard, "UPDATE users SET last_seen_at = 'infinity' WHERE id % 3 = 0")

    def dbt(self, target: Path) -> None:
        extra = self.systems.look_up("snowflake_default")
        settings = {
            "SNOWFLAKE_ACCOUNT": "local",
            "SNOWFLAKE_USER": extra.login,
            "SNOWFLAKE_PASSWORD": extra.password,
            "SNOWFLAKE_HOST": str(extra.extra["host"]),
            "SNOWFLAKE_PORT": str(extra.extra["port"]),
            "SNOWFLAKE_PROTOCOL": "http",
            "SNOWFLAKE_INSECURE_MODE": "true",
            "SNOWFLAKE_CONNECT_RETRIES": "0",
        }
        done = Dbt(target, settings).run("run", "--select", f"path:{MODELS}")
        assert done.returncode == 0, done.stdout[-4000:]

    def reconciliation(self, shard: Shard) -> Reconciliation:
        return Reconciliation(
            systems=self.systems,
            shard=shard,
            tables=shard.tables,
            run="r",
            timeout=400,
            report=print,
        )

    def beat(self, shard: Shard) -> int:
        ((n,),) = self.owner(shard, "SELECT n FROM cdc.heartbeat")
        return int(n)


def eventually(true: Callable[[], Any], what: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    with Stack(tmp_path_factory.mktemp("stack"), free_ports(), parts=PARTS, scale=0.1, connectors=True) as stack:
        bed = Bed(stack)
        opened = connect(bed.systems.look_up("snowflake_default"), database=None)
        provision.apply(opened, provision.render(provision.Settings(), SOURCES.values()))
        opened.close()
        for shard, table in APPLICATION.replicated():
            eventually(lambda s=shard, t=table: _loaded(bed, s, t), f"{shard.name}.{table.name} is in raw", 180)
        yield bed


def _loaded(bed: Bed, shard: Shard, table: Table) -> bool:
    if not bed.stack.is_up("loader"):  # supervisord does it elsewhere
        bed.stack.start("loader")
    ((here,),) = bed.owner(shard, f"SELECT count(*) FROM {table.name}")
    try:
        ((there,),) = bed.sql(f"SELECT COUNT(*) FROM {shard.raw_table(table)}")
    except NeedsPerson:
        return False
    return int(there) >= int(here)


# --- snapshots ------------------------------------------------------------------------------------------------------


def test_a_snapshot_brings_every_row_again_while_rows_change(bed: Bed) -> None:
    bed.owner(S0, "UPDATE activities SET kind = kind || '!' WHERE id % 100 = 0")
    said = bed.snapshot(S0, TABLES["activities"], "whole")
    assert "are in raw again" in said
    assert bed.snapshot(S0, TABLES["activities"], "whole") == said  # the same signal asks for nothing again
    assert [row[0] for row in bed.owner(S0, "SELECT count(*) FROM cdc.signals WHERE id = 'whole'")] == [1]


def test_a_snapshot_that_skipped_rows_in_silence_is_a_failure_with_numbers(bed: Bed) -> None:
    """Debezium stays RUNNING and delivers one chunk or none of a table with timestamptz in its key."""
    bed.owner(
        S1,
        "INSERT INTO activities (id, account_id, kind, occurred_at) "
        "SELECT -g, 1, 'many', '2026-11-01'::timestamptz FROM generate_series(1, 8000) AS g",
    )
    without = dataclasses.replace(TABLES["activities"], surrogate_key=None)
    with pytest.raises(snapshot.RowsSkipped, match=r"contained (0|4,096) of the 9,500 rows"):
        bed.snapshot(S1, without, "skipping")


def test_a_snapshot_waits_for_no_connector_that_does_not_run(bed: Bed) -> None:
    with bed.systems.connect() as connect_:
        connect_.stop(S1.connector)
        eventually(lambda: connect_.status(S1.connector).state == "STOPPED", "stopped")
        try:
            with pytest.raises(NeedsPerson, match="is STOPPED, so the snapshot does not continue"):
                bed.snapshot(S1, TABLES["users"], "stopped")
        finally:
            connect_.resume(S1.connector)
    assert "are in raw again" in _until_done(lambda: bed.snapshot(S1, TABLES["users"], "stopped"))


def _until_done(act: Callable[[], str]) -> str:
    """As a cleared task would: again while the connector is on its way."""
    for _ in range(60):
        try:
            return act()
        except NeedsPerson:
            time.sleep(0.5)
    return act()


# --- pauses ---------------------------------------------------------------------------------------------------------


def test_a_pause_is_written_down_with_its_end_and_ended_by_resuming(bed: Bed) -> None:
    now = datetime.now(UTC)
    wanted = pauses.Pause(
        connector=S1.connector, owner="ada", reason="a schema change", starts=now, ends=now + timedelta(hours=2)
    )
    pauses.pause(bed.systems, wanted)
    with bed.systems.connect() as connect_:
        assert connect_.status(S1.connector).state == "PAUSED"
    active = pauses.active_pause(bed.systems, S1.connector, datetime.now(UTC))
    assert active is not None
    assert (active.owner, active.reason) == ("ada", "a schema change")
    assert (
        pauses.active_pause(bed.systems, S1.connector, now + timedelta(hours=3)) is None
    )  # the health DAG watches again

    pauses.resume(bed.systems, S1.connector)
    assert pauses.active_pause(bed.systems, S1.connector, datetime.now(UTC)) is None
    before = bed.beat(S1)
    eventually(lambda: bed.beat(S1) > before, "the heartbeat moves")


# --- a rebuilt shard ------------------------------------------------------------------------------------------------


def test_a_rebuilt_shard_finds_what_changed_and_what_was_deleted_in_the_gap(bed: Bed) -> None:
    users, activities = TABLES["users"], TABLES["activities"]
    events = TABLES["events"]
    bed.owner(S1, "TRUNCATE events")  # before: its rows are gone already, and not in the gap (19,360 deletes seen)
    eventually(lambda: _truncations(bed, events) == 1, "the truncation is in raw")
    (deleted,), (changed,) = bed.owner(S1, "SELECT id FROM users ORDER BY id LIMIT 2")
    ((moment,),) = bed.owner(S1, "SELECT id FROM activities ORDER BY id LIMIT 1")

    rebuild.stop(bed.systems, S1, run="run-1", owner="ada", reason="a lost slot")
    rebuild.stop(bed.systems, S1, run="run-1", owner="ada", reason="a lost slot")  # as a second try does
    with pytest.raises(NeedsPerson, match=r"is being rebuilt since .* as ada approved .*Nothing was changed"):
        rebuild.stop(bed.systems, S1, run="run-2", owner="bob", reason="the same slot")
    bed.owner(S1, f"DELETE FROM users WHERE id = {deleted}")
    bed.owner(S1, f"UPDATE users SET title = 'in the gap' WHERE id = {changed}")
    bed.owner(S1, f"DELETE FROM activities WHERE id = {moment}")
    bed.owner(S1, "INSERT INTO users (id, account_id, email) VALUES (-77, 1, 'gap@x')")
    rebuild.forget(bed.systems, S1)
    rebuild.forget(bed.systems, S1)  # a second try finds nothing to forget
    epoch = rebuild.begin_epoch(bed.systems, S1, run="run-1", reason="a lost slot")
    assert rebuild.begun_epoch(bed.systems, S1, run="run-1") == epoch == 1
    pauses.resume(bed.systems, S1.connector)
    eventually(lambda: not rebuild.waits_for(bed.systems, S1), "the snapshot is in raw", 180)

    told = rebuild.write_missing_deletes(bed.systems, S1, epoch)

    assert told == {
        table.name: int(table in (users, activities)) for table in APPLICATION.database("application").tables
    }
    eventually(lambda: bed.ops(S1, users, deleted)[-1] == "d", "the delete is in raw")
    eventually(lambda: bed.ops(S1, activities, moment)[-1] == "d", "the delete of a composite key is in raw")
    assert bed.ops(S1, users, changed)[-1] == "r"
    assert bed.ops(S1, users, -77) == ["r"]
    eventually(lambda: not any(rebuild.write_missing_deletes(bed.systems, S1, epoch).values()), "nothing is told twice")
    assert pauses.active_pause(bed.systems, S1.connector, datetime.now(UTC)) is None


def _truncations(bed: Bed, table: Table) -> int:
    ((count,),) = bed.sql(f"SELECT COUNT(*) FROM {S1.raw_table(table)} WHERE RECORD_CONTENT:op::VARCHAR = 't'")
    return int(count)


def test_a_row_that_the_snapshot_skipped_is_never_called_deleted(bed: Bed) -> None:
    users = TABLES["users"]
    ((kept,),) = bed.owner(S1, "SELECT min(id) FROM users")
    with bed.systems.shard(S1) as session:
        there = missing_rows.still_on_shard(session, S1, users, [missing_rows.DeletedKey(0, {"id": kept})])
    with pytest.raises(NeedsPerson, match=r"did not contain 1 rows that the shard has.*No delete was written"):
        missing_rows.refuse_if_skipped(S1, users, there)


def test_the_consequence_of_a_rebuild_names_the_slot_and_the_rows(bed: Bed) -> None:
    text = rebuild.consequence(bed.systems, S0)
    assert all(words in text for words in ("**The slot is not lost.**", f"`{S0.slot}`"))
    assert "activities 1,500" in text


DEVICES = Table(
    name="devices",
    key=("id",),
    columns={"id": "bigint", "label": "varchar(40)", "seen_at": "timestamptz", "tags": "text[]"},
)


def test_a_table_that_is_newly_declared_is_published_read_and_has_its_raw_tables(bed: Bed) -> None:
    before = APPLICATION.database("application")
    wider = dataclasses.replace(before, tables=(*before.tables, DEVICES))
    shards = tuple(dataclasses.replace(shard, of=wider) for shard in APPLICATION.shards)
    systems = dataclasses.replace(bed.systems, application=Application(shards))
    with pytest.raises(ContractBroken, match="the shard has no such table"):
        add_table.plan(systems, wider, DEVICES)
    for shard in (S0, S1):
        bed.owner(
            shard,
            "CREATE TABLE devices (id bigint PRIMARY KEY, label varchar(40), seen_at timestamptz, tags text[]); "
            "INSERT INTO devices (id, label) SELECT g, 'd' FROM generate_series(1, 9) AS g",
        )
    wrong = dataclasses.replace(DEVICES, columns={**DEVICES.columns, "label": "text"})
    with pytest.raises(ContractBroken, match=r"label +is varchar\(40\) .*, declared as text"):
        add_table.plan(systems, wider, wrong)
    steps = " ".join(add_table.plan(systems, wider, DEVICES))
    assert "s0: devices is added to the publication catchment" in steps
    assert "table.include.list" in steps
    try:
        add_table.prepare(systems, wider, DEVICES)
        add_table.prepare(systems, wider, DEVICES)
        again = " ".join(add_table.plan(systems, wider, DEVICES))
        assert "s1: devices is in the publication catchment" in again
        assert "application-s1: is as declared" in again
        assert bed.sql(f"SELECT COUNT(*) FROM {S1.raw_table(DEVICES)}") == [(0,)]
        asked = snapshot.request(systems, S1, DEVICES, "devices")
        kafka, topic = systems.look_up("kafka"), S1.topic(DEVICES)
        eventually(lambda: sum(pipeline.ends(kafka, [topic]).values()) >= asked.rows == 9, "its rows are on its topic")
    finally:
        bed.stack.apply_connectors()


# --- the whole way --------------------------------------------------------------------------------------------------


def test_after_all_of_that_every_table_of_both_shards_equals_the_current_state(bed: Bed, tmp_path: Path) -> None:
    """dbt merges what raw has, the rebuilt shard's deletes too; then nothing differs, and a lost row is named."""
    bed.write_odd_changes()
    bed.dbt(tmp_path)
    for shard in (S0, S1):
        with _merging(bed, tmp_path):
            results = bed.reconciliation(shard).results()
        assert [result.sentence for result in results if not result.equal] == []
        assert sum(result.outcome.rows_shard for result in results if isinstance(result.outcome, Comparison)) > 3_000

    bed.sql("DELETE FROM ANALYTICS.STAGING.STG_APPLICATION__USERS WHERE _SHARD = 's1' AND ID = -77")
    with _merging(bed, tmp_path):
        lost = bed.reconciliation(S1).results()
    with pytest.raises(NeedsPerson, match=r"s1\.users: .*1 missing in the warehouse; such as id=-77"):
        refuse_differences(lost)
    rows = bed.sql("SELECT TABLE_NAME FROM RAW.CATCHMENT.CDC_COMPARISONS WHERE NOT IS_EQUAL")
    assert rows == [("users",)]


def test_a_warehouse_that_does_not_follow_is_said_and_nothing_is_compared(bed: Bed) -> None:
    bed.owner(S0, "UPDATE users SET title = 'unmerged' WHERE id = (SELECT min(id) FROM users)")
    with pytest.raises(TryAgain, match=r"dbt \(application_state, users\) did not pass.*nothing was compared"):
        dataclasses.replace(bed.reconciliation(S0), tables=(TABLES["users"],), timeout=20).results()


@contextmanager
def _merging(bed: Bed, target: Path) -> Iterator[None]:
    """dbt runs again and again meanwhile, as application_state does."""
    over = Event()

    def merge() -> None:
        while not over.wait(5):
            bed.dbt(target)

    thread = Thread(target=merge)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
