"""Comparing a shard with the warehouse: what differs is found and named, what only changed meanwhile is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.cdc.compare import comparison as module
from catchment.cdc.compare.comparison import Comparison, Fault, compare, judge, settle
from catchment.cdc.compare.table_view import Digest, Key, KeyRange
from catchment.cdc.declared import Table

TABLE = Table(name="accounts", key=("id",), columns={"id": "bigint", "settings": "jsonb"})
Rows = dict[int, str]


def key(number: int) -> Key:
    return (str(number),)


@dataclass
class FakeTableView:
    """The questions of `table_view.TableView`, answered from a dictionary."""

    rows_: Rows
    extra: Callable[[int], tuple[Any, ...]] = lambda number: ()
    asked: list[str] = field(default_factory=list)
    times: Mapping[int, int] = field(default_factory=dict)

    def count(self) -> int:
        return len(self.rows_)

    def keyless(self) -> int:
        return 0

    def bounds(self, within: KeyRange, rows: int) -> tuple[Key, ...]:
        found = sorted(n for n in self.rows_ if inside(n, within))
        return tuple(key(n) for n in found[rows::rows])

    def digests(self, ranges: Sequence[KeyRange]) -> dict[KeyRange, Digest]:
        self.asked.append("digests")
        return {each: sum(self.rows(each).values(), Digest()) for each in ranges}

    def only(self, keys: Iterable[Key]) -> FakeTableView:
        wanted = set(keys)
        return FakeTableView({n: v for n, v in self.rows_.items() if key(n) in wanted})

    def keys(self, ranges: Sequence[KeyRange]) -> Iterator[Key]:
        return (key(n) for n in self.rows_ if any(inside(n, each) for each in ranges))

    def rows(self, within: KeyRange) -> dict[Key, Digest]:
        return {
            key(n): Digest(self.times.get(n, 1), digest(n, v) * self.times.get(n, 1))
            for n, v in self.rows_.items()
            if inside(n, within)
        }

    def values(self, keys: Iterable[Key], extra: Sequence[str] = ()) -> dict[Key, list[tuple[Any, ...]]]:
        wanted = [int(k) for (k,) in keys]
        extra: Callable[[int], tuple[Any, ...]] = self.extra if extra else lambda number: ()
        return {key(n): [(str(n), self.rows_[n], *extra(n))] * self.times.get(n, 1) for n in wanted if n in self.rows_}


def inside(number: int, range_: KeyRange) -> bool:
    low, high = range_.low, range_.high
    return (low is None or number >= int(low[0])) and (high is None or number < int(high[0]))


def digest(number: int, value: str) -> int:
    return hash((number, value)) & (2**60 - 1)


@dataclass
class FakeSnapshot:
    then: Rows
    present: Rows
    before: int = 100
    after: int = 100

    def view(self, table: Table) -> Any:
        return FakeTableView(self.then)

    def now(self, table: Table) -> Any:
        return FakeTableView(self.present)


@dataclass
class FakeWarehouse:
    """`lsns` of rows that have one; `deleted` rows are kept as rows; `times` how often a row is there."""

    alive: Rows
    lsns: Mapping[int, int] = field(default_factory=dict)
    deleted: frozenset[int] = frozenset()
    times: Mapping[int, int] = field(default_factory=dict)

    def changed(self, table: Table, lsn: int) -> Any:
        return FakeTableView({n: "{}" for n, own in self.lsns.items() if own > lsn})

    def view(self, table: Table, until: int) -> Any:
        return FakeTableView({n: v for n, v in self.alive.items() if self.lsns.get(n, 0) <= until}, times=self.times)

    def everything(self, table: Table) -> Any:
        rows = self.alive | dict.fromkeys(self.deleted, "{}")
        return FakeTableView(rows, extra=lambda n: (n in self.deleted, self.lsns.get(n)), times=self.times)


def compared(then: Rows, warehouse: FakeWarehouse, present: Rows | None = None) -> Comparison:
    snapshot = FakeSnapshot(then, then if present is None else present)
    return compare(TABLE, snapshot, warehouse, lambda: nothing_later())


@contextmanager
def nothing_later() -> Iterator[Any]:
    raise AssertionError("no later moment is needed")
    yield


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many levels with few rows."""
    monkeypatch.setattr(module, "ROWS_A_RANGE", 3)
    monkeypatch.setattr(module, "MOST_RANGES", 4)
    monkeypatch.setattr(module, "PARTS", 2)


