"""Compare one table of one shard with the warehouse's current state, and name the rows that differ.

First, counts and order-independent checksums per key range, with one statement on each database. Ranges that differ are
split until few enough rows are left to fetch. Rows that still differ are then read one by one, live and as of the
snapshot. A row that changed since is judged against a later snapshot, so a new change is never called a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from catchment.cdc.compare.table_view import Digest, Key, KeyRange, TableView, differing
from catchment.cdc.compare.texts import alike, kind_of
from catchment.cdc.declared import Table

ROWS_A_RANGE = 50_000  # at first
MOST_RANGES = 256
LEAF_ROWS = 1_000  # a range this small is fetched
PARTS = 16  # into how many a differing range is cut
WIDTH = 16  # how many differing ranges are cut at a time; of the others only counts are known
MOST_NAMED = 1_000
ROUNDS = 3
LSN = "_LSN"


class Fault(StrEnum):
    """What is wrong with a row."""

    MISSING = "missing in the warehouse"
    EXTRA = "not on the shard"
    DIFFERENT = "different"


@dataclass(frozen=True)
class RowDifference:
    """One row that differs: its key, and for `DIFFERENT` each column with the shard's and the warehouse's value."""

    key: Key
    fault: Fault
    columns: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """The result for one table. `more`: further ranges differ, unread. `unsettled`: rows that kept changing."""

    rows_shard: int
    rows_warehouse: int
    ranges: int
    ranges_different: int
    differences: tuple[RowDifference, ...] = ()
    more: bool = False
    unsettled: int = 0

    @property
    def equal(self) -> bool:
        return not self.differences and not self.more


@dataclass(frozen=True)
class Suspects:
    """The keys whose rows differ by their digests, and how the search went."""

    rows_shard: int
    rows_warehouse: int
    ranges: int
    ranges_different: int
    keys: tuple[Key, ...] = ()
    more: bool = False


class ShardSnapshot(Protocol):
    """A shard as of one LSN. An RDS export on S3 could be another implementation."""

    @property
    def before(self) -> int:
        """An LSN: a change after it may not be in the snapshot."""

    @property
    def after(self) -> int:
        """An LSN: every change in the snapshot is at or before it."""

    def view(self, table: Table, without: Iterable[str] = ()) -> TableView:
        """The table in the snapshot, without the rows of these keys (`table_view.joined_key`)."""

    def now(self, table: Table) -> TableView:
        """The table as it is now."""


class WarehouseState(Protocol):
    """The current state of one shard in the warehouse."""

    def changed(self, table: Table, lsn: int) -> list[str]:
        """The keys of rows whose newest change is after the LSN, deleted ones too."""

    def view(self, table: Table, until: int) -> TableView:
        """The living rows whose newest change is not after the LSN."""

    def everything(self, table: Table) -> TableView:
        """All rows, deleted ones too, with the columns `_IS_DELETED` and `_LSN`."""


Later = Callable[[], AbstractContextManager[ShardSnapshot]]


def compare(table: Table, snapshot: ShardSnapshot, warehouse: WarehouseState, later: Later) -> Comparison:
    """Compare the table as of `snapshot`. The warehouse must have passed it; `later` opens a newer one."""
    without = warehouse.changed(table, snapshot.before)
    found = search(snapshot.view(table, without), warehouse.view(table, snapshot.before))
    differences, unsettled = settle(table, found.keys[:MOST_NAMED], snapshot, warehouse, later)
    return Comparison(
        rows_shard=found.rows_shard,
        rows_warehouse=found.rows_warehouse,
        ranges=found.ranges,
        ranges_different=found.ranges_different,
        differences=tuple(differences),
        more=found.more or len(found.keys) > MOST_NAMED,
        unsettled=unsettled,
    )


def search(truth: TableView, warehouse: TableView) -> Suspects:
    """The keys of the rows that differ, from digests of ever smaller ranges."""
    ranges = _first_ranges(truth)
    level = _Level.of(truth, warehouse, ranges)
    rows = (sum(d.rows for d in level.truth.values()), sum(d.rows for d in level.warehouse.values()))
    different = len(level.differing)
    leaves: list[KeyRange] = []
    more = False
    while level.differing:
        small, large = level.by_size()
        leaves += small
        more = more or len(large) > WIDTH
        cut = [_cut(level, each, truth, warehouse) for each in large[:WIDTH]]
        leaves += [parts[0] for parts in cut if len(parts) == 1]
        level = _Level.of(truth, warehouse, [part for parts in cut if len(parts) > 1 for part in parts])
    leaves = sorted(leaves, key=ranges_order)
    more = more or len(leaves) > WIDTH * PARTS
    leaves = leaves[: WIDTH * PARTS]
    keys = differing(truth.rows(leaves), warehouse.rows(leaves)) if leaves else []
    return Suspects(*rows, len(ranges), different, tuple(keys), more)


def settle(
    table: Table, keys: Sequence[Key], snapshot: ShardSnapshot, warehouse: WarehouseState, later: Later
) -> tuple[list[RowDifference], int]:
    """The keys whose rows really differ, and how many rows changed every time they were read.

    A row differs when the shard's row is unchanged since the snapshot, the warehouse has passed the snapshot and holds
    no later change of that row, and the values are not equal.
    """
    differences, open_keys = _judge(table, keys, snapshot, warehouse)
    for _ in range(ROUNDS - 1):
        if not open_keys:
            break
        with later() as next_snapshot:
            found, open_keys = _judge(table, open_keys, next_snapshot, warehouse)
        differences += found
    return sorted(differences, key=lambda difference: difference.key), len(open_keys)


def _judge(
    table: Table, keys: Sequence[Key], snapshot: ShardSnapshot, warehouse: WarehouseState
) -> tuple[list[RowDifference], list[Key]]:
    """Which rows differ for certain, and which changed since the snapshot and can't be judged yet."""
    then = snapshot.view(table).values(keys)
    held = warehouse.everything(table).values(keys, extra=("_IS_DELETED", LSN))
    now = snapshot.now(table).values(keys)
    differences, open_keys = [], []
    for key in keys:
        *values, deleted, lsn = held.get(key, (None, None))
        alive = tuple(values) if key in held and not deleted else None
        difference = _difference(table, key, now.get(key), alive)
        if difference is None:
            continue
        if now.get(key) == then.get(key) and (lsn is None or int(lsn) <= snapshot.after):
            differences.append(difference)
        else:
            open_keys.append(key)
    return differences, open_keys


