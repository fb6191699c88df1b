"""Everything known about the pipeline at one time: plain values, gathered by `gather`, judged by `decide`.

Each source of facts may fail alone; its facts are then `Unknown`, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from catchment.cdc.connectors.client import Rebalancing, Running
from catchment.cdc.connectors.pauses import Pause
from catchment.cdc.connectors.plan import Change, Plan
from catchment.cdc.health.history import History
from catchment.cdc.loader.batch import Partition
from catchment.cdc.setup.catalog import Catalog
from catchment.errors import CatchmentError, TryAgain

T = TypeVar("T")
D = TypeVar("D")
Offset: TypeAlias = "Mapping[str, Any] | Unknown | None"
_INCREMENTAL = "incremental_snapshot_"


@dataclass(frozen=True)
class Unknown:
    """A fact that could not be had. `away`: its source is away for now; else it refused, or is broken."""

    because: str
    away: bool = True
    busy: bool = False  # Connect is sharing out connectors (409)


def known(ask: Callable[[], T]) -> T | Unknown:
    """The answer, or why there is none."""
    try:
        return ask()
    except CatchmentError as error:
        return Unknown(str(error), away=isinstance(error, TryAgain), busy=isinstance(error, Rebalancing))
    except Exception as error:  # what watches must not fall with what it watches
        return Unknown(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", away=False)


def or_else(found: T | Unknown, otherwise: D) -> T | D:
    """What was found, or something else where that is unknown."""
    return otherwise if isinstance(found, Unknown) else found


@dataclass(frozen=True)
class Slot:
    """A replication slot. Positions and amounts are bytes of WAL; `safe_wal` is what may still be written before the
    slot is lost, None where nothing limits it (`max_slot_wal_keep_size = -1`).

    `decoded` counts transactions since the slot was made, or since the server's counters were reset (a crash does it):
    `counted_since` changes with each reset. A count that fell without a reset means a recreated slot.
    """

    active: bool
    wal_status: str
    confirmed_flush: int
    held: int
    safe_wal: int | None = None
    decoded: int = 0
    counted_since: str = ""


@dataclass(frozen=True)
class SnapshotSignal:
    """A row of `cdc.signals` that asks for an incremental snapshot of `collections` (regular expressions)."""

    id: str
    collections: tuple[str, ...]
    partial: bool = False  # with conditions: its rows can't be compared with the table's

    def asks_for(self, schema: str, table: str) -> bool:
        return any(re.fullmatch(pattern, f"{schema}.{table}") for pattern in self.collections)


@dataclass(frozen=True)
class ShardFacts:
    """One database. `slot` None: there is none of that name. `unpublished`: declared tables that are not in the
    publication; None: there is no publication. `heartbeat`: seconds since Debezium last wrote to `cdc.heartbeat`, by
    the database's own clock; `beats`: how often it did. `clock`: seconds by which that clock is ahead of ours.
    `write_refused`: why it could not write a temporary file, or a heartbeat of our own where Debezium's is late."""

    wal: int
    slot: Slot | Unknown | None
    unpublished: tuple[str, ...] | Unknown | None = ()
    heartbeat: float | Unknown | None = 0.0
    signals: tuple[SnapshotSignal, ...] | Unknown = ()
    beats: int | None = None
    clock: float = 0.0
    write_refused: str = ""
    catalog: Catalog | Unknown | None = None


@dataclass(frozen=True)
class TopicFacts:
    """One topic: Kafka's id of it, the limits it has, and for each partition its first offset and its end.

    `expiring`: for each partition, the offset before which records will soon be deleted by the topic's retention.
    """

    id: str
    bounds: Mapping[int, tuple[int, int]]
    settings: Mapping[str, str] = field(default_factory=dict)
    expiring: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """A snapshot to count: keys of the table that raw has seen since `since`."""

    shard: str
    table: str
    signal: str
    since: datetime


@dataclass(frozen=True)
class SnapshotCount:
    """After a snapshot: rows of the table on the shard, and keys of it that raw has seen since the snapshot began.

    Where it could not be counted, `error` says why, and `failures` how often in a row."""

    shard: str
    table: str
    signal: str
    rows: int = 0
    seen: int = 0
    at: datetime | None = None
    error: str = ""
    failures: int = 0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All facts of one run. Offsets are Debezium's own (LSNs and snapshot state), by connector.

    `topic_ids`: the ids of the topics that raw was loaded from; `loaders`: who moved the ledger on, and when last.
    `history`: what the warehouse remembers, where it was asked. `warehouse`: why it could not be read; pauses are then
    those of the last run.
    """

    plan: Plan | Unknown
    running: Mapping[str, Running] | Unknown
    shards: Mapping[str, ShardFacts | Unknown]
    offsets: Mapping[str, Mapping[str, Any] | Unknown] = field(default_factory=dict)
    ends: Mapping[Partition, int] | Unknown = field(default_factory=dict)
    loaded: Mapping[Partition, int] | Unknown = field(default_factory=dict)
    waiting: Mapping[Partition, bool] | Unknown = field(default_factory=dict)
    counts: tuple[SnapshotCount, ...] = ()
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    sink_declared: bool = False
    epochs: Mapping[str, datetime] | Unknown = field(default_factory=dict)
    topics: Mapping[str, TopicFacts] | Unknown = field(default_factory=dict)
    topic_ids: Mapping[str, str] = field(default_factory=dict)
    loaders: Mapping[str, datetime] = field(default_factory=dict)
    history: History | None = None
    warehouse: Unknown | None = None

    def pause(self, subject: str, at: datetime) -> Pause | None:
        """The active pause of a connector, or of the loader."""
        pause = self.pauses.get(subject)
        return pause if pause and pause.is_active(at) else None

    def change(self, name: str) -> Change | None:
        """What would make a connector as it is declared."""
        return None if isinstance(self.plan, Unknown) else self.plan.change(name)

    def behind(self) -> dict[Partition, tuple[int, int]]:
        """Partitions that are not loaded to their end: the next offset to load, and Kafka's end."""
        if isinstance(self.ends, Unknown) or isinstance(self.loaded, Unknown):
            return {}
        return {
            partition: (self.loaded.get(partition, 0), end)
            for partition, end in self.ends.items()
            if self.loaded.get(partition, 0) < end
        }


def snapshotting(offset: Offset) -> bool:
    """Whether a connector is in its initial snapshot: it has no slot reader yet, and that is right."""
    at = or_else(offset, None) or {}
    over = at.get("snapshot_completed") or at.get("last_snapshot_record")
    return bool(at.get("snapshot")) and at["snapshot"] != "INCREMENTAL" and not over


def snapshotting_incrementally(offset: Offset) -> bool:
    """Whether an incremental snapshot is going on: Debezium keeps how far it is in its offset."""
    return any(key.startswith(_INCREMENTAL) and value for key, value in (or_else(offset, None) or {}).items())


def snapshotted(offset: Offset) -> tuple[str, ...]:
    """The tables of the incremental snapshot that goes on, by Debezium's offset."""
    collections = (or_else(offset, None) or {}).get(f"{_INCREMENTAL}collections", "")
    return tuple(re.findall(r'"incremental_snapshot_collections_id":"([^"]+)"', str(collections)))
