"""Debezium's records as they were recorded from version 3.7 with the settings of `include/connectors`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from catchment.cdc.declared import application

MS = 1_795_418_453_000
WORD = "__debezium_unavailable_value"
WORDS: dict[str, Any] = {"text": WORD, "jsonb": WORD, "bytea": WORD.encode().hex(), "integer[]": [*WORD.encode()]}
"""What stands for a large value that a change did not touch, by the column's type."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Message:
    """One record of Kafka: the key (None: null) and the value (None: a tombstone)."""

    table: str
    shard: str
    partition: int
    offset: int
    key: Row | None
    value: Row | None
    rejected: str | None = None

    @property
    def topic(self) -> str:
        return f"{self.shard}.public.{self.table}"

    @property
    def raw_table(self) -> str:
        return f"RAW.APPLICATION.{self.shard}_{self.table}".upper()


def envelope(
    op: str,
    after: Row | None,
    *,
    lsn: int | None,
    commit: int | None,
    ms: int,
    before: Row | None = None,
    snapshot: str = "false",
    transaction: int | None = None,
) -> dict[str, Any]:
    """A change. `commit` is the end of the transaction before; `lsn` None is a row of an incremental snapshot."""
    sequence = [None if n is None else str(n) for n in (commit, lsn)]
    return {
        "before": before,
        "after": after,
        "source": {
            "version": "3.7.0.Final",
            "connector": "postgresql",
            "ts_ms": ms,
            "snapshot": snapshot,
            "db": "app",
            "sequence": json.dumps(sequence, separators=(",", ":")),
            "schema": "public",
            "txId": transaction,
            "lsn": lsn,
            "ts_us": ms * 1000,
            "ts_ns": ms * 1_000_000,
        },
        "transaction": None,
        "op": op,
        "ts_ms": ms + 40,
    }


def fake_before(table: str, key: Row) -> dict[str, Any]:
    """What a delete tells of the row without REPLICA IDENTITY FULL: the key, and made-up values."""
    made_up = {
        "bigint": 0,
        "integer": 0,
        "text": "",
        "numeric(18,4)": "0.0000",
        "timestamptz": "1970-01-01T00:00:00.000000Z",
    }
    columns = application().database("application").table(table).columns
    return {name: key.get(name, made_up.get(kind)) for name, kind in columns.items()}


def unavailable(table: str, column: str) -> Any:
    """The stand-in for a column's value."""
    return WORDS[application().database("application").table(table).columns[column]]


def customer(key: int, **values: Any) -> Row:
    return {
        "id": key,
        "account_id": 7,
        "external_id": f"c{key}",
        "email": f"c{key}@example.com",
        "contact_name": "Ada",
        "born": "1990-01-02Z",
        "country": "DE",
        "city": "Köln",
        "health_score": 0.1,
        "tags": [1, 2],
        "profile": '{"a": 1, "b": null}',
        "biography": "long" * 3000,
        "created_at": "2026-11-23T07:20:53.397057Z",
        "updated_at": "2026-11-23T07:20:53.397057Z",
        **values,
    }


def message(key: int | None, value: Row | None, offset: int, *, shard: str = "s0", partition: int = 0) -> Message:
    return Message("customers", shard, partition, offset, None if key is None else {"id": key}, value)


def change(
    op: str, key: int, lsn: int, offset: int, *, shard: str = "s0", partition: int = 0, **values: Any
) -> Message:
    """A change of its own transaction at a log position."""
    after = None if op == "d" else customer(key, **values)
    before = fake_before("customers", {"id": key}) if op == "d" else None
    value = envelope(op, after, lsn=lsn, commit=lsn - 4, ms=MS + lsn, before=before, transaction=lsn)
    return message(key, value, offset, shard=shard, partition=partition)


def rejected(message: Message, *, with_source: bool = True) -> Message:
    """What the loader leaves of a record that can't be loaded: its key, and which change it was."""
    value = message.value or {}
    left = {name: value[name] for name in ("op", "source", "ts_ms")} if with_source else None
    return replace(message, value=left, rejected="has 16300000 bytes")
