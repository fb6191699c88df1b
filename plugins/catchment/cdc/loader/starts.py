"""From where a topic is read: a decision over what the ledger and Kafka say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import Topic
from catchment.cdc.loader.offsets import Position

RUNBOOK = "docs/runbooks/cdc_topic_stopped.md"


@dataclass(frozen=True)
class Stopped:
    """A topic that can't be read further without losing or duplicating rows: a person decides."""

    topic: str
    reason: str

    def __str__(self) -> str:
        return f"{self.topic} is not loaded: {self.reason}. The other topics are loaded. See {RUNBOOK}."


def starts(
    topic: Topic, ledger: Mapping[Partition, Position], bounds: Mapping[Partition, tuple[int, int]]
) -> dict[Partition, int] | Stopped:
    """Where to continue reading each partition of a topic; `bounds` are Kafka's first and next offset of each.

    A partition that the ledger does not know is read from its first record. A topic is stopped as a whole: its
    partitions hold one table.
    """
    found: dict[Partition, int] = {}
    for partition in (Partition(topic.name, number) for number in topic.partitions):
        first, end = bounds[partition]
        position = ledger.get(partition)
        if position is None:
            found[partition] = first
            continue
        at = position.next_offset
        if position.topic_id not in (None, topic.id):
            return Stopped(topic.name, f"it was deleted and made again since offset {at} of {partition} was loaded")
        if at > end:
            return Stopped(
                topic.name,
                f"{partition} is loaded up to offset {at} and Kafka's copy ends at {end}: it was made again, or Kafka "
                "lost its end",
            )
        if at < first:
            return Stopped(
                topic.name,
                f"Kafka no longer has offsets {at} to {first - 1} of {partition}: its retention was shorter than the "
                "time in which nothing was loaded",
            )
        found[partition] = at
    return found
