"""What a window had before, on the real SQL: a smaller one is held back, whatever part of history it is.

An independent simulator: an empty 200 for the last 90 days of ratings deleted them, everything green, and so did one
for a window that is read in several checkpoints. Right: held back, and a quiet quarter of an old account is no alarm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, cast

import pytest

from catchment.errors import ContractBroken
from catchment.extract.run import Extraction, Sealing
from catchment.http.client import HttpClient
from catchment.http.paginators import SinglePage
from catchment.reads.http_list import Dates, Window
from catchment.times import TimeFormat, days
from catchment.warehouse import ledger
from tests.support.make import batch, http_list, moment, source, stream
from tests.support.sql_warehouse import SqlStack, SqlWarehouse, sql_stack
from tests.support.store import MemoryStore
from tests.support.vendor import InProcess

WINDOW = Window("at", lookback=days(5), slice=days(2))
BOUNDS = Dates("from", "to", TimeFormat.UNIX)
RATINGS = stream("ratings", http_list("ratings", paginator=SinglePage(), dates=BOUNDS, window=WINDOW))
SPEC = source(RATINGS, history_start=moment(1, month=2))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStack]:
    with sql_stack(tmp_path_factory.mktemp("held"), SPEC) as stack:
        yield stack


@dataclass
class Nights:
    """A vendor with a rating on each of some days of February, and the warehouse that its nights are loaded into."""

    stack: SqlStack
    days: set[int] = field(default_factory=lambda: set(range(1, 29)))

    def __post_init__(self) -> None:
        self._landing = MemoryStore()
        self._warehouse = SqlWarehouse(self.stack, SPEC.name, self._landing)

    def run(self, day: int) -> None:
        """The night that ends on a day of March, a checkpoint for each slice."""
        of = batch("ratings", day=day - 1)
        before = partial(ledger.rows_between, self.stack.session.cursor(), of)
        extraction = Extraction(
            source=SPEC,
            client=cast(HttpClient, InProcess(self._reply)),
            store=self._landing,
            history_start=SPEC.history_start,
            load=self._warehouse.load,
            sealing=Sealing(pieces=1),
            rows_between=lambda name, start, end: before(field=name, start=start, end=end),
        )
        key = extraction.run(of, self._warehouse.cursor_state(of)).key
        assert key
        self._warehouse.load(key)

    def current(self) -> set[int]:
        return {int(key[0]) for key in self._warehouse.current(RATINGS)}

    def _reply(self, path: str, params: Any) -> Any:
        at = {day: moment(day, 12, month=2) for day in self.days}
        low, high = params["from"], params["to"]
        ratings = [{"id": d, "at": t.isoformat()} for d, t in sorted(at.items()) if low <= t.timestamp() < high]
        return {"entries": ratings, "has_more": False}


def test_a_window_that_became_empty_is_held_back_and_a_quiet_one_is_not(stack: SqlStack) -> None:
    nights = Nights(stack)
    nights.run(2)
    assert nights.current() == set(range(1, 29))
    nights.days = set()
    with pytest.raises(ContractBroken, match="has 0 records, and had 4"):
        nights.run(3)
    assert nights.current() == set(range(1, 29))
    nights.days = set(range(1, 28))
    nights.run(3)
    assert nights.current() == set(range(1, 28))
    for day in range(4, 13):
        nights.run(day)
    assert nights.current() == set(range(1, 28))


def test_what_another_reading_had_in_a_window_is_counted_by_its_own_time(stack: SqlStack) -> None:
    nights = Nights(stack)
    nights.run(2)
    count = partial(ledger.rows_between, stack.session.cursor(), batch("ratings"), "at")
    noon = moment(10, 12, month=2)
    assert count(moment(1, month=2), moment(2)) == 28
    assert count(noon, noon + timedelta(days=1)) == 1
    assert count(noon + timedelta(seconds=1), noon + timedelta(days=1)) == 0