@given(
    rows=st.sets(st.integers(-500, 500), max_size=200),
    lost=st.sets(st.integers(-500, 500), max_size=8),
    extra=st.sets(st.integers(-500, 500), max_size=8),
    changed=st.sets(st.integers(-500, 500), max_size=8),
    doubled=st.sets(st.integers(-500, 500), max_size=8),
)
def test_exactly_the_rows_that_differ_are_named(
    rows: set[int], lost: set[int], extra: set[int], changed: set[int], doubled: set[int]
) -> None:
    truth = dict.fromkeys(rows, '{"a": 1}')
    alive = {n: '{"a": 2}' if n in changed else v for n, v in truth.items() if n not in lost}
    alive |= dict.fromkeys(extra - rows, "{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS_A_RANGE", 3)
        patch.setattr(module, "MOST_RANGES", 4)
        patch.setattr(module, "PARTS", 2)
        found = compared(truth, FakeWarehouse(alive, times=dict.fromkeys(doubled, 2)))
    expected = {key(n): Fault.MISSING for n in lost & rows}
    expected |= {key(n): Fault.EXTRA for n in extra - rows}
    expected |= {key(n): Fault.DIFFERENT for n in (changed & rows) - lost}
    expected |= {key(n): Fault.DOUBLED for n in doubled & alive.keys()}
    assert {difference.key: difference.fault for difference in found.differences} == expected
    assert not found.more
    assert found.equal == (not expected)


def test_the_columns_that_differ_are_named_with_both_values(small: None) -> None:
    found = compared({1: '{"a": 1}'}, FakeWarehouse({1: '{"a":2}'}))
    assert dict(found.differences[0].columns) == {"settings": ('{"a": 1}', '{"a":2}')}


def test_a_document_in_another_form_is_no_difference(small: None) -> None:
    assert compared({1: '{"a": 1.50, "b": 2}'}, FakeWarehouse({1: '{"b":2,"a":1.5}'})).equal


def test_a_deleted_row_of_the_warehouse_is_not_there(small: None) -> None:
    found = compared({1: "{}"}, FakeWarehouse({}, deleted=frozenset({1, 2})))
    assert [(d.key, d.fault) for d in found.differences] == [(key(1), Fault.MISSING)]


def test_rows_that_changed_after_the_moment_are_left_out_of_both_sides(small: None) -> None:
    then = dict.fromkeys(range(40), "{}")
    warehouse = FakeWarehouse({**then, 7: '{"new": 1}'}, lsns={7: 101})
    assert compared(then, warehouse, present={**then, 7: '{"new": 1}'}) == Comparison(
        rows_shard=39, rows_warehouse=39, ranges=4, ranges_different=0
    )


def test_a_row_that_changed_while_it_was_compared_is_not_judged_by_the_old_snapshot(small: None) -> None:
    changed = FakeSnapshot({1: "{}"}, {1: '{"new": 1}'})
    found = judge(TABLE, [key(1)], changed, FakeWarehouse({1: '{"half": 1}'}, lsns={1: 100}))
    assert found == ([], [key(1)])


def test_a_row_that_is_equal_at_a_later_snapshot_is_settled(small: None) -> None:
    warehouse = FakeWarehouse({1: '{"new": 1}'}, lsns={1: 100})

    @contextmanager
    def later() -> Iterator[FakeSnapshot]:
        yield FakeSnapshot(warehouse.alive, warehouse.alive, before=200, after=200)

    assert settle(TABLE, [key(1)], warehouse, later) == ([], 0)


def test_a_row_that_differs_at_every_later_moment_is_named(small: None) -> None:
    warehouse = FakeWarehouse({1: '{"wrong": 1}'})

    @contextmanager
    def later() -> Iterator[FakeSnapshot]:
        yield FakeSnapshot({1: '{"new": 1}'}, {1: '{"new": 1}'}, before=200, after=200)

    differences, open_rows = settle(TABLE, [key(1)], warehouse, later)
    assert ([d.key for d in differences], open_rows) == ([key(1)], 0)


def test_a_row_that_never_stands_still_is_counted_and_not_called_different(small: None) -> None:
    numbers = iter(range(100))
    warehouse = FakeWarehouse({1: '{"at": -1}'})

    @contextmanager
    def later() -> Iterator[FakeSnapshot]:
        yield moving()

    def moving() -> FakeSnapshot:
        return FakeSnapshot({1: f'{{"at": {next(numbers)}}}'}, {1: f'{{"at": {next(numbers)}}}'})

    differences, open_rows = settle(TABLE, [key(1)], warehouse, later)
    assert (differences, open_rows) == ([], 1)


def test_a_table_that_is_wrong_as_a_whole_says_that_more_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NAMED", 10)
    found = compared(dict.fromkeys(range(50), "{}"), FakeWarehouse({}))
    assert (len(found.differences), found.more, found.equal) == (10, True, False)
