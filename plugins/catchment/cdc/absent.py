"""Say that rows are gone which a snapshot did not bring: deleted while nothing was captured.

A new epoch's snapshot brings every living row. A key that raw knew before and that has no record since was deleted in
the gap. Each gets a delete and a tombstone on its own topic and partition, so that raw, current state, history and
whoever else reads the topic learn of it as of any other delete. Its LSN is one of before the snapshot: whatever the
new epoch says of the key counts more. `source.connector` is "catchment", so that one can tell them apart.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catchment.cdc import shard as database
from catchment.cdc.declared import Application, Shard, Table
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import KafkaUnavailable, arguments
from catchment.cdc.systems import Systems
from catchment.errors import NeedsPerson

AT_A_TIME = 5_000
FLUSH_SECONDS = 60

_OFFSET = "COALESCE(KAFKA_OFFSET, RECORD_METADATA:offset::NUMBER)"
_PARTITION = "COALESCE(KAFKA_PARTITION, RECORD_METADATA:partition::NUMBER)"


@dataclass(frozen=True)
class Gone:
    """A key that the new epoch does not know, and the partition that its records are in."""

    partition: int
    key: Mapping[str, Any]


def find(
    cursor: Any, application: Application, shard: Shard, table: Table, starts: Mapping[Partition, int]
) -> list[Gone]:
    """The keys whose newest record in raw is of before `starts` and no delete."""
    new = since(application.topic(shard, table), starts)
    cursor.execute(
        "SELECT key_text, MAX_BY(part, at) FROM ("
        f"SELECT TO_JSON(RECORD_METADATA:key) AS key_text, {_PARTITION} AS part, {_OFFSET} AS at, "
        f"COALESCE(RECORD_CONTENT:op::VARCHAR, 'd') AS op, IFF({new}, 1, 0) AS is_new "
        f"FROM {application.raw_table(shard, table)} WHERE RECORD_METADATA:key IS NOT NULL) records "
        "GROUP BY key_text HAVING MAX(is_new) = 0 AND MAX_BY(op, at) <> 'd'"
    )
    return [Gone(int(partition), _key(table, text)) for text, partition in cursor.fetchall()]


def since(topic: str, starts: Mapping[Partition, int]) -> str:
    """The condition for a record of raw to be of after `starts`; every record of a partition without one is."""
    old = " OR ".join(
        f"({_PARTITION} = {p.number} AND {_OFFSET} < {offset})" for p, offset in starts.items() if p.topic == topic
    )
    return f"NOT ({old})" if old else "TRUE"


def still_there(session: Any, application: Application, table: Table, gone: Sequence[Gone]) -> list[Mapping[str, Any]]:
    """Those of the keys that the shard has all the same: the snapshot skipped them, or they were written just now."""
    types = {column: table.columns[column] for column in table.key}
    columns = ", ".join(f'"{column}" {"text" if kind == "enum" else kind}' for column, kind in types.items())
    same = " AND ".join(
        f'kept."{column}"{"::text" if kind == "enum" else ""} = gone."{column}"' for column, kind in types.items()
    )
    found = []
    for some in _portions(gone):
        sql = (
            f"SELECT gone.place FROM jsonb_to_recordset(%s::jsonb) AS gone(place int, {columns}) "
            f'JOIN "{application.schema}"."{table.name}" AS kept ON {same}'
        )
        keys = json.dumps([{**each.key, "place": place} for place, each in enumerate(some)])
        found += [some[place].key for (place,) in database.rows(session, sql, (keys,))]
    return found


def tell(systems: Systems, shard: Shard, table: Table, gone: Sequence[Gone], lsn: int) -> None:
    """Write a delete and a tombstone for each key. Doing it again changes nothing more."""
    from kafka import KafkaProducer  # type: ignore[import-untyped]
    from kafka.errors import KafkaError  # type: ignore[import-untyped]

    topic = systems.application.topic(shard, table)
    try:
        producer = KafkaProducer(
            **arguments(systems.look_up("kafka")), acks="all", enable_idempotence=True, compression_type="lz4"
        )
        try:
            sent = []
            for each in gone:
                key = _encoded(each.key)
                for value in (_encoded(record(systems.application, shard, table, each, lsn)), None):
                    sent.append(producer.send(topic, key=key, value=value, partition=each.partition))
            producer.flush(timeout=FLUSH_SECONDS)
            for future in sent:
                future.get(timeout=FLUSH_SECONDS)
        finally:
            producer.close(timeout=FLUSH_SECONDS)
    except KafkaError as error:
        raise KafkaUnavailable(
            f"{topic}: not all deletes could be written ({type(error).__name__}: {error}). Doing it again is safe."
        ) from error


def record(application: Application, shard: Shard, table: Table, gone: Gone, lsn: int) -> dict[str, Any]:
    """A delete as Debezium writes it. Of `before` only the key is known, as with the default replica identity."""
    now = time.time_ns()
    times = {"ts_ms": now // 1_000_000, "ts_us": now // 1_000, "ts_ns": now}
    return {
        "before": dict(gone.key),
        "after": None,
        "source": {
            "version": "1",
            "connector": "catchment",
            "name": shard.name,
            "snapshot": "false",
            "db": application.database,
            "sequence": json.dumps([str(lsn), str(lsn)], separators=(",", ":")),
            "schema": application.schema,
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
    """Raise NeedsPerson when the snapshot skipped rows: then what it did not bring is not known to be gone."""
    keys = [json.dumps(dict(key)) for key in there]
    if keys:
        raise NeedsPerson(
            f"{shard.name}.{table.name}: the snapshot did not bring {len(keys):,} rows that the shard has, such as "
            f"{', '.join(keys[:3])}. No delete was written. Re-snapshot the table (docs/runbooks/cdc_resnapshot.md), "
            "then clear this task."
        )


def _key(table: Table, text: str) -> dict[str, Any]:
    """The key's columns in the order that Debezium writes them in: the table's own."""
    found = json.loads(text)
    return {column: found[column] for column in table.columns if column in table.key}


def _encoded(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _portions(gone: Sequence[Gone]) -> Iterator[Sequence[Gone]]:
    return (gone[start : start + AT_A_TIME] for start in range(0, len(gone), AT_A_TIME))
