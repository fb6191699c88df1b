"""One table as a comparison reads it: on the shard, or in the warehouse's current state. Both run the same SQL.

Rows are split by their whole key: whole numbers in their own order, everything else by its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import Any

from catchment.cdc.compare.texts import ColumnKind, Texts, kind_of, row_digest
from catchment.cdc.declared import Table

Key = tuple[str, ...]
Query = Callable[[str], Iterable[Sequence[Any]]]

KEYS_A_STATEMENT = 1_000
_NUMBER = re.compile(r"-?\d+")


@dataclass(frozen=True)
class KeyRange:
    """Rows whose key is at least `low` and below `high`; None is no bound."""

    low: Key | None = None
    high: Key | None = None

    def cut(self, bounds: Sequence[Key]) -> tuple[KeyRange, ...]:
        """The ranges between these bounds, which are sorted and inside."""
        edges = [self.low, *bounds, self.high]
        return tuple(KeyRange(low, high) for low, high in pairwise(edges))


@dataclass(frozen=True)
class Digest:
    """How many rows there are, and the sum of their digests, which their order does not change."""

    rows: int = 0
    checksum: int = 0

    def __add__(self, other: Digest) -> Digest:
        return Digest(self.rows + other.rows, self.checksum + other.checksum)

    def __sub__(self, other: Digest) -> Digest:
        return Digest(self.rows - other.rows, self.checksum - other.checksum)


@dataclass(frozen=True)
class TableView:
    """One table of one shard in one database. `relation` and `where` select the rows, `query` runs a statement."""

    texts: Texts
    query: Query
    relation: str
    table: Table
    where: str = "TRUE"

    @property
    def key(self) -> tuple[str, ...]:
        """The expressions of a key's texts."""
        return tuple(self._key(column) for column in self.table.key)

    def count(self, further: str = "") -> int:
        (row,) = self._select("COUNT(*)", further)
        return int(row[0])

    def keyless(self) -> int:
        """How many rows lack a part of their key: they are in no range."""
        return self.count(f" AND ({' OR '.join(f'{text} IS NULL' for text in self.key)})")

    def doubled(self, limit: int) -> list[Key]:
        """The keys that more than one row has."""
        keys = ", ".join(self.key)
        return list(as_keys(self._select(keys, f" GROUP BY {keys} HAVING COUNT(*) > 1 LIMIT {limit}")))

    def bounds(self, within: KeyRange, rows: int) -> tuple[Key, ...]:
        """The keys that cut a range into parts of so many rows."""
        names = [f"k{number}" for number in range(len(self.table.key))]
        named = ", ".join(f"{expression} AS {name}" for expression, name in zip(self._ordered, names, strict=True))
        sql = (
            f"SELECT {', '.join(names)} FROM (SELECT {', '.join(names)}, "
            f"ROW_NUMBER() OVER (ORDER BY {', '.join(names)}) AS place FROM "
            f"(SELECT {named} FROM {self.relation} WHERE {self.where} AND {self._within([within])}) a) b "
            f"WHERE place > 1 AND (place - 1) % {rows} = 0 ORDER BY place"
        )
        return tuple(bound for bound in dict.fromkeys(as_keys(self.query(sql))) if bound != within.low)

    def digests(self, ranges: Sequence[KeyRange]) -> dict[KeyRange, Digest]:
        """The digest of each range: one statement, one pass over their rows. The ranges are sorted and apart."""
        sql = (
            "SELECT part, COUNT(*), CAST(SUM(digest) AS VARCHAR) FROM ("
            f"SELECT {self._part(ranges)} AS part, {self._digest} AS digest FROM {self.relation} "
            f"WHERE {self.where} AND {self._within(ranges)}) a GROUP BY part"
        )
        found = {int(part): Digest(int(rows), int(checksum)) for part, rows, checksum in self.query(sql)}
        return {each: found.get(number, Digest()) for number, each in enumerate(ranges)}

    def only(self, keys: Iterable[Key]) -> TableView:
        """The rows with these keys."""
        wanted = list(keys)
        first = ", ".join(dict.fromkeys(self._literal(0, key[0]) for key in wanted))
        whole = ", ".join(self.texts.literal(joined_key(key)) for key in wanted)
        chosen = f"{self._ordered[0]} IN ({first}) AND {joined_key_sql(self.key)} IN ({whole})" if wanted else "FALSE"
        return replace(self, where=f"{self.where} AND {chosen}")

    def keys(self, ranges: Sequence[KeyRange]) -> Iterator[Key]:
        """The keys of these ranges, streamed."""
        return as_keys(self._select(", ".join(self.key), f" AND {self._within(ranges)}"))

    def rows(self, within: KeyRange) -> dict[Key, Digest]:
        """For every key of the range its rows, of which there should be one, and their digest."""
        keys = ", ".join(self.key)
        digested = f"{keys}, COUNT(*), CAST(SUM({self._digest}) AS VARCHAR)"
        found = self._select(digested, f" AND {self._within([within])} GROUP BY {keys}")
        return {tuple(map(str, key)): Digest(int(rows), int(checksum)) for *key, rows, checksum in found}

    def values(self, keys: Iterable[Key], extra: Sequence[str] = ()) -> dict[Key, list[tuple[Any, ...]]]:
        """The rows with these keys: each is its columns' texts in their order, then the columns `extra`."""
        columns = [self.texts.fetched(column, pg_type) for column, pg_type in self.table.columns.items()]
        width = len(self.table.key)
        found: dict[Key, list[tuple[Any, ...]]] = {}
        for some in batched(keys):
            for row in self.only(some)._select(", ".join([*self.key, *columns, *extra])):
                found.setdefault(tuple(map(str, row[:width])), []).append(tuple(row[width:]))
        return found

    def _select(self, what: str, further: str = "") -> Iterable[Sequence[Any]]:
        return self.query(f"SELECT {what} FROM {self.relation} WHERE {self.where}{further}")

    def _key(self, column: str) -> str:
        return self.texts.key(column, self.table.columns[column])

    @property
    def _digest(self) -> str:
        return row_digest(self.texts.digested(column, pg_type) for column, pg_type in self.table.columns.items())

    @property
    def _ordered(self) -> tuple[str, ...]:
        """The expressions by which rows are ordered and split."""
        return tuple(
            self.texts.name(column) if self._is_whole(column) else self._key(column) + self.texts.collation
            for column in self.table.key
        )

    def _is_whole(self, column: str) -> bool:
        return kind_of(self.table.columns[column]) is ColumnKind.WHOLE

    def _literal(self, place: int, value: str) -> str:
        if not self._is_whole(self.table.key[place]):
            return self.texts.literal(value)
        if _NUMBER.fullmatch(value) is None:
            raise ValueError(f"{value!r} is no whole number")
        return value

    def _within(self, ranges: Sequence[KeyRange]) -> str:
        """The condition for being in one of the ranges."""
        return " OR ".join(f"({self._inside(each)})" for each in _joined(ranges)).join("()")

    def _inside(self, range_: KeyRange) -> str:
        # What the first part of the key must be is said apart, for the database's index.
        first, low, high = self._ordered[0], range_.low, range_.high
        conditions = [f"NOT {self._below(low)} AND {first} >= {self._literal(0, low[0])}"] if low is not None else []
        conditions += [f"{self._below(high)} AND {first} <= {self._literal(0, high[0])}"] if high is not None else []
        return " AND ".join([*conditions, *(f"{expression} IS NOT NULL" for expression in self._ordered)])

    def _below(self, key: Key) -> str:
        """The condition for a row's key to be smaller, part by part."""
        condition = ""
        for place in reversed(range(len(key))):
            part, value = self._ordered[place], self._literal(place, key[place])
            condition = f"({part} < {value}" + (f" OR ({part} = {value} AND {condition}))" if condition else ")")
        return condition

    def _part(self, ranges: Sequence[KeyRange]) -> str:
        """Which of the sorted ranges a row is in, by bisection: its number."""

        def choose(start: int, end: int) -> str:
            middle = (start + end) // 2
            low = ranges[middle].low
            if middle == start or low is None:  # only the first range of all may be open below
                return str(start)
            return f"CASE WHEN {self._below(low)} THEN {choose(start, middle)} ELSE {choose(middle, end)} END"

        return choose(0, len(ranges))


def as_keys(rows: Iterable[Sequence[Any]]) -> Iterator[Key]:
    return (tuple(map(str, row)) for row in rows)


def batched(keys: Iterable[Key]) -> Iterator[tuple[Key, ...]]:
    """The keys, as many at a time as one statement may hold."""
    left = iter(keys)
    while some := tuple(islice(left, KEYS_A_STATEMENT)):
        yield some


def joined_key(key: Key) -> str:
    """A key as one text that no other key has."""
    return ",".join(f"{len(part)}:{part}" for part in key)


def joined_key_sql(texts: Sequence[str]) -> str:
    """The SQL of `joined_key`."""
    return " || ',' || ".join(f"CAST(LENGTH({text}) AS VARCHAR) || ':' || {text}" for text in texts)


def differing(one: Mapping[Key, Digest], other: Mapping[Key, Digest]) -> list[Key]:
    """The keys that only one of them has, or whose rows differ, sorted."""
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
