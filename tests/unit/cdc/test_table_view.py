"""One side of a comparison as SQL: ranges hold what they should, texts are one-to-one, and Snowflake can read it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from typing import Any

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from catchment.cdc.compare.table_view import Digest, KeyRange, TableView, differing, joined_key
from catchment.cdc.compare.texts import ColumnKind, Dialect, alike, kind_of
from catchment.cdc.compare.warehouse import CurrentState
from catchment.cdc.declared import Table, application

APPLICATION = application()
SMALL = Table(name="small", key=("id",), columns={"id": "bigint", "name": "text"})
numbers = st.sets(st.integers(-50, 50), max_size=9)


def sqlite(rows: dict[int, str | None]) -> TableView:
    """A side whose database is SQLite: what Postgres and Snowflake have in common, it has too."""
    database = sqlite3.connect(":memory:")
    database.create_function("MD5", 1, lambda text: None if text is None else hashlib.md5(text.encode()).hexdigest())
    database.create_function("TRANSLATE", 3, lambda text, old, new: text.translate(str.maketrans(old, new)))
    database.execute("CREATE TABLE small (id INTEGER PRIMARY KEY, name TEXT)")
    database.executemany("INSERT INTO small VALUES (?, ?)", rows.items())
    return TableView(Dialect.POSTGRES, lambda sql: database.execute(sql).fetchall(), "small", SMALL)


@given(ids=numbers, bounds=st.sets(st.integers(-60, 60), max_size=12))
def test_every_row_is_in_the_one_range_that_it_belongs_to(ids: set[int], bounds: set[int]) -> None:
    ranges = KeyRange().cut([str(bound) for bound in sorted(bounds)])
    digests = sqlite(dict.fromkeys(ids, "x")).digests(ranges)
    assert {each: digest.rows for each, digest in digests.items()} == {
        each: sum(_inside(n, each) for n in ids) for each in ranges
    }


def _inside(number: int, range_: KeyRange) -> bool:
    return (range_.low is None or number >= int(range_.low)) and (range_.high is None or number < int(range_.high))


@given(ids=numbers, parts=st.integers(2, 6))
def test_bounds_cut_a_range_into_parts_without_losing_a_row(ids: set[int], parts: int) -> None:
    side = sqlite(dict.fromkeys(ids, "x"))
    bounds = side.bounds(KeyRange(), parts)
    assert [int(bound) for bound in bounds] == sorted({int(bound) for bound in bounds})
    assert sum(digest.rows for digest in side.digests(KeyRange().cut(bounds)).values()) == len(ids)
    assert len(bounds) <= parts - 1


@given(ids=st.sets(st.integers(-50, 50), min_size=1, max_size=9), at=st.integers(0, 8))
def test_a_sum_tells_that_one_value_differs(ids: set[int], at: int) -> None:
    rows: dict[int, str | None] = dict.fromkeys(ids, "x")
    other = {**rows, sorted(ids)[at % len(ids)]: "y"}
    assert sqlite(rows).digests([KeyRange()]) != sqlite(other).digests([KeyRange()])
    assert len(differing(sqlite(rows).rows([KeyRange()]), sqlite(other).rows([KeyRange()]))) == 1


@pytest.mark.parametrize("pair", [(None, ""), (None, "-"), ("1:x", "x"), ("a", "a "), ("", "-")])
def test_null_and_lookalikes_have_digests_of_their_own(pair: tuple[str | None, str | None]) -> None:
    one, other = (sqlite({1: value}).digests([KeyRange()])[KeyRange()] for value in pair)
    assert one != other


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

    def fetchall(self) -> Sequence[tuple[Any, ...]]:
        return [(0,)] if "COUNT(*) FROM" in self.statements[-1] and "GROUP" not in self.statements[-1] else []


@pytest.mark.parametrize("table", APPLICATION.database("application").tables, ids=lambda table: table.name)
def test_all_that_the_warehouse_is_asked_parses_as_snowflake(table: Table) -> None:
    cursor = Recorder()
    state = CurrentState(cursor, APPLICATION.shards[0])
    side = state.view(table, 5)
    side.count()
    side.bounds(KeyRange(), 4)
    side.digests(KeyRange().cut(["1", "2", "30"]))
    side.rows([KeyRange("1", "2"), KeyRange("2", None)])
    state.everything(table).values([tuple("1" for _ in table.key)], extra=("_IS_DELETED", "_LSN"))
    state.changed(table, 5)
    assert len(cursor.statements) == 6
    for text in cursor.statements:
        (statement,) = sqlglot.parse(text, dialect="snowflake")
        assert isinstance(statement, exp.Select), text


@pytest.mark.parametrize(
    ("kind", "one", "other", "same"),
    [
        (ColumnKind.JSON, '{"a": 1.50, "b": [1, 2]}', '{"b":[1,2],"a":1.5}', True),
        (ColumnKind.JSON, '{"a": [1, 2]}', '{"a":[2,1]}', False),
        (ColumnKind.JSON, "9007199254740993", "9007199254740992", False),
        (ColumnKind.JSON, "null", None, False),
        (ColumnKind.ARRAY, "[1, null]", "[1,null]", True),
        (ColumnKind.NUMBER, "1.50", "1.5", True),
        (ColumnKind.NUMBER, "NaN", "NaN", True),
        (ColumnKind.TEXT, "a", "a ", False),
        (ColumnKind.TEXT, None, None, True),
        (ColumnKind.JSON, "{broken", "{", False),
    ],
)
def test_the_last_word_goes_by_meaning(kind: ColumnKind, one: str | None, other: str | None, same: bool) -> None:
    assert alike(kind, one, other) is same


@pytest.mark.parametrize("pg_type", ["time", "interval", "inet", "char(3)"])
def test_types_without_a_common_text_are_not_compared(pg_type: str) -> None:
    assert kind_of(pg_type) is None
