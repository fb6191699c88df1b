"""The company as a whole: built once, then asked about any moment."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from local.company.book import Customer, customers
from local.company.chartmogul import ChartMogul
from local.company.moments import DAY
from local.company.sheets import Spreadsheet, spreadsheets
from local.company.zendesk import Zendesk

AHEAD = 400 * DAY


class Company:
    """All that happens before `until`. Building further ahead adds to the past nothing and changes nothing in it."""

    def __init__(self, seed: int, scale: float, until: int) -> None:
        self.seed = seed
        self.scale = scale
        self.until = until
        self.book: list[Customer] = customers(seed, scale, until)

    @classmethod
    def around(cls, seed: int, scale: float, at: int) -> Company:
        """A company that can be asked about a moment and the year after it."""
        return cls(seed, scale, at + AHEAD)

    def built(self) -> Company:
        """This company, with all of its tables made now and not on first use."""
        _ = self.chartmogul, self.zendesk
        return self

    @cached_property
    def chartmogul(self) -> ChartMogul:
        with _no_collection():
            return ChartMogul(self.seed, self.book, self.until)

    @cached_property
    def zendesk(self) -> Zendesk:
        with _no_collection():
            return Zendesk(self.seed, self.book, self.until)

    @cached_property
    def spreadsheets(self) -> dict[str, Spreadsheet]:
        return {file.id: file for file in spreadsheets(self.book)}


@contextmanager
def _no_collection() -> Iterator[None]:
    """Build without garbage collection: what is built stays, and looking at it over and over costs most of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
