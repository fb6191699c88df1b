"""Let the loader go on with a topic that is not what it loaded from: made again, or cut off by Kafka's retention.

Either way records are lost to Kafka, and only a snapshot brings their rows: it follows. Rows of before are kept in a
table beside, for offsets that begin again must not share a table with those of before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from catchment.cdc.declared import Shard, Table
from catchment.cdc.loader import offsets
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import Kafka
from catchment.cdc.loader.starts import Stopped, starts
from catchment.cdc.systems import Systems
from catchment.errors import NeedsPerson
from catchment.warehouse.ledger import sql_time
from catchment.warehouse.names import AUDITS, EPOCHS, OFFSETS, WATERMARKS
from catchment.warehouse.session import transaction


@dataclass(frozen=True)
class Found:
    """What is the matter with a topic. `id`: Kafka's, of the topic as it is now; `firsts`: where partitions begin;
    `was_made_again`: offsets begin again; `behind`: partitions whose next offset Kafka no longer has."""

    topic: str
    id: str
    reason: str
    firsts: Mapping[Partition, int]
    was_made_again: bool
    behind: tuple[Partition, ...] = ()


def find(systems: Systems, shard: Shard, table: Table) -> Found:
    """Why the loader left the topic alone. Raises NeedsPerson when it did not, or when there is no such topic."""
    name = shard.topic(table)
    with closing(Kafka(systems.look_up("kafka"))) as kafka:
        topic = kafka.topics([name]).get(name)
        if topic is None:
            raise NeedsPerson(
                f"{name} does not exist. Write to the table, so that Debezium makes it; then repeat this."
            )
        bounds = kafka.bounds([Partition(name, number) for number in topic.partitions])
    with systems.warehouse() as warehouse:
        ledger = offsets.read(warehouse.cursor())
    stopped = starts(topic, ledger, bounds)
    if not isinstance(stopped, Stopped):
        raise NeedsPerson(f"{name} is what was loaded from, and the loader goes on with it. Nothing was changed.")
    known = {partition: ledger[partition] for partition in bounds if partition in ledger}
    again = any(p.topic_id not in (None, topic.id) or p.next_offset > bounds[n][1] for n, p in known.items())
    behind = tuple(n for n, p in known.items() if p.next_offset < bounds[n][0])
    return Found(name, topic.id, stopped.reason, {n: first for n, (first, _) in bounds.items()}, again, behind)


def plan(systems: Systems, shard: Shard, table: Table) -> list[str]:
    """What `go_on` would do, in sentences."""
    found, raw = find(systems, shard, table), shard.raw_table(table)
    if not found.was_made_again:
        return [f"{found.topic}: {found.reason}", *(f"load {n} from {found.firsts[n]} on" for n in found.behind)]
    return [
        f"{found.topic}: {found.reason}",
        f"copy {raw} to {_beside(raw, found.id)}, and empty it",
        "begin an epoch of the topic, and forget its offsets, audits and watermarks: it is loaded from its start",
    ]


def go_on(systems: Systems, shard: Shard, table: Table, *, reason: str) -> str:
    """Set the ledger right; the loader goes on within seconds. In one transaction, after the copy."""
    found, raw = find(systems, shard, table), shard.raw_table(table)
    with systems.warehouse() as warehouse:
        if found.was_made_again:
            warehouse.cursor().execute(f"CREATE TABLE IF NOT EXISTS {_beside(raw, found.id)} AS SELECT * FROM {raw}")
        with transaction(warehouse, f"topic {found.topic}") as cursor:
            if found.was_made_again:
                _forget(cursor, shard, found.topic, raw, reason)
            else:
                for partition in found.behind:
                    cursor.execute(
                        f"UPDATE {OFFSETS} SET NEXT_OFFSET = %s WHERE TOPIC = %s AND KAFKA_PARTITION = %s",
                        (found.firsts[partition], found.topic, partition.number),
                    )
    return (
        f"{found.topic}: {found.reason}. The loader goes on from Kafka's first offset; a snapshot brings what was lost."
    )


def _forget(cursor: Any, shard: Shard, topic: str, raw: str, reason: str) -> None:
    cursor.execute(
        f"INSERT INTO {EPOCHS} (SHARD, TOPIC, KAFKA_PARTITION, EPOCH, FROM_OFFSET, REASON, STARTED_AT) "
        f"SELECT %s, o.TOPIC, o.KAFKA_PARTITION, COALESCE(MAX(e.EPOCH), 0) + 1, 0, %s, %s::TIMESTAMP_NTZ "
        f"FROM {OFFSETS} AS o LEFT JOIN {EPOCHS} AS e "
        "ON e.TOPIC = o.TOPIC AND e.KAFKA_PARTITION = o.KAFKA_PARTITION "
        "WHERE o.TOPIC = %s GROUP BY o.TOPIC, o.KAFKA_PARTITION",
        (shard.name, f"topic made again: {reason}", sql_time(datetime.now(UTC)), topic),
    )
    cursor.execute(f"DELETE FROM {raw}")
    for table in (AUDITS, WATERMARKS, OFFSETS):
        cursor.execute(f"DELETE FROM {table} WHERE TOPIC = %s", (topic,))


def _beside(raw: str, topic_id: str) -> str:
    """One table for each time that the topic was made: a repeated try copies nothing twice, and a second time does."""
    return f"{raw}_BEFORE_{re.sub(r'[^A-Za-z0-9]', '_', topic_id)}".upper()
