"""Compare one table of one shard with the warehouse's current state, and name the rows that differ.

First, counts and order-independent checksums per key range, with one statement on each database. Of a range that
differs every row's key and digest are read, and of rows that differ their values, live and as of the snapshot. A row
that changed since is judged against a later snapshot, so a new change is never called a difference.

Every difference must be explained: by rows that are named, by values that are written in another form and mean the
same (`meaning.py`), or by a change that came in between. What is not explained is not equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from catchment.cdc.compare.meaning import alike
from catchment.cdc.compare.postgres import PostgresSnapshot
from catchment.cdc.compare.table_view import Digest, Key, KeyRange, batched, differing
from catchment.cdc.compare.warehouse import LSN, CurrentState
from catchment.cdc.declared import Table
from catchment.errors import TryAgain

ROWS_A_RANGE = 20_000  # at first; a range this small is read key by key
MOST_RANGES = 256
PARTS = 16  # into how many a larger range that differs is cut
MOST_NAMED = 1_000
MOST_OPEN = 10_000
ROUNDS = 3


class Fault(StrEnum):
    """What is wrong with a row."""

    MISSING = "missing in the warehouse"
    EXTRA = "not on the shard"
    DOUBLED = "more than once in the warehouse"
    DIFFERENT = "different"
    NO_RECORD = "without its newest change in raw"
    RECORD_TWICE = "twice in raw"


@dataclass(frozen=True)
class RowDifference:
    """One row that differs: its key, and for `DIFFERENT` each column with the shard's and the warehouse's value."""

    key: Key
    fault: Fault
    columns: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The result for one table.

    `more`: further ranges differ, unread. `unsettled`: rows that kept changing. `keyless`: rows of the warehouse that
    lack their key. `unexplained`: ranges that differ though no row of them does.
    """

    rows_shard: int
    rows_warehouse: int
    ranges: int
    ranges_different: int
    differences: tuple[RowDifference, ...] = ()
    more: bool = False
    unsettled: int = 0
    keyless: int = 0
    unexplained: int = 0

    @property
    def equal(self) -> bool:
        return not (self.differences or self.more or self.keyless or self.unexplained)


class KeepsMoving(TryAgain):
    """Too many rows changed while they were compared; a newer snapshot may serve."""


Later = Callable[[], AbstractContextManager[PostgresSnapshot]]
Digests = Mapping[KeyRange, Digest]


def compare(table: Table, snapshot: PostgresSnapshot, warehouse: CurrentState, later: Later) -> Comparison:
    """Compare the table as of `snapshot`. The warehouse must have passed it; `later` opens a newer one."""
    return _Search(table, snapshot, warehouse).result(later)


