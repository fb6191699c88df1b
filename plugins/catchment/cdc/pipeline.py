"""How far the pipeline is behind a shard, stage by stage: slot, Kafka, raw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from catchment.cdc import shard as database
from catchment.cdc.declared import Shard
from catchment.cdc.loader import offsets
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import KafkaUnavailable, arguments
from catchment.connection import Connection

LSN = "(pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"
Positions = Mapping[Partition, int]


def lsn_now(session: Any) -> int:
    """The end of the shard's WAL as a number: everything committed so far is before it."""
    ((lsn,),) = database.rows(session, f"SELECT {LSN}")
    return int(lsn)


def captured(session: Any, shard: Shard) -> int | None:
    """Up to which LSN Debezium has written changes to Kafka for good; None without a slot.

    It confirms to the slot only what Kafka has committed, and its heartbeats move a quiet slot on.
    """
    sql = "SELECT (confirmed_flush_lsn - '0/0'::pg_lsn)::bigint FROM pg_replication_slots WHERE slot_name = %s"
    found = database.rows(session, sql, (shard.slot,))
    return int(found[0][0]) if found and found[0][0] is not None else None


def ends(connection: Connection, topics: Iterable[str]) -> dict[Partition, int]:
    """The next offset of every partition of those topics that exist, after what open transactions wrote as well.

    A transaction that its producer holds for committed may still wait for its marker in some partition. What may be
    read there ends before it until then, and would be too early an end.
    """
    from kafka import KafkaConsumer, TopicPartition  # type: ignore[import-untyped]
    from kafka.errors import KafkaError  # type: ignore[import-untyped]

    try:
        consumer = KafkaConsumer(
            **arguments(connection),
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_uncommitted",
            allow_auto_create_topics=False,
            request_timeout_ms=10_000,
            bootstrap_timeout_ms=10_000,
            metrics_enabled=False,
        )
        try:
            wanted = [TopicPartition(t, n) for t in topics for n in sorted(consumer.partitions_for_topic(t) or ())]
            found = consumer.end_offsets(wanted) if wanted else {}
            return {Partition(tp.topic, tp.partition): int(found[tp]) for tp in wanted}
        finally:
            consumer.close()
    except (KafkaError, OSError, AssertionError, KeyError) as error:
        raise KafkaUnavailable(
            f"Kafka could not say where topics end ({type(error).__name__}: {error}): it is tried again."
        ) from error


def not_loaded(cursor: Any, wanted: Positions) -> dict[Partition, int]:
    """How many offsets raw is short of `wanted`, for each partition that is."""
    ledger = offsets.read(cursor)
    loaded = {partition: position.next_offset for partition, position in ledger.items()}
    return {p: end - loaded.get(p, 0) for p, end in wanted.items() if loaded.get(p, 0) < end}
