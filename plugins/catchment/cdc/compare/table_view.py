"""One table as a comparison reads it: on the shard, or in the warehouse's current state. Both run the same SQL.

Rows are split by the first column of the key: whole numbers in their own order, everything else by its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from catchment.cdc.compare.texts import Dialect, kind_of, row_digest, text_of, value_of
from catchment.cdc.declared import Table

Key = tuple[str, ...]
Query = Callable[[str], Iterable[Sequence[Any]]]

_WHOLE = ("smallint", "integer", "bigint")
_NUMBER = re.compile(r"-?\d+")


@dataclass(frozen=True)
class KeyRange:
    """Rows whose first key column is at least `low` and below `high`, as texts; None is no bound."""

    low: str | None = None
    high: str | None = None

    def __str__(self) -> str:
        return f"{self.low or '…'} to {self.high or '…'}"

    def cut(self, bounds: Sequence[str]) -> tuple[KeyRange, ...]:
        """The ranges between these bounds, which are sorted and inside."""
        edges = [self.low, *bounds, self.high]
        return tuple(KeyRange(low, high) for low, high in pairwise(edges))


@dataclass(frozen=True)
class Digest:
    """How many rows a range has, and the sum of their digests, which their order does not change."""

    rows: int = 0
    checksum: int = 0


@dataclass(frozen=True)
class TableView:
    """One table of one shard in one database. `relation` and `where` select the rows, `query` runs a statement."""

    dialect: Dialect
    query: Query
    relation: str
    table: Table
    where: str = "TRUE"

    def name(self, column: str) -> str:
        """A column in this database's SQL. Snowflake's own names are in capitals, so there it is not quoted."""
        return f'"{column}"' if self.dialect is Dialect.POSTGRES else column

    def text(self, column: str) -> str:
        return text_of(self.name(column), self.table.columns[column], self.dialect)

    @property
    def compared(self) -> tuple[str, ...]:
        return tuple(column for column, kind in self.table.columns.items() if kind_of(kind))

    @property
    def digest(self) -> str:
        """The expression that digests a row."""
        return row_digest(self.text(column) for column in self.compared)

    @property
    def key(self) -> str:
        """The expression of a row's whole key as one text."""
        return joined_key_sql([self.text(column) for column in self.table.key])

    def count(self) -> int:
        (row,) = self.query(f"SELECT COUNT(*) FROM {self.relation} WHERE {self.where}")
        return int(row[0])

    def bounds(self, within: KeyRange, parts: int) -> tuple[str, ...]:
        """Up to `parts - 1` bounds that cut a range into parts of as many rows."""
        sql = (
            f"SELECT MIN(k) FROM (SELECT k, NTILE({parts}) OVER (ORDER BY k) AS part FROM "
            f"(SELECT {self._first} AS k FROM {self.relation} WHERE {self.where} AND {self._within([within])}) a) b "
            "GROUP BY part ORDER BY 1"
        )
        found = [str(k) for (k,) in self.query(sql)]
        return tuple(dict.fromkeys(bound for bound in found[1:] if bound != found[0]))

    def digests(self, ranges: Sequence[KeyRange]) -> dict[KeyRange, Digest]:
        """The digest of each range: one statement, one pass over their rows. The ranges are sorted and apart."""
        sql = (
            "SELECT part, COUNT(*), CAST(SUM(digest) AS VARCHAR) FROM ("
            f"SELECT {self._part(ranges)} AS part, {self.digest} AS digest FROM {self.relation} "
            f"WHERE {self.where} AND {self._within(ranges)}) a GROUP BY part"
        )
        found = {int(part): Digest(int(rows), int(checksum)) for part, rows, checksum in self.query(sql)}
        return {each: found.get(number, Digest()) for number, each in enumerate(ranges)}

    def rows(self, ranges: Sequence[KeyRange]) -> dict[Key, int]:
        """The digest of every row of these ranges, by its key."""
        keys = ", ".join(self.text(column) for column in self.table.key)
        sql = f"SELECT {keys}, {self.digest} FROM {self.relation} WHERE {self.where} AND {self._within(ranges)}"
        return {tuple(map(str, row[:-1])): int(row[-1]) for row in self.query(sql)}

    def values(self, keys: Iterable[Key], extra: Sequence[str] = ()) -> dict[Key, tuple[Any, ...]]:
        """The values of the rows with these keys, as texts in the order of `compared`, then the columns `extra`."""
        wanted = list(keys)
        if not wanted:
            return {}
        selected = [self.text(column) for column in self.table.key]
        selected += [value_of(self.name(column), self.table.columns[column], self.dialect) for column in self.compared]
        first = ", ".join(dict.fromkeys(self._literal(key[0]) for key in wanted))
        whole = ", ".join(literal(joined_key(key), self.dialect) for key in wanted)
        sql = (
            f"SELECT {', '.join([*selected, *extra])} FROM {self.relation} "
            f"WHERE {self.where} AND {self._first} IN ({first}) AND {self.key} IN ({whole})"
        )
        width = len(self.table.key)
        return {tuple(map(str, row[:width])): tuple(row[width:]) for row in self.query(sql)}

    @property
    def _first(self) -> str:
        """The expression by which rows are split."""
        column = self.table.key[0]
        if self.table.columns[column] in _WHOLE:
            return self.name(column)
        return self.text(column) + (' COLLATE "C"' if self.dialect is Dialect.POSTGRES else "")

    def _literal(self, value: str) -> str:
        if self.table.columns[self.table.key[0]] in _WHOLE:
            if _NUMBER.fullmatch(value) is None:
                raise ValueError(f"{value!r} is no whole number")
            return value
        return literal(value, self.dialect)

    def _within(self, ranges: Sequence[KeyRange]) -> str:
        """The condition for being in one of the ranges."""
        return " OR ".join(f"({self._inside(each)})" for each in _joined(ranges)).join("()")

    def _inside(self, range_: KeyRange) -> str:
        low = [f"{self._first} >= {self._literal(range_.low)}"] if range_.low is not None else []
        high = [f"{self._first} < {self._literal(range_.high)}"] if range_.high is not None else []
        return " AND ".join(low + high) or "TRUE"

    def _part(self, ranges: Sequence[KeyRange]) -> str:
        """Which of the sorted ranges a row is in, by bisection: its number."""
        numbers = list(enumerate(ranges))

        def choose(among: Sequence[tuple[int, KeyRange]]) -> str:
            if len(among) == 1:
                return str(among[0][0])
            middle = len(among) // 2
            low = among[middle][1].low
            assert low is not None  # noqa: S101  only the first range of all may be open below
            return (
                f"CASE WHEN {self._first} < {self._literal(low)} THEN {choose(among[:middle])} "
                f"ELSE {choose(among[middle:])} END"
            )

        return choose(numbers)


def literal(value: str, dialect: Dialect) -> str:
    """A text literal. In Snowflake a backslash escapes, in Postgres it does not."""
    text = value.replace("'", "''")
    return f"'{text}'" if dialect is Dialect.POSTGRES else "'" + text.replace("\\", "\\\\") + "'"


def joined_key(key: Key) -> str:
    """A key as one text that no other key has."""
    return ",".join(f"{len(part)}:{part}" for part in key)


def joined_key_sql(texts: Sequence[str]) -> str:
    """The SQL of `joined_key`."""
    return " || ',' || ".join(f"CAST(LENGTH({text}) AS VARCHAR) || ':' || {text}" for text in texts)


def differing(one: Mapping[Key, int], other: Mapping[Key, int]) -> list[Key]:
    """The keys that only one of them has, or whose digests differ, sorted."""
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


def _joined(ranges: Sequence[KeyRange]) -> list[KeyRange]:
    """Neighbouring ranges as one: a shorter condition."""
    joined: list[KeyRange] = []
    for each in ranges:
        if joined and joined[-1].high is not None and joined[-1].high == each.low:
            joined[-1] = KeyRange(joined[-1].low, each.high)
        else:
            joined.append(each)
    return joined
