"""One side of a comparison as SQL: ranges hold what they should, texts are one-to-one, and Snowflake can read it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from bench.check_reconcile.edges import EDGES
from catchment.cdc.compare.table_view import Digest, Key, KeyRange, TableView, differing, joined_key
from catchment.cdc.compare.texts import PostgresTexts, double_of, float_pieces
from catchment.cdc.compare.warehouse import CurrentState
from catchment.cdc.declared import Table, application

APPLICATION = application()
SMALL = Table(name="small", key=("id", "part"), columns={"id": "bigint", "part": "bigint", "name": "text"})
pairs = st.sets(st.tuples(st.integers(-9, 9), st.integers(-3, 3)), max_size=12)
Rows = dict[tuple[int, int], str | None]


def sqlite(rows: Rows, twice: Sequence[tuple[int, int]] = ()) -> TableView:
    """A view whose database is SQLite: what Postgres and Snowflake have in common, it has too."""
    database = sqlite3.connect(":memory:")
    database.create_function("MD5", 1, lambda text: None if text is None else hashlib.md5(text.encode()).hexdigest())
    database.create_function("TRANSLATE", 3, lambda text, old, new: text.translate(str.maketrans(old, new)))
    database.execute("CREATE TABLE small (id INTEGER, part INTEGER, name TEXT)")
    database.executemany(
        "INSERT INTO small VALUES (?, ?, ?)", [(*key, rows[key]) for key in [*rows, *(k for k in twice if k in rows)]]
    )
    return TableView(PostgresTexts(), lambda sql: database.execute(sql).fetchall(), "small", SMALL)


def text(key: tuple[int, int]) -> Key:
    return tuple(map(str, key))


@given(keys=pairs, bounds=pairs)
def test_every_row_is_in_the_one_range_that_it_belongs_to(
    keys: set[tuple[int, int]], bounds: set[tuple[int, int]]
) -> None:
    edges = [None, *sorted(bounds), None]
    ranges = KeyRange().cut([text(bound) for bound in sorted(bounds)])
    expected = [
        sum((low is None or key >= low) and (high is None or key < high) for key in keys)
        for low, high in pairwise(edges)
    ]
    assert [digest.rows for digest in sqlite(dict.fromkeys(keys, "x")).digests(ranges).values()] == expected


@given(keys=pairs, rows=st.integers(1, 6))
def test_bounds_cut_a_range_into_parts_without_losing_a_row(keys: set[tuple[int, int]], rows: int) -> None:
    view = sqlite(dict.fromkeys(keys, "x"))
    bounds = view.bounds(KeyRange(), rows)
    assert list(bounds) == [text(key) for key in sorted(keys)][rows::rows]
    assert [d.rows <= rows for d in view.digests(KeyRange().cut(bounds)).values()] == [True] * (len(bounds) + 1)


@given(keys=pairs.filter(bool), at=st.integers(0, 8))
def test_a_sum_tells_that_one_value_differs(keys: set[tuple[int, int]], at: int) -> None:
    rows: Rows = dict.fromkeys(keys, "x")
    wrong = sorted(keys)[at % len(keys)]
    one, other = sqlite(rows), sqlite({**rows, wrong: "y"})
    assert one.digests([KeyRange()]) != other.digests([KeyRange()])
    assert differing(one.rows(KeyRange()), other.rows(KeyRange())) == [text(wrong)]


@given(keys=pairs.filter(bool))
def test_a_row_that_is_there_twice_is_named(keys: set[tuple[int, int]]) -> None:
    rows: Rows = dict.fromkeys(keys, "x")
    doubled = max(keys)
    assert differing(sqlite(rows).rows(KeyRange()), sqlite(rows, [doubled]).rows(KeyRange())) == [text(doubled)]


@given(keys=pairs, some=pairs)
def test_the_digests_of_some_keys_can_be_taken_from_the_whole(
    keys: set[tuple[int, int]], some: set[tuple[int, int]]
) -> None:
    rows: Rows = dict.fromkeys(keys, "x")
    whole, part = sqlite(rows), sqlite(rows).only(text(key) for key in some)
    rest = whole.digests([KeyRange()])[KeyRange()] - part.digests([KeyRange()])[KeyRange()]
    assert rest == sqlite(dict.fromkeys(keys - some, "x")).digests([KeyRange()])[KeyRange()]


@pytest.mark.parametrize("pair", [(None, ""), (None, "-"), ("1:x", "x"), ("a", "a "), ("", "-")])
def test_null_and_lookalikes_have_digests_of_their_own(pair: tuple[str | None, str | None]) -> None:
    one, other = (sqlite({(1, 1): value}).digests([KeyRange()])[KeyRange()] for value in pair)
    assert one != other


@given(st.floats(allow_nan=False))
def test_a_double_is_printed_exactly(value: float) -> None:
    database = sqlite3.connect(":memory:")
    ((pieces,),) = database.execute(f"SELECT {float_pieces('x')} FROM (SELECT ? AS x)", (value,)).fetchall()
    assert double_of(pieces) == value


def test_an_empty_range_is_a_digest_of_nothing() -> None:
    assert sqlite({}).digests([KeyRange()]) == {KeyRange(): Digest()}


@given(st.lists(st.lists(st.text(max_size=4), min_size=2, max_size=2).map(tuple), min_size=2, max_size=2, unique=True))
def test_two_keys_never_have_the_same_text(keys: list[Any]) -> None:
    assert joined_key(keys[0]) != joined_key(keys[1])


class Recorder:
    """A cursor that notes what it is asked."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def execute(self, sql: str, *_: Any) -> None:
        self.statements.append(sql)

    def fetchmany(self, _: int) -> Sequence[tuple[Any, ...]]:
        return []

    def fetchall(self) -> Sequence[tuple[Any, ...]]:
        return []


@pytest.mark.parametrize("table", [*APPLICATION.database("application").tables, EDGES], ids=lambda table: table.name)
def test_all_that_the_warehouse_is_asked_parses_as_snowflake(table: Table) -> None:
    cursor = Recorder()
    state = CurrentState(cursor, APPLICATION.shards[0])
    side = state.view(table, 5)
    low, high = tuple("1" for _ in table.key), tuple("2" for _ in table.key)
    list(side.query("SELECT 1"))
    side.bounds(KeyRange(low, high), 4)
    side.digests(KeyRange().cut([low, high]))
    side.rows(KeyRange(low, None))
    state.everything(table).values([low], extra=("_IS_DELETED", "_LSN"))
    list(state.changed(table, 5).keys([KeyRange()]))
    state.everything(table).doubled(10)
    state.without_record(table, 10)
    state.records_twice(table, 10)
    assert len(cursor.statements) == 9
    for sql in cursor.statements:
        (statement,) = sqlglot.parse(sql, dialect="snowflake")
        assert isinstance(statement, exp.Select), sql
