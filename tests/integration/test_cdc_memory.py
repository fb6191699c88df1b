"""What the health check keeps in a warehouse, by the statements themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from catchment.cdc.health import memory, records
from catchment.cdc.health.history import History
from catchment.cdc.health.memory import Kept, WarehouseMemory
from catchment.connection import Connection
from catchment.warehouse.names import HEALTH
from local.scratch_warehouse import ScratchWarehouse
from tests.support.cdc_health import Watch, running, well, with_status

FAILED = with_status(running(tasks=("FAILED",), trace="boom"))


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScratchWarehouse]:
    folder: Path = tmp_path_factory.mktemp("warehouse")
    with ScratchWarehouse(folder, ("databases", "schemas", "cdc_health")) as warehouse:
        yield warehouse


def test_a_terminals_run_remembers_the_one_before(warehouse: ScratchWarehouse) -> None:
    extra = {"account": "local", "host": "127.0.0.1", "port": warehouse.port, "protocol": "http"}
    connection = Connection(conn_id="snowflake_default", login="scratch", password="scratch", extra=extra)
    store = WarehouseMemory(lambda _: connection)
    assert memory.load(store) is None
    watch = Watch()
    for _ in range(2):
        watch.see(FAILED)
        kept = Kept(watch.now, watch.history)
        memory.save(store, kept)
        assert memory.load(store) == kept


def test_facts_are_kept_for_their_time_and_the_newest_of_each_is_read(warehouse: ScratchWarehouse) -> None:
    watch = Watch()
    with warehouse.connect() as session:
        cursor = session.cursor()
        for facts in (well(), FAILED, well(), FAILED):
            before, decision = watch.history, watch.see(facts, later=timedelta(minutes=10))
            records.write(cursor, records.decided("run", watch.now, decision, before))
        history = records.read(cursor)
        assert {name: seen.state for name, seen in history.seen.items()} == {
            name: seen.state for name, seen in watch.history.seen.items()
        }
        assert history.actions == watch.history.actions
        records.prune(cursor, watch.now + records.RETENTION - timedelta(minutes=5))
        cursor.execute(f"SELECT MIN(AT), COUNT(*) FROM {HEALTH}")
        oldest, rows = cursor.fetchone()
        assert oldest >= (watch.now - timedelta(minutes=5)).replace(tzinfo=None)
        assert rows
        records.prune(cursor, watch.now + records.RETENTION + timedelta(minutes=5))
        assert records.read(cursor) == History()
