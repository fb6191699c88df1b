"""Changes of `events` put into the raw table of a scratch warehouse, as the loader would."""

from __future__ import annotations

import json
from typing import Any

from local.scratch_warehouse import ScratchWarehouse

TABLE = "RAW.APPLICATION.S0_EVENTS"
STEPS = ("databases", "schemas", "ledger", "cdc_ledger", "cdc_raw_tables", "cdc_watermarks")
PARTITIONS = 3
AT_A_TIME = 245_760  # changes in one statement: whole row groups of DuckDB
MOMENT = "2026-11-20T00:00:00.000000Z"


def load_rows(warehouse: ScratchWarehouse, rows: int, *, after: int) -> None:
    """A snapshot: every row of the table once, as offsets that follow `after` changes."""
    warehouse.rows(_insert("r", rows, start=after, key=f"n - {after}"))


def load_history(warehouse: ScratchWarehouse, changes: int, *, rows: int) -> None:
    """The changes before the snapshot, in their place: before it, on disk as well."""
    keep = f"{TABLE}_KEPT"
    warehouse.rows(f"CREATE TABLE {keep} AS SELECT * FROM {TABLE}")
    warehouse.rows(f"DELETE FROM {TABLE}")
    for start in range(0, changes, AT_A_TIME):
        warehouse.rows(_insert("u", min(AT_A_TIME, changes - start), start=start, key=f"mod(n * 7919, {rows})"))
    warehouse.rows(f"INSERT INTO {TABLE} SELECT * FROM {keep}")
    warehouse.rows(f"DROP TABLE {keep}")


def load_batch(warehouse: ScratchWarehouse, changes: int, *, rows: int, after: int) -> None:
    """New changes of keys all over the table."""
    warehouse.rows(_insert("u", changes, start=after, key=f"mod(n * 104729, {rows})"))


def _insert(op: str, changes: int, *, start: int, key: str) -> str:
    """Changes number `start` and following: three partitions in turn, one transaction a change."""
    after = {"id": "@id", "account_id": 7, "user_id": None, "name": "page_viewed", "properties": '{"n": @n}'}
    after |= {"duration_ms": 1.5, "body": "x" * 60, "occurred_at": MOMENT, "received_at": MOMENT}
    source = {"ts_ms": 1795418453397, "snapshot": "false", "sequence": '["@n00","@n08"]', "txId": "@n", "lsn": "@n08"}
    metadata = {"topic": "s0.public.events", "partition": "@p", "offset": "@o", "key": {"id": "@id"}}
    return f"""
    INSERT INTO {TABLE} (RECORD_CONTENT, RECORD_METADATA, KAFKA_PARTITION, KAFKA_OFFSET, LOADED_AT)
    SELECT
        PARSE_JSON(REPLACE(REPLACE({_literal({"before": None, "after": after, "source": source, "op": op})},
            '@id', id::VARCHAR), '@n', (n + 1)::VARCHAR)),
        PARSE_JSON(REPLACE(REPLACE(REPLACE({_literal(metadata)}, '@id', id::VARCHAR),
            '@p', mod(n, {PARTITIONS})::VARCHAR), '@o', FLOOR(n / {PARTITIONS})::NUMBER::VARCHAR)),
        mod(n, {PARTITIONS}),
        FLOOR(n / {PARTITIONS})::NUMBER,
        '2026-11-23 12:00:00'::TIMESTAMP_NTZ
    FROM (
        SELECT n, {key} AS id
        FROM (SELECT ROW_NUMBER() OVER (ORDER BY NULL) - 1 + {start} AS n FROM TABLE(GENERATOR(ROWCOUNT => {changes})))
    )
    """


def _literal(record: dict[str, Any]) -> str:
    """A record as SQL text, with @id, @n, @p and @o where numbers will be."""
    text = json.dumps(record, separators=(",", ":"))
    for mark in ('"@id"', '"@n"', '"@n08"', '"@p"', '"@o"'):
        text = text.replace(f":{mark}", f":{mark[1:-1]}")
    return "'" + text.replace("\\", "\\\\") + "'"
