"""A change that the warehouse can't read loses no other change, whether COPY skips the rest of its file or goes on.

`test_by_line.py` has the reports. The value repeats a key: it is JSON to the loader, and none to Snowflake.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from catchment.cdc.declared import application
from catchment.cdc.loader import tables
from catchment.cdc.loader.batch import Advance, KafkaBatch, Partition
from catchment.cdc.loader.warehouse import LoaderWarehouse
from catchment.connection import Connection
from catchment.warehouse.names import REJECTS
from local.scratch_warehouse import ScratchWarehouse
from tests.support.kafka import Message

STEPS = ("databases", "schemas", "file_format", "ledger", "cdc_ledger", "cdc_raw_tables", "cdc_stage")
TOPIC = "s0.public.users"
TARGETS = tables.targets(application())
BAD = b'{"op":"c","op":"u"}'


@pytest.fixture(params=["skip", "continue"])
def loader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LoaderWarehouse]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CATCHMENT_WAREHOUSE_JSON_AFTER_ERROR", request.param)
        with ScratchWarehouse(tmp_path / "warehouse", STEPS) as warehouse:
            extra = {"account": "local", "host": "127.0.0.1", "port": warehouse.port, "protocol": "http"}
            connection = Connection(conn_id="snowflake_default", login="scratch", password="scratch", extra=extra)
            with closing(LoaderWarehouse.open(connection, "test")) as opened:
                yield opened


@pytest.mark.parametrize(("rows", "bad"), [(4, {1}), (1200, {0, 700, 1199})])
def test_every_change_is_in_raw_or_in_the_rejects(loader: LoaderWarehouse, rows: int, bad: set[int]) -> None:
    batch = KafkaBatch()
    batch.add(Partition(TOPIC, 0), [Message(n, BAD) if n in bad else Message(n) for n in range(rows)])
    refused = loader.commit(batch, [Advance(Partition(TOPIC, 0), None, rows)], TARGETS, {TOPIC: "id"})
    assert {reject.offset for reject in refused} == bad
    with loader.transaction("ask") as cursor:
        # A rejected change leaves its key, and says that it was rejected.
        cursor.execute(
            f"SELECT KAFKA_OFFSET, RECORD_METADATA:rejected IS NOT NULL FROM {TARGETS[TOPIC].table} ORDER BY 1"
        )
        assert [(int(n), rejected) for n, rejected in cursor.fetchall()] == [(n, n in bad) for n in range(rows)]
        cursor.execute(f"SELECT BATCH_ID, ROW_NUMBER FROM {REJECTS} ORDER BY 2")
        assert [(batch_id, int(n)) for batch_id, n in cursor.fetchall()] == [
            (f"kafka://{TOPIC}/0", n) for n in sorted(bad)
        ]
