"""How far the pipeline is behind a shard, stage by stage: slot, Kafka, raw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from catchment.cdc import shard as database
from catchment.cdc.declared import Shard
from catchment.cdc.loader import offsets
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import Kafka
from catchment.connection import Connection

LSN = "(pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"


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
    """The next offset of every partition of those topics that exist, after what open transactions wrote as well."""
    with closing(Kafka(connection)) as kafka:
        return kafka.written(topics)


def not_loaded(cursor: Any, wanted: Mapping[Partition, int]) -> dict[Partition, int]:
    """How many offsets raw is short of `wanted`, for each partition that is."""
    ledger = offsets.read(cursor)
    loaded = {partition: position.next_offset for partition, position in ledger.items()}
    return {p: end - loaded.get(p, 0) for p, end in wanted.items() if loaded.get(p, 0) < end}
