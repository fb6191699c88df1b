"""A batch: one stream over one data interval. It is extracted, landed, loaded and replayed as one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Kind(StrEnum):
    """A scheduled batch goes on from the ledger's cursor and moves it; a backfill reads its own window only."""

    SCHEDULED = "scheduled"
    BACKFILL = "backfill"


class Mode(StrEnum):
    """How much of a stream a scheduled batch reads: what is new since the cursor, or all of its history again."""

    INCREMENTAL = "incremental"
    FULL = "full"


def utc(moment: datetime) -> datetime:
    """The same moment in UTC, as a plain datetime (Airflow's are pendulum's, which msgspec does not encode).

    Raises:
        ValueError: the moment has no zone; any would be somebody's guess.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone: write it with one, such as {moment.isoformat()}Z.")
    there = moment.astimezone(UTC)
    return datetime.combine(there.date(), there.time(), UTC)


def stamp(moment: datetime) -> str:
    """A moment for object keys and ids: `20261122T020000Z`, with microseconds only where there are some."""
    text = utc(moment).strftime("%Y%m%dT%H%M%S")
    return f"{text}.{moment.microsecond:06d}Z" if moment.microsecond else f"{text}Z"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One stream over [start, end), in UTC. Equal fields give an equal `id`, on any machine, at any time.

    `mode` is no part of the id: a full read of an interval replaces the incremental one.
    """

    source: str
    stream: str
    start: datetime
    end: datetime
    kind: Kind = Kind.SCHEDULED
    mode: Mode = Mode.INCREMENTAL

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", utc(self.start))
        object.__setattr__(self, "end", utc(self.end))
        if self.start > self.end:
            raise ValueError(
                f"{self.source}.{self.stream}: the interval ends ({self.end.isoformat()}) before it "
                f"starts ({self.start.isoformat()}). Swap `from` and `to`."
            )

    @property
    def id(self) -> str:
        return f"{self.source}.{self.stream}.{stamp(self.start)}-{stamp(self.end)}.{self.kind}"

    @property
    def prefix(self) -> str:
        """Where the batch lands, below the bucket; ends with a slash."""
        return f"landing/{self.source}/{self.stream}/{stamp(self.start)}/{self.id}/"

    def __str__(self) -> str:
        return f"{self.source}.{self.stream} {self.start.isoformat()} to {self.end.isoformat()}"
