"""Which offsets a replay brings again: a decision over what was asked, what Kafka keeps and what is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from catchment.cdc.loader.batch import Partition
from catchment.errors import NeedsPerson


@dataclass(frozen=True, kw_only=True)
class ReplayRequest:
    """What a person asked for: some partitions of a topic (none: all), from and to an offset, or from and to a time.

    `to_offset` is the last one that is wanted; `to_time` is exclusive, and without it all that is loaded is meant.
    """

    topic: str
    partitions: tuple[int, ...] = ()
    from_offset: int | None = None
    to_offset: int | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None

    def __post_init__(self) -> None:
        by_offset = self.from_offset is not None or self.to_offset is not None
        by_time = self.from_time is not None or self.to_time is not None
        if by_offset == by_time:
            raise NeedsPerson(f"Replay of {self.topic}: give offsets or times, one of the two.")
        if by_offset and (self.from_offset is None or self.to_offset is None):
            raise NeedsPerson(f"Replay of {self.topic}: give both the first and the last offset.")
        if by_offset and len(self.partitions) != 1:
            raise NeedsPerson(f"Replay of {self.topic}: offsets belong to one partition: choose it.")
        if by_time and self.from_time is None:
            raise NeedsPerson(f"Replay of {self.topic}: give the time from which it should begin.")
        if self.from_offset is not None and self.to_offset is not None and not 0 <= self.from_offset <= self.to_offset:
            raise NeedsPerson(f"Replay of {self.topic}: offsets {self.from_offset} to {self.to_offset} are no range.")
        if self.from_time and self.to_time and self.from_time >= self.to_time:
            raise NeedsPerson(f"Replay of {self.topic}: {self.from_time} is not before {self.to_time}.")


@dataclass(frozen=True)
class OffsetRange:
    """Offsets of one partition, the end exclusive."""

    partition: Partition
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.partition} offsets {self.start} to {self.end - 1}"


@dataclass(frozen=True)
class Known:
    """What is known of a partition: Kafka's first offset, the next that raw has not, and the times as offsets.

    `at_from` and `at_to` are None where no record is that young.
    """

    first: int
    loaded: int
    at_from: int | None = None
    at_to: int | None = None


def ranges(request: ReplayRequest, known: Mapping[Partition, Known]) -> tuple[OffsetRange, ...]:
    """What is replayed. Raises NeedsPerson for offsets that Kafka no longer has, or that are not loaded yet."""
    found = []
    for partition, facts in known.items():
        if request.from_offset is not None and request.to_offset is not None:
            start, end = request.from_offset, request.to_offset + 1
            if start < facts.first:
                raise NeedsPerson(
                    f"Kafka keeps {partition} from offset {facts.first} on: {start} to {min(end, facts.first) - 1} "
                    "can't be replayed. Ask for what is left, and for the rest take a new snapshot of the table "
                    "(docs/runbooks/cdc_resnapshot.md). Nothing was changed."
                )
        else:
            start = facts.loaded if facts.at_from is None else facts.at_from
            end = facts.loaded if request.to_time is None or facts.at_to is None else facts.at_to
        end = min(end, facts.loaded)
        if start < end:
            found.append(OffsetRange(partition, start, end))
        elif request.from_offset is not None:
            raise NeedsPerson(
                f"{partition} is loaded up to offset {facts.loaded - 1}: {start} and later come by themselves. "
                "Nothing was changed."
            )
    return tuple(found)
