"""Find rows that were deleted while nothing was captured, and write deletes for them.

The snapshot of a new epoch contains every existing row. A key that raw knew before and that has no record since was
deleted in the gap. Each gets a delete and a tombstone on its own topic and partition, so raw, current state, history
and every other consumer see an ordinary delete. Its LSN is older than the snapshot's, so any record of the key in the
new epoch wins. `source.connector` is "catchment", by which dbt puts them before all else in the epoch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catchment.cdc import shard as database
from catchment.cdc.declared import Shard, Table
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import KafkaUnavailable, arguments
from catchment.cdc.systems import Systems
from catchment.errors import NeedsPerson
from catchment.warehouse.names import KAFKA_OFFSET, KAFKA_PARTITION

CHUNK_ROWS = 5_000
FLUSH_SECONDS = 60

_FIND = """
WITH records AS (
    SELECT NULLIF(TO_JSON(RECORD_METADATA:key), 'null') AS key_text, {partition} AS part, {offset} AS at,
        COALESCE(RECORD_CONTENT:op::VARCHAR, IFF(RECORD_METADATA:rejected IS NULL, 'd', '?')) AS op,
        IFF({new}, 1, 0) AS is_new,
        COALESCE(RECORD_CONTENT:source.lsn::NUMBER, 0) AS lsn, RECORD_METADATA:CreateTime::NUMBER AS created
    FROM {table}
),
newest AS (
    SELECT key_text, MAX_BY(part, at) AS part, MAX_BY(op, at) AS op,
        MAX_BY(lsn, at) AS lsn, MAX_BY(created, at) AS created
    FROM records WHERE key_text IS NOT NULL
    GROUP BY key_text HAVING MAX(is_new) = 0
),
truncations AS (SELECT lsn, created, is_new FROM records WHERE key_text IS NULL AND op = 't')
SELECT newest.key_text, newest.part
FROM newest
LEFT JOIN truncations
    ON truncations.is_new = 1 OR (truncations.lsn > newest.lsn AND truncations.created >= newest.created)
WHERE newest.op <> 'd'
GROUP BY newest.key_text, newest.part
HAVING COUNT(truncations.lsn) = 0
"""


@dataclass(frozen=True)
class DeletedKey:
    """A key without a record in the new epoch, and the partition that its records are in."""

    partition: int
    key: Mapping[str, Any]


def find(cursor: Any, shard: Shard, table: Table, starts: Mapping[Partition, int]) -> Iterator[list[DeletedKey]]:
    """The keys whose newest record in raw is older than `starts`, not a delete, and not before a truncation.

    A truncation is one record without a key. Log positions compare within an epoch alone, so it also has to be younger
    by Kafka's time; one since `starts` is of a later epoch, and came after every key that is asked for. So many keys at
    a time: the cursor is busy until the last of them was taken.
    """
    new = since(shard.topic(table), starts)
    cursor.execute(_FIND.format(table=shard.raw_table(table), new=new, partition=KAFKA_PARTITION, offset=KAFKA_OFFSET))
    while some := cursor.fetchmany(CHUNK_ROWS):
        yield [DeletedKey(int(partition), _key(table, text)) for text, partition in some]


def since(topic: str, starts: Mapping[Partition, int]) -> str:
    """The condition for a record of raw to be of after `starts`; every record of a partition without one is."""
    old = " OR ".join(
        f"({KAFKA_PARTITION} = {p.number} AND {KAFKA_OFFSET} < {offset})"
        for p, offset in starts.items()
        if p.topic == topic
    )
    return f"NOT ({old})" if old else "TRUE"


def still_on_shard(session: Any, shard: Shard, table: Table, deleted: Sequence[DeletedKey]) -> list[Mapping[str, Any]]:
    """The keys that the shard still has: the snapshot skipped them, or they were just inserted."""
    types = {column: table.columns[column] for column in table.key}
    columns = ", ".join(f'"{column}" {"text" if kind == "enum" else kind}' for column, kind in types.items())
    same = " AND ".join(
        f'kept."{column}"{"::text" if kind == "enum" else ""} = deleted."{column}"' for column, kind in types.items()
    )
    sql = (
        f"SELECT deleted.place FROM jsonb_to_recordset(%s::jsonb) AS deleted(place int, {columns}) "
        f'JOIN "{shard.of.schema}"."{table.name}" AS kept ON {same}'
    )
    keys = json.dumps([{**each.key, "place": place} for place, each in enumerate(deleted)])
    return [deleted[place].key for (place,) in database.rows(session, sql, (keys,))]


def write_deletes(systems: Systems, shard: Shard, table: Table, deleted: Sequence[DeletedKey], lsn: int) -> None:
    """Write a delete and a tombstone for each key. Idempotent."""
    from kafka import KafkaProducer  # type: ignore[import-untyped]
    from kafka.errors import KafkaError  # type: ignore[import-untyped]

    topic = shard.topic(table)
    try:
        producer = KafkaProducer(
            **arguments(systems.look_up("kafka")), acks="all", enable_idempotence=True, compression_type="lz4"
        )
        try:
            sent = []
            for each in deleted:
                key = _encoded(each.key)
                for value in (_encoded(record(shard, table, each, lsn)), None):
                    sent.append(producer.send(topic, key=key, value=value, partition=each.partition))
            producer.flush(timeout=FLUSH_SECONDS)
            for future in sent:
                future.get(timeout=FLUSH_SECONDS)
        finally:
            producer.close(timeout=FLUSH_SECONDS)
    except KafkaError as error:
        raise KafkaUnavailable(
            f"{topic}: not all deletes could be written ({type(error).__name__}: {error}). Run it again: that is safe."
        ) from error


def record(shard: Shard, table: Table, deleted: DeletedKey, lsn: int) -> dict[str, Any]:
    """A delete as Debezium writes it. Of `before` only the key is known, as with the default replica identity."""
    now = time.time_ns()
    times = {"ts_ms": now // 1_000_000, "ts_us": now // 1_000, "ts_ns": now}
    return {
        "before": dict(deleted.key),
        "after": None,
        "source": {
            "version": "1",
            "connector": "catchment",
            "name": shard.name,
            "snapshot": "false",
            "db": shard.of.database,
            "sequence": json.dumps([str(lsn), str(lsn)], separators=(",", ":")),
            "schema": shard.of.schema,
            "table": table.name,
            "txId": None,
            "lsn": lsn,
            "xmin": None,
            **times,
        },
        "transaction": None,
        "op": "d",
        **times,
    }


def refuse_if_skipped(shard: Shard, table: Table, there: Iterable[Mapping[str, Any]]) -> None:
    """Raise NeedsPerson when the snapshot skipped rows: then a missing row need not be a deleted one."""
    keys = [json.dumps(dict(key)) for key in there]
    if keys:
        raise NeedsPerson(
            f"{shard.name}.{table.name}: the snapshot did not contain {len(keys):,} rows that the shard has, such as "
            f"{', '.join(keys[:3])}. No delete was written. Re-snapshot the table (docs/runbooks/cdc_resnapshot.md), "
            "then clear this task."
        )


def _key(table: Table, text: str) -> dict[str, Any]:
    """The key's columns in the order that Debezium writes them in: the table's own."""
    found = json.loads(text)
    return {column: found[column] for column in table.columns if column in table.key}


def _encoded(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