def _difference(
    table: Table, key: Key, shard: Sequence[Any] | None, warehouse: Sequence[Any] | None
) -> RowDifference | None:
    if shard is None or warehouse is None:
        if shard is warehouse:
            return None
        return RowDifference(key, Fault.MISSING if warehouse is None else Fault.EXTRA)
    compared = ((column, kind) for column, kind in ((c, kind_of(t)) for c, t in table.columns.items()) if kind)
    columns = {
        column: (one, other)
        for (column, kind), one, other in zip(compared, shard, warehouse, strict=True)
        if not alike(kind, one, other)
    }
    return RowDifference(key, Fault.DIFFERENT, columns) if columns else None


@dataclass(frozen=True)
class _Level:
    """The digests of the shard and of the warehouse for the same ranges."""

    truth: Mapping[KeyRange, Digest]
    warehouse: Mapping[KeyRange, Digest]

    @classmethod
    def of(cls, truth: TableView, warehouse: TableView, ranges: Sequence[KeyRange]) -> _Level:
        if not ranges:
            return cls({}, {})
        return cls(truth.digests(ranges), warehouse.digests(ranges))

    @property
    def differing(self) -> list[KeyRange]:
        return [each for each in self.truth if self.truth[each] != self.warehouse[each]]

    def by_size(self) -> tuple[list[KeyRange], list[KeyRange]]:
        """The differing ranges that can be fetched, and the larger ones, the most different counts first."""
        small = [each for each in self.differing if self.rows(each) <= LEAF_ROWS]
        large = [each for each in self.differing if self.rows(each) > LEAF_ROWS]
        return small, large

    def rows(self, of: KeyRange) -> int:
        return max(self.truth[of].rows, self.warehouse[of].rows)


def _first_ranges(truth: TableView) -> tuple[KeyRange, ...]:
    rows = truth.count()
    parts = min(MOST_RANGES, -(-rows // ROWS_A_RANGE))
    everything = KeyRange()
    return everything.cut(truth.bounds(everything, parts)) if parts > 1 else (everything,)


def _cut(level: _Level, range_: KeyRange, truth: TableView, warehouse: TableView) -> tuple[KeyRange, ...]:
    """The range in parts, by the keys of whichever database has more rows of it; itself alone if it is one key."""
    richer = truth if level.truth[range_].rows >= level.warehouse[range_].rows else warehouse
    return range_.cut(richer.bounds(range_, PARTS))


def ranges_order(range_: KeyRange) -> tuple[bool, int, str]:
    """Whole numbers in their order, other texts in theirs, the open one first."""
    low = range_.low
    if low is None:
        return (False, 0, "")
    return (True, int(low), "") if low.lstrip("-").isdigit() else (True, 0, low)