class _Search:
    """The differences of one table, found range by range: memory is bounded by a range, not by the table."""

    def __init__(self, table: Table, snapshot: PostgresSnapshot, warehouse: CurrentState) -> None:
        self._table, self._snapshot, self._warehouse = table, snapshot, warehouse
        self._truth = snapshot.view(table)
        self._held = warehouse.view(table, snapshot.before)
        self._changed = warehouse.changed(table, snapshot.before)
        self._found: list[RowDifference] = []
        self._open: list[Key] = []
        self._unexplained = 0

    def result(self, later: Later) -> Comparison:
        keyless = self._warehouse.everything(self._table).keyless()
        ranges = self._first_ranges()
        truth, held = self._digests(ranges)
        more = self._search(ranges, truth, held)
        settled, unsettled = settle(self._table, self._open, self._warehouse, later)
        found = sorted(self._found + settled, key=lambda difference: difference.key)
        return Comparison(
            rows_shard=sum(digest.rows for digest in truth.values()),
            rows_warehouse=sum(digest.rows for digest in held.values()) + keyless,
            ranges=len(ranges),
            ranges_different=sum(truth[each] != held[each] for each in ranges),
            differences=tuple(found[:MOST_NAMED]),
            more=more or len(found) > MOST_NAMED,
            unsettled=unsettled,
            keyless=keyless,
            unexplained=self._unexplained,
        )

    def _search(self, ranges: Sequence[KeyRange], truth: Digests, held: Digests) -> bool:
        """Read the ranges that differ until enough rows are named; whether any is left unread."""
        left = [(each, truth[each], held[each]) for each in reversed(ranges) if truth[each] != held[each]]
        while left and len(self._found) < MOST_NAMED:
            range_, one, other = left.pop()
            parts = self._parts(range_, one, other)
            if len(parts) > 1:
                truth, held = self._digests(parts)
                left += [(part, truth[part], held[part]) for part in reversed(parts) if truth[part] != held[part]]
            elif not self._read(range_, one):
                return True
        return bool(left)

    def _read(self, range_: KeyRange, expected: Digest) -> bool:
        """Judge every row of a range that differs; False when enough rows are named before its end."""
        changed = set(self._changed.keys([range_]))
        truth = {key: digest for key, digest in self._truth.rows(range_).items() if key not in changed}
        keys = differing(truth, self._held.rows(range_))
        if not keys:
            # Somebody wrote in between, or rows are there that have no key of their own.
            self._unexplained += self._held.digests([range_])[range_] != sum(truth.values(), Digest())
        for some in batched(keys):
            found, moved = judge(self._table, some, self._snapshot, self._warehouse)
            self._found += found
            self._open += moved
            if len(self._open) > MOST_OPEN:
                raise KeepsMoving(
                    f"{self._table.name}: more than {MOST_OPEN:,} rows changed while they were compared, so nothing "
                    "is certain. Compare it when less is written, or have application_state run more often."
                )
            if len(self._found) >= MOST_NAMED and some[-1] != keys[-1]:
                return False
        return True

    def _digests(self, ranges: Sequence[KeyRange]) -> tuple[Digests, Digests]:
        """The digests on the shard and in the warehouse, both without rows that changed after the snapshot."""
        held, truth = self._held.digests(ranges), self._truth.digests(ranges)
        for some in batched(self._changed.keys(ranges)):
            left_out = self._truth.only(dict.fromkeys(some)).digests(ranges)
            truth = {each: truth[each] - left_out[each] for each in ranges}
        return truth, held

    def _first_ranges(self) -> tuple[KeyRange, ...]:
        rows = self._truth.count()
        size = max(ROWS_A_RANGE, -(-rows // MOST_RANGES))
        everything = KeyRange()
        return everything.cut(self._truth.bounds(everything, size)) if rows > size else (everything,)

    def _parts(self, range_: KeyRange, truth: Digest, held: Digest) -> tuple[KeyRange, ...]:
        """A range in parts, by the keys of whichever database has more rows of it; itself alone if it is small."""
        rows = max(truth.rows, held.rows)
        if rows <= 2 * ROWS_A_RANGE:
            return (range_,)
        richer = self._truth if truth.rows >= held.rows else self._held
        return range_.cut(richer.bounds(range_, max(ROWS_A_RANGE, -(-rows // PARTS))))


def settle(table: Table, keys: Sequence[Key], warehouse: CurrentState, later: Later) -> tuple[list[RowDifference], int]:
    """Judge rows at later snapshots: which differ, and how many changed every time they were read."""
    differences: list[RowDifference] = []
    open_keys = list(keys)
    for _ in range(ROUNDS - 1):
        if not open_keys:
            break
        with later() as snapshot:
            judged = [judge(table, some, snapshot, warehouse) for some in batched(open_keys)]
        differences += [difference for found, _ in judged for difference in found]
        open_keys = [key for _, moved in judged for key in moved]
    return differences, len(open_keys)


def judge(
    table: Table, keys: Sequence[Key], snapshot: PostgresSnapshot, warehouse: CurrentState
) -> tuple[list[RowDifference], list[Key]]:
    """Which rows differ for certain, and which changed since the snapshot and can't be judged yet.

    A row differs when the shard's row is unchanged since the snapshot, the warehouse has passed the snapshot and holds
    no later change of that row, and the values are not the same.
    """
    then = snapshot.view(table).values(keys)
    held = warehouse.everything(table).values(keys, extra=("_IS_DELETED", LSN))
    suspects = [key for key in keys if _difference(table, key, then.get(key), held.get(key)) is not None]
    now = snapshot.now(table).values(suspects)
    differences, open_keys = [], []
    for key in suspects:
        difference = _difference(table, key, now.get(key), held.get(key))
        if difference is None:
            continue
        later_change = any(lsn is not None and int(lsn) > snapshot.before for *_, lsn in held.get(key, ()))
        if now.get(key) == then.get(key) and not later_change:
            differences.append(difference)
        else:
            open_keys.append(key)
    return differences, open_keys


def _difference(
    table: Table, key: Key, shard: Sequence[Sequence[Any]] | None, held: Sequence[Sequence[Any]] | None
) -> RowDifference | None:
    alive = [row[:-2] for row in held or () if not row[-2]]
    if len(held or ()) > 1:
        return RowDifference(key, Fault.DOUBLED)
    if not shard or not alive:
        return RowDifference(key, Fault.EXTRA if alive else Fault.MISSING) if shard or alive else None
    columns = {
        column: (one, other)
        for (column, pg_type), one, other in zip(table.columns.items(), shard[0], alive[0], strict=True)
        if not alike(pg_type, one, other)
    }
    return RowDifference(key, Fault.DIFFERENT, columns) if columns else None
