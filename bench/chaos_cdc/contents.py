"""Reading what is judged: the shards, Kafka, raw, and dbt's models."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from bench.chaos_cdc.judge import Key, Row, Values
from bench.chaos_cdc.texts import text
from catchment.cdc.declared import Database, Table

STAGING = "ANALYTICS.STAGING"
_MOMENT = "YYYY-MM-DD HH24:MI:SS.FF6"
_TIMES = {"date": "YYYY-MM-DD", "timestamp": _MOMENT, "timestamptz": f"{_MOMENT}TZH:TZM"}


def shard_rows(session: Any, table: Table) -> dict[Key, Row]:
    """A shard's rows by key, each column as Postgres prints it."""
    with session.cursor("rows") as cursor:
        cursor.itersize = 5000
        cursor.execute(f"SELECT xmin::text, {', '.join(map(_printed, table.columns.items()))} FROM public.{table.name}")
        rows: dict[Key, Row] = {}
        for transaction, *given in cursor:
            values = _texts(table, given)
            rows[_key(table, values)] = Row(values, int(transaction))
        return rows


def current_rows(cursor: Any, table: Table, model: str, alive: str) -> dict[str, list[tuple[Key, Values]]]:
    """A model's living rows by shard. A value that its column can't hold is in `_special`, by the column's name."""
    columns = ", ".join(_fetched(name, kind) for name, kind in table.columns.items())
    cursor.execute(f"SELECT _shard, TO_JSON(_special), {columns} FROM {STAGING}.{model} WHERE {alive}".upper())
    found: dict[str, list[tuple[Key, Values]]] = defaultdict(list)
    while rows := cursor.fetchmany(5000):
        for shard, special, *given in rows:
            odd = json.loads(special) if special else None
            if odd:
                given = [
                    _certain(odd.get(name)) if value is None else value
                    for name, value in zip(table.columns, given, strict=True)
                ]
            values = _texts(table, given)
            found[shard].append((_key(table, values), values))
    return found


def _certain(value: Any) -> Any:
    """The text of an old day that a snapshot read: of which calendar it is can't be known (docs/cdc_types.md)."""
    return value.removesuffix(" (uncertain)") if isinstance(value, str) else value


def raw_places(cursor: Any, raw: str) -> list[tuple[int, int]]:
    """(partition, offset) of every row of a raw table."""
    cursor.execute(f"SELECT KAFKA_PARTITION, KAFKA_OFFSET FROM {raw}")
    return [(int(partition), int(offset)) for partition, offset in cursor.fetchall()]


def raw_transactions(cursor: Any, raw: str) -> set[int]:
    """The transactions that a raw table has changes of."""
    cursor.execute(f"SELECT DISTINCT RECORD_CONTENT:source.txId::NUMBER FROM {raw} WHERE RECORD_CONTENT IS NOT NULL")
    return {int(number) for (number,) in cursor.fetchall() if number is not None}


def raw_changes(cursor: Any, raw: str, table: Table) -> set[tuple[Key, int]]:
    """(key, transaction) of every change in a raw table."""
    cursor.execute(
        f"SELECT TO_JSON(RECORD_METADATA:key), RECORD_CONTENT:source.txId::NUMBER FROM {raw} "
        "WHERE RECORD_METADATA:key IS NOT NULL AND RECORD_CONTENT IS NOT NULL"
    )
    # Rows of an incremental snapshot are of no transaction.
    keys = ((json.loads(key), int(number)) for key, number in cursor.fetchall() if number is not None)
    return {(tuple(text(table.columns[name], key[name]) for name in table.key), number) for key, number in keys}


def emitted_twice(cursor: Any, raw: str) -> list[tuple[str, int]]:
    """Changes (place in the WAL, operation and key) that came to Kafka more than once, and how often too many."""
    cursor.execute(
        "SELECT c, COUNT(*) - 1 FROM (SELECT RECORD_CONTENT:source.lsn::VARCHAR || ' ' || "
        "RECORD_CONTENT:source.txId::VARCHAR || ' ' || RECORD_CONTENT:op::VARCHAR || ' ' || "
        "COALESCE(TO_JSON(RECORD_METADATA:key), '') AS c "
        f"FROM {raw} WHERE RECORD_CONTENT:op IN ('c', 'u', 'd', 't')) AS changes GROUP BY c HAVING COUNT(*) > 1"
    )
    return [(change, int(times)) for change, times in cursor.fetchall()]


def committed_places(broker: str, topics: Iterable[str]) -> dict[str, set[tuple[int, int]]]:
    """(partition, offset) of every committed record of the topics, read from their beginning."""
    consumer = KafkaConsumer(
        bootstrap_servers=broker,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4_000_000,
    )
    try:
        found: dict[str, set[tuple[int, int]]] = {topic: set() for topic in topics}
        places = [TopicPartition(topic, p) for topic in found for p in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        while any(consumer.position(place) < ends[place] for place in places):
            for place, records in consumer.poll(timeout_ms=1000, max_records=5000).items():
                found[place.topic] |= {(place.partition, record.offset) for record in records}
        return found
    finally:
        consumer.close()


def _printed(column: tuple[str, str]) -> str:
    name, kind = column
    return f'array_to_json("{name}")::text' if kind.endswith("[]") else f'"{name}"::text'


def _fetched(name: str, kind: str) -> str:
    """Times as text: a client can't hold every year that a wrong value may have."""
    if kind.endswith("[]") or kind in ("json", "jsonb"):
        return f"TO_JSON({name})"
    return f"TO_VARCHAR({name}, '{_TIMES[kind]}')" if kind in _TIMES else name


def _texts(table: Table, given: Iterable[Any]) -> Values:
    return tuple(text(kind, value) for kind, value in zip(table.columns.values(), given, strict=True))


def _key(table: Table, values: Values) -> Key:
    by_name = dict(zip(table.columns, values, strict=True))
    return tuple(by_name[name] for name in table.key)


def living(database: Database) -> Iterator[tuple[Table, str, str]]:
    """Each model that says what is alive: the current state of every table, and the histories' open versions."""
    for table in database.tables:
        yield table, database.staging(table), "not _is_deleted"
        if table.history:
            yield table, database.versions(table), "is_current"
