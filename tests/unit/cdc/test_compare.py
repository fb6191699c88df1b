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
from catchment.cdc.compare.comparison import Comparison, Fault, compare, search, settle
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

    def count(self) -> int:
        return len(self.rows_)

    def bounds(self, within: KeyRange, parts: int) -> tuple[str, ...]:
        found = sorted(n for n in self.rows_ if inside(n, within))
        return tuple(str(n) for n in found[:: max(1, -(-len(found) // parts))][1:])

    def digests(self, ranges: Sequence[KeyRange]) -> dict[KeyRange, Digest]:
        self.asked.append("digests")
        return {each: self._digest(each) for each in ranges}

    def _digest(self, within: KeyRange) -> Digest:
        rows = [(n, v) for n, v in self.rows_.items() if inside(n, within)]
        return Digest(len(rows), sum(digest(*row) for row in rows))

    def rows(self, ranges: Sequence[KeyRange]) -> dict[Key, int]:
        return {key(n): digest(n, v) for n, v in self.rows_.items() if any(inside(n, each) for each in ranges)}

    def values(self, keys: Iterable[Key], extra: Sequence[str] = ()) -> dict[Key, tuple[Any, ...]]:
        wanted = [int(k) for (k,) in keys]
        extra: Callable[[int], tuple[Any, ...]] = self.extra if extra else lambda number: ()
        return {key(n): (str(n), self.rows_[n], *extra(n)) for n in wanted if n in self.rows_}


def inside(number: int, range_: KeyRange) -> bool:
    return (range_.low is None or number >= int(range_.low)) and (range_.high is None or number < int(range_.high))


def digest(number: int, value: str) -> int:
    return hash((number, value)) & (2**60 - 1)


@dataclass
class FakeSnapshot:
    then: Rows
    present: Rows
    before: int = 100
    after: int = 100

    def view(self, table: Table, without: Iterable[str] = ()) -> Any:
        left_out = set(without)
        return FakeTableView({n: v for n, v in self.then.items() if f"{len(str(n))}:{n}" not in left_out})

    def now(self, table: Table) -> Any:
        return FakeTableView(self.present)


@dataclass
class FakeWarehouse:
    """`lsns` of rows that have one; `deleted` rows are kept as rows."""

    alive: Rows
    lsns: Mapping[int, int] = field(default_factory=dict)
    deleted: frozenset[int] = frozenset()

    def changed(self, table: Table, lsn: int) -> list[str]:
        return [f"{len(str(n))}:{n}" for n, own in self.lsns.items() if own > lsn]

    def view(self, table: Table, until: int) -> Any:
        return FakeTableView({n: v for n, v in self.alive.items() if self.lsns.get(n, 0) <= until})

    def everything(self, table: Table) -> Any:
        rows = self.alive | dict.fromkeys(self.deleted, "{}")
        return FakeTableView(rows, extra=lambda n: (n in self.deleted, self.lsns.get(n)))


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
    monkeypatch.setattr(module, "ROWS_A_RANGE", 20)
    monkeypatch.setattr(module, "LEAF_ROWS", 3)
    monkeypatch.setattr(module, "PARTS", 4)


def test_equal_tables_take_one_statement_a_view() -> None:
    truth, warehouse = FakeTableView(dict.fromkeys(range(50), "{}")), FakeTableView(dict.fromkeys(range(50), "{}"))
    found = search(truth, warehouse)
    assert (found.keys, found.rows_shard, truth.asked, warehouse.asked) == ((), 50, ["digests"], ["digests"])


@given(
    rows=st.sets(st.integers(-500, 500), max_size=200),
    lost=st.sets(st.integers(-500, 500), max_size=8),
    extra=st.sets(st.integers(-500, 500), max_size=8),
    changed=st.sets(st.integers(-500, 500), max_size=8),
)
def test_exactly_the_rows_that_differ_are_named(
    rows: set[int], lost: set[int], extra: set[int], changed: set[int]
) -> None:
    truth = dict.fromkeys(rows, '{"a": 1}')
    alive = {n: '{"a": 2}' if n in changed else v for n, v in truth.items() if n not in lost}
    alive |= dict.fromkeys(extra - rows, "{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS_A_RANGE", 20)
        patch.setattr(module, "LEAF_ROWS", 3)
        patch.setattr(module, "PARTS", 4)
        found = compared(truth, FakeWarehouse(alive))
    expected = {key(n): Fault.MISSING for n in lost & rows}
    expected |= {key(n): Fault.EXTRA for n in extra - rows}
    expected |= {key(n): Fault.DIFFERENT for n in (changed & rows) - lost}
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
    assert compared(then, warehouse, present={**then, 7: '{"new": 1}'}) == Comparison(39, 39, 2, 0)


def test_a_row_that_changed_while_it_was_compared_is_settled_at_a_later_moment(small: None) -> None:
    then, changed = {1: "{}"}, {1: '{"new": 1}'}
    warehouse = FakeWarehouse({1: '{"half": 1}'}, lsns={1: 100})

    @contextmanager
    def later() -> Iterator[FakeSnapshot]:
        warehouse.alive = changed
        yield FakeSnapshot(changed, changed, before=200, after=200)

    differences, open_rows = settle(TABLE, [key(1)], FakeSnapshot(then, changed), warehouse, later)
    assert (differences, open_rows) == ([], 0)


def test_a_row_that_differs_at_every_later_moment_is_named(small: None) -> None:
    warehouse = FakeWarehouse({1: '{"wrong": 1}'})

    @contextmanager
    def later() -> Iterator[FakeSnapshot]:
        yield FakeSnapshot({1: '{"new": 1}'}, {1: '{"new": 1}'}, before=200, after=200)

    snapshot = FakeSnapshot({1: "{}"}, {1: '{"new": 1}'})
    differences, open_rows = settle(TABLE, [key(1)], snapshot, warehouse, later)
    assert ([d.key for d in differences], open_rows) == ([key(1)], 0)


def test_a_row_that_never_stands_still_is_counted_and_not_called_different(small: None) -> None:
    numbers = iter(range(100))
    warehouse = FakeWarehouse({1: '{"at": -1}'})

    @contextmanager
    def later() -> Iterator[FakeSnapshot]:
        yield moving()

    def moving() -> FakeSnapshot:
        return FakeSnapshot({1: f'{{"at": {next(numbers)}}}'}, {1: f'{{"at": {next(numbers)}}}'})

    differences, open_rows = settle(TABLE, [key(1)], moving(), warehouse, later)
    assert (differences, open_rows) == ([], 1)


def test_a_table_that_is_wrong_as_a_whole_says_that_more_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NAMED", 10)
    found = compared(dict.fromkeys(range(50), "{}"), FakeWarehouse({}))
    assert (len(found.differences), found.more, found.equal) == (10, True, False)
