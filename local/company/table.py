"""What a vendor shows: rows that are live for a while, kept in the order in which the vendor lists them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

Record = dict[str, Any]
Position = tuple[Any, ...]
CACHE_BYTES = 192 << 20


class Row:
    """One version of one record, shown from `since` until just before `until`.

    `order` is where the vendor lists it, unique in its table; `key` identifies the record over all its versions; `data`
    is what `Table.render` makes the record from.
    """

    __slots__ = ("body", "data", "key", "order", "parent", "since", "until")

    def __init__(
        self, order: Position, key: Position, since: int, until: int, data: Any, parent: str | None = None
    ) -> None:
        self.order = order
        self.key = key
        self.since = since
        self.until = until
        self.data = data
        self.parent = parent
        self.body: bytes | None = None

    def live(self, at: int) -> bool:
        return self.since <= at < self.until


class Table:
    """The rows of one stream. Pages are found by bisection; a record is made on first use and kept as bytes."""

    def __init__(self, rows: Iterable[Row], render: Callable[[Row], Record]) -> None:
        self.rows = sorted((r for r in rows if r.since < r.until), key=lambda r: r.order)
        self.orders = [r.order for r in self.rows]
        self.render = render
        self.cached = 0
        self._parents: dict[str, Table] | None = None
        self._keys: dict[str, list[Row]] | None = None

    def body(self, row: Row) -> bytes:
        """The record as the vendor sends it: JSON, UTF-8."""
        if row.body is not None:
            return row.body
        body = msgspec.json.encode(self.render(row))
        if self.cached < CACHE_BYTES:
            row.body = body
            self.cached += len(body)
        return body

    def live(self, at: int) -> Iterator[Row]:
        """All rows shown at a moment, in the vendor's order."""
        return (r for r in self.rows if r.since <= at < r.until)

    def page(
        self,
        at: int,
        limit: int,
        *,
        after: Position | None = None,
        since: Position | None = None,
        before: Position | None = None,
        accept: Callable[[Row], bool] | None = None,
        backwards: bool = False,
    ) -> tuple[list[Row], bool]:
        """Up to `limit` rows shown at a moment, and whether there are more.

        `after` (exclusive) or `since` (inclusive) say where to begin, `before` (exclusive) where to end; positions may
        be prefixes of an order. Backwards, `after` is the row that came last.
        """
        lo = 0 if since is None else bisect_left(self.orders, since)
        hi = len(self.rows) if before is None else bisect_left(self.orders, before)
        if after is not None and backwards:
            hi = min(hi, bisect_left(self.orders, after))
        elif after is not None:
            lo = max(lo, bisect_right(self.orders, after))
        indexes = range(hi - 1, lo - 1, -1) if backwards else range(lo, hi)
        found: list[Row] = []
        for index in indexes:
            row = self.rows[index]
            if row.since <= at < row.until and (accept is None or accept(row)):
                if len(found) == limit:
                    return found, True
                found.append(row)
        return found, False

    def find(self, key: str, at: int) -> Row | None:
        """The row shown at a moment whose key ends with this text."""
        if self._keys is None:
            self._keys = {}
            for row in self.rows:
                self._keys.setdefault(str(row.key[-1]), []).append(row)
        return next((row for row in self._keys.get(key, ()) if row.live(at)), None)

    def of(self, parent: str) -> Table:
        """The rows of one parent as a table of their own."""
        if self._parents is None:
            groups: dict[str, list[Row]] = {}
            for row in self.rows:
                groups.setdefault(row.parent or "", []).append(row)
            self._parents = {name: _part(rows, self) for name, rows in groups.items()}
        return self._parents.get(parent) or _part([], self)


def _part(rows: list[Row], whole: Table) -> Table:
    return Table(rows, whole.render)


def versions(changes: list[int], gone: int) -> list[tuple[int, int]]:
    """The spans between changes: (since, until) of each version, the last one ending at `gone`."""
    kept = [c for c in changes if c < gone]
    return list(zip(kept, [*kept[1:], gone], strict=False))
