"""Guards against a vendor that sends a page again or empty ones without end, or whose cursors lead in a circle."""

from __future__ import annotations

from typing import Any

from catchment.errors import VendorUnavailable
from catchment.extract.splitter import Page


class LoopGuard:
    """Notices that cursors repeat, in constant memory (R. P. Brent, "An improved Monte Carlo factorization algorithm").

    One cursor is kept and compared with each new one; it is replaced after 1, 2, 4, 8 … steps, so that a circle of any
    length is found within about three rounds.
    """

    def __init__(self) -> None:
        self._kept: str | None = None
        self._steps = 0
        self._span = 1

    def step(self, cursor: str) -> None:
        if cursor == self._kept:
            raise VendorUnavailable(
                f"the vendor's cursors lead in a circle: one came again after {self._steps + 1} pages. "
                "If a later run says the same, tell the vendor"
            )
        if self._steps == self._span or self._kept is None:
            self._kept, self._steps, self._span = cursor, 0, self._span * 2
        else:
            self._steps += 1


class BorderFilter:
    """Drops the records of a page that the page before it already had, byte for byte.

    Lists that move while they are read, and exports with inclusive bounds, repeat records at page borders. A record
    that came again with a change is another version of it and stays. Two pages are all that is remembered; what
    repeats further apart is told apart in staging.
    """

    def __init__(self, most_repeats: int = 10, most_empty: int = 1_000) -> None:
        self._before: Page | None = None
        self._keys: set[Any] = set()
        self._most_repeats = most_repeats
        self._most_empty = most_empty
        self._repeats = self._empty = 0

    def fresh(self, page: Page) -> list[bytes]:
        """The page's records that are new. Raises when page after page brings nothing but repeats, or nothing."""
        self._count_empty(page)
        before, keys_before = self._before, self._keys
        self._before, self._keys = page, set(page.keys)
        if len(self._keys) == len(page.keys) and self._keys.isdisjoint(keys_before):
            self._repeats = 0
            return page.records
        fresh = _unseen(page, before)
        self._repeats = 0 if fresh else self._repeats + 1
        if self._repeats > self._most_repeats:
            raise VendorUnavailable(
                f"the vendor sent the same page {self._repeats + 1} times and says that there is more. "
                "If a later run says the same, tell the vendor"
            )
        return fresh

    def _count_empty(self, page: Page) -> None:
        """Vendors that filter pages after cutting them send empty ones in a row, but not without end."""
        self._empty = 0 if page.records or page.rejects else self._empty + 1
        if self._empty > self._most_empty:
            raise VendorUnavailable(
                f"the vendor sent {self._empty} empty pages in a row and says that there is more. If a later run says "
                "the same, compare the stream's paginator with the vendor's reference"
            )


def _unseen(page: Page, before: Page | None) -> list[bytes]:
    seen = {key: bytes(record) for key, record in zip(before.keys, before.records, strict=True)} if before else {}
    fresh = []
    for key, record in zip(page.keys, page.records, strict=True):
        data = bytes(record)
        if seen.get(key) != data:
            seen[key] = data
            fresh.append(record)
    return fresh
