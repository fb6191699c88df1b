"""One micro-batch: rows of any number of topics, and how far each partition has been read with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from catchment.cdc.loader.rows import Lines, Record, Rejected, lines


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


@dataclass(frozen=True)
class Advance:
    """From where to where one partition goes: offsets, the end exclusive. `before` is None for a first load."""

    partition: Partition
    before: int | None
    after: int


@dataclass
class KafkaBatch:
    """What goes into the warehouse in one transaction. `topics` holds rows by topic, `read` the next offsets."""

    topics: dict[str, Lines] = field(default_factory=dict)
    rejects: list[Rejected] = field(default_factory=list)
    read: dict[Partition, int] = field(default_factory=dict)
    rows: int = 0
    size: int = 0

    def add(self, partition: Partition, records: Iterable[Record]) -> None:
        """Take the records of one partition; the caller sets `read` when the batch is closed."""
        made, size, rejects = lines(partition.topic, partition.number, records)
        self.rejects += rejects
        if made:
            self.topics.setdefault(partition.topic, Lines()).extend(made, size)
        self.rows += len(made)
        self.size += size + sum(len(r.record or b"") for r in rejects)

    def advances(self, ledger: dict[Partition, int | None]) -> tuple[Advance, ...]:
        """How the ledger changes when this batch is loaded; partitions that stay where they are do not."""
        return tuple(
            Advance(partition, ledger.get(partition), after)
            for partition, after in self.read.items()
            if ledger.get(partition) != after
        )
