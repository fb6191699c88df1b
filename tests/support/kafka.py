"""Kafka and the warehouse in memory, as the loader sees them; both can be told to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any

import msgspec

from catchment.cdc.loader.batch import Advance, KafkaBatch, Partition
from catchment.cdc.loader.kafka import KafkaUnavailable, Topic
from catchment.cdc.loader.offsets import LostRace, Position
from catchment.cdc.loader.rows import Rejected
from catchment.errors import WarehouseUnavailable


@dataclass(frozen=True)
class Message:
    """A record as a Kafka client gives it; `value` None is a tombstone."""

    offset: int
    value: bytes | None = b'{"op":"c"}'
    key: bytes | None = b'{"id":1}'
    timestamp: int = 1_700_000_000_000


@dataclass
class Log:
    """One partition: its records by offset, its first offset and the next one. Holes are transaction markers."""

    records: dict[int, Message] = field(default_factory=dict)
    first: int = 0
    end: int = 0

    def add(self, value: bytes | None = b'{"op":"c"}', **fields: Any) -> int:
        self.records[self.end] = Message(self.end, value, **fields)
        self.end += 1
        return self.end - 1

    def mark(self) -> None:
        self.end += 1

    def forget(self, before: int) -> None:
        """Retention: everything before that offset is gone."""
        self.first = before
        self.records = {o: m for o, m in self.records.items() if o >= before}


@dataclass
class Cluster:
    """Topics by name. Of `unknown` partitions no offsets are told; `fails(verb)`: whether a call ends in an outage."""

    logs: dict[Partition, Log] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    unknown: set[Partition] = field(default_factory=set)
    fails: Callable[[str], bool] = lambda verb: False

    def topic(self, name: str, partitions: int = 1, id: str = "one") -> list[Log]:
        self.ids[name] = id
        made = {Partition(name, number): Log() for number in range(partitions)}
        self.logs = {p: log for p, log in self.logs.items() if p.topic != name} | made
        return list(made.values())

    def client(self) -> FakeKafka:
        return FakeKafka(self)


@dataclass
class FakeKafka:
    """A client of the cluster, with the methods of `catchment.cdc.loader.kafka.Kafka`."""

    cluster: Cluster
    at: dict[Partition, int] = field(default_factory=dict)
    most: int = 3

    def close(self) -> None:
        self.at = {}

    def topics(self, names: Iterable[str]) -> dict[str, Topic]:
        self._call("topics")
        return {
            name: Topic(name, id, tuple(p.number for p in self.cluster.logs if p.topic == name))
            for name, id in self.cluster.ids.items()
            if name in set(names)
        }

    def bounds(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        self._call("bounds")
        logs = self.cluster.logs
        return {p: (logs[p].first, logs[p].end) for p in partitions if p not in self.cluster.unknown}

    def offsets_at(self, partitions: Iterable[Partition], moment: datetime) -> dict[Partition, int | None]:
        wanted = moment.timestamp() * 1000
        return {
            p: next((o for o, m in self.cluster.logs[p].records.items() if m.timestamp >= wanted), None)
            for p in partitions
        }

    def assign(self, starts: Mapping[Partition, int], going_on: Iterable[Partition] = ()) -> None:
        self.at = {p: self.at[p] for p in going_on} | dict(starts)

    def poll(self, seconds: float, most: int = 0) -> dict[Partition, list[Message]]:
        self._call("poll")
        found = {}
        for partition, at in self.at.items():
            log = self.cluster.logs[partition]
            records = [m for o, m in sorted(log.records.items()) if o >= at][: self.most]
            self.at[partition] = records[-1].offset + 1 if records else max(at, log.end)
            if records:
                found[partition] = records
        return found

    def position(self, partition: Partition) -> int:
        return self.at[partition]

    def _call(self, verb: str) -> None:
        if self.cluster.fails(verb):
            raise KafkaUnavailable(f"Kafka could not {verb}: it is tried again.")


@dataclass
class Raw:
    """The warehouse: rows by topic as (partition, offset), the rejects, and the ledger.

    `fails(when)` is asked with "before" and "after" each commit: after it, the client does not learn that it worked.
    So many commits as `ended` says seem to work, but someone else had ended their transaction.
    """

    rows: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    rejects: list[Rejected] = field(default_factory=list)
    offsets: dict[Partition, Position] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    fails: Callable[[str], bool] = lambda when: False
    ended: int = 0

    def session(self) -> FakeWarehouse:
        return FakeWarehouse(self)

    def of(self, topic: str) -> list[tuple[int, int]]:
        return sorted(self.rows.get(topic, []))


@dataclass(frozen=True)
class FakeWarehouse:
    """A session, with the methods of `catchment.cdc.loader.warehouse.LoaderWarehouse`."""

    raw: Raw

    def close(self) -> None: ...

    def abort_open_transactions(self) -> None: ...

    def ledger(self) -> dict[Partition, Position]:
        return dict(self.raw.offsets)

    def execute(self, statements: Sequence[str]) -> None:
        self.raw.statements += statements

    def commit(
        self, batch: KafkaBatch, advances: Sequence[Advance], targets: Mapping[str, Any], topic_ids: dict[str, str]
    ) -> tuple[Rejected, ...]:
        if self.raw.fails("before"):
            raise WarehouseUnavailable("The warehouse is away: it is tried again later.")
        if self.raw.ended:
            self.raw.ended -= 1
            return ()
        with self.raw.lock:
            self._commit(batch, advances, topic_ids)
        if self.raw.fails("after"):
            raise WarehouseUnavailable("The connection broke: it is tried again later.")
        return ()

    def _commit(self, batch: KafkaBatch, advances: Sequence[Advance], topic_ids: dict[str, str]) -> None:
        for a in advances:
            there = self.raw.offsets.get(a.partition)
            if (there.next_offset if there else None) != a.before:
                raise LostRace("1 of 1 partitions were moved by another loader")
        for a in advances:
            self.raw.offsets[a.partition] = Position(a.after, topic_ids[a.partition.topic])
        for topic, lines in batch.topics.items():
            values = [msgspec.json.decode(line) for line in lines.offsets().values()]
            self.raw.rows.setdefault(topic, []).extend((v["p"], v["o"]) for v in values)
        self.raw.rejects += batch.rejects
