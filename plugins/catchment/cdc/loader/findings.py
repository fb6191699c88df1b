"""What an audit concludes about one partition: pure, over what raw, Kafka and the rejects say.

With exactly-once delivery offsets have holes: each of Debezium's transactions ends in a marker that has an offset and
is no record. So a hole in raw is a gap only if Kafka has a committed record in it; where Kafka's retention
has passed, it stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from catchment.cdc.loader.batch import Partition

CHECKED = "checked"
GAP = "gap"
DUPLICATE = "duplicate"
UNKNOWN = "unknown"
NEAR = 1_000  # offsets: what lies this near is one range, for one replay

Hole = tuple[int, int]  # offsets that raw has no row of, the end exclusive


@dataclass(frozen=True)
class Finding:
    """One line of an audit. Offsets are inclusive; `records` counts what is missing, doubled or checked."""

    partition: Partition
    kind: str
    start: int
    end: int
    records: int
    detail: str = ""

    @property
    def is_bad(self) -> bool:
        return self.kind in (GAP, DUPLICATE)

    def __str__(self) -> str:
        between = f"between offsets {self.start} and {self.end}"
        match self.kind:
            case "gap":
                return f"{self.partition}: {self.records} records {between} are not in raw"
            case "duplicate":
                return f"{self.partition}: {self.records} rows too many {between}"
            case "unknown":
                return f"{self.partition}: {self.detail}"
            case _:
                return f"{self.partition}: {self.records} rows up to offset {self.end} are right"


@dataclass(frozen=True)
class Checked:
    """What the newest audit of a partition says: right up to `end` (inclusive), with so many rows in raw till there."""

    end: int
    rows: int


def begin(before: Checked | None, rows_now: int) -> int | None:
    """From where to audit: after what was found right and has as many rows as then, else from the start (None)."""
    if before is None or before.rows != rows_now:
        return None
    return before.end + 1


def split_at(holes: Iterable[Hole], first: int) -> tuple[list[Hole], list[Hole]]:
    """The holes before `first`, Kafka's first offset, which can't be checked any more, and the others."""
    expired: list[Hole] = []
    open_: list[Hole] = []
    for start, end in holes:
        if start < first:
            expired.append((start, min(end, first)))
        if end > first:
            open_.append((max(start, first), end))
    return expired, open_


def gaps(partition: Partition, missing: Iterable[int], rejected: frozenset[int]) -> Iterator[Finding]:
    """Records that Kafka has and raw has not, those among the rejects left out, as ranges to replay."""
    yield from _ranges(partition, GAP, ((offset, 1) for offset in missing if offset not in rejected))


def duplicates(partition: Partition, doubled: Iterable[tuple[int, int]]) -> Iterator[Finding]:
    """Offsets that raw has more than one row of, each with how many are too many, as ranges to replay."""
    yield from _ranges(partition, DUPLICATE, doubled)


def unknown(partition: Partition, expired: Sequence[Hole]) -> Iterator[Finding]:
    """Holes below Kafka's first offset: whether they held records is unknown."""
    if expired:
        offsets = sum(end - start for start, end in expired)
        yield Finding(
            partition,
            UNKNOWN,
            expired[0][0],
            expired[-1][1] - 1,
            offsets,
            f"{len(expired)} holes of {offsets} offsets up to {expired[-1][1] - 1} can't be checked: "
            "Kafka no longer has them",
        )


def _ranges(partition: Partition, kind: str, offsets: Iterable[tuple[int, int]]) -> Iterator[Finding]:
    open_: Finding | None = None
    for offset, records in sorted(offsets):
        if open_ is not None and offset - open_.end <= NEAR:
            open_ = Finding(partition, kind, open_.start, offset, open_.records + records)
            continue
        if open_ is not None:
            yield open_
        open_ = Finding(partition, kind, offset, offset, records)
    if open_ is not None:
        yield open_
