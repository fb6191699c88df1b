"""Raw tables, watermarks and models of the replicated tables in the tests' warehouse."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from tests.dbt.cdc.records import Message
from tests.dbt.project import Dbt
from tests.dbt.warehouse import Warehouse

LOADED_AT = "'2026-11-23 12:00:00'::TIMESTAMP_NTZ"


def put(warehouse: Warehouse, messages: Iterable[Message], *, by_sink: bool = False) -> None:
    """Write records to raw, as our loader does, or as Snowflake's sink does (no columns of their own)."""
    ordered = sorted(messages, key=lambda m: m.raw_table)
    with warehouse.connect() as connection:
        cursor = connection.cursor()
        for table, found in groupby(ordered, key=lambda m: m.raw_table):
            rows = [{"c": m.value, "m": _metadata(m), "p": m.partition, "o": m.offset} for m in found]
            own = "NULL, NULL, NULL" if by_sink else f"VALUE:p::NUMBER, VALUE:o::NUMBER, {LOADED_AT}"
            cursor.execute(
                f"""INSERT INTO {table} (RECORD_CONTENT, RECORD_METADATA, KAFKA_PARTITION, KAFKA_OFFSET, LOADED_AT)
                SELECT CASE WHEN NOT IS_NULL_VALUE(VALUE:c) THEN VALUE:c END, VALUE:m, {own}
                FROM TABLE(FLATTEN(PARSE_JSON(%s)))""",
                (json.dumps(rows),),
            )


def _metadata(message: Message) -> dict[str, Any]:
    found = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
    found["CreateTime"] = (message.value or {}).get("ts_ms", 1)
    found |= {} if message.rejected is None else {"rejected": message.rejected}
    return found if message.key is None else {**found, "key": message.key}


def begin_again(warehouse: Warehouse, *tables: str) -> None:
    """No change was ever loaded, nothing built."""
    with warehouse.connect() as connection:
        cursor = connection.cursor()
        for table in tables:
            for shard in ("S0", "S1"):
                cursor.execute(f"DELETE FROM RAW.APPLICATION.{shard}_{table.upper()}")
            for prefix in ("STG", "HIST"):
                cursor.execute(f"DROP TABLE IF EXISTS ANALYTICS.STAGING.{prefix}_APPLICATION__{table.upper()}")
        for ledger in ("WATERMARKS", "TRUNCATES", "EPOCHS"):
            cursor.execute(f"DELETE FROM RAW.CATCHMENT.{ledger}")


def lower_watermark(warehouse: Warehouse, topic: str, partition: int, offset: int) -> None:
    """What a replay does in the transaction of its rows."""
    with warehouse.connect() as connection:
        connection.cursor().execute(
            "UPDATE RAW.CATCHMENT.WATERMARKS SET NEXT_OFFSET = %s "
            "WHERE TOPIC = %s AND KAFKA_PARTITION = %s AND NEXT_OFFSET > %s",
            (offset, topic, partition, offset),
        )


def new_epoch(warehouse: Warehouse, topic: str, partition: int, epoch: int, offset: int) -> None:
    with warehouse.connect() as connection:
        connection.cursor().execute(
            "INSERT INTO RAW.CATCHMENT.EPOCHS SELECT %s, %s, %s, %s, %s, 'a test', SYSDATE()",
            (topic.split(".")[0], topic, partition, epoch, offset),
        )


def run(dbt: Dbt, *models: str) -> None:
    """Run the models; fails with dbt's words."""
    done = dbt.run("run", "--select", *models)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def state(warehouse: Warehouse, table: str, *columns: str, living: bool = True) -> list[tuple[Any, ...]]:
    """Rows of the current state, sorted."""
    where = "WHERE NOT _IS_DELETED" if living else ""
    found = warehouse.rows(f"SELECT {', '.join(columns)} FROM ANALYTICS.STAGING.STG_APPLICATION__{table} {where}")
    return sorted(found, key=repr)


def values(row: Mapping[str, Any], *columns: str) -> tuple[Any, ...]:
    return tuple(row[column] for column in columns)
