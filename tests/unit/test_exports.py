"""Exports that go on from the ledger's cursor: whatever happens, nothing that the cursor has passed is missing.

The world is a small Zendesk: records that change move to the export's end, the last minute is not shown, pages are
short. Batches run in turn, late, again, killed at any call of the landing, and as backfills.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from catchment.extract.http import Vendor
from catchment.extract.plan import Progress, ReadOn
from catchment.extract.readers import Reached, time_export_pages
from hypothesis import given, settings
from hypothesis import strategies as st

from catchment.batch import Batch, Kind, Mode
from catchment.errors import LandingUnavailable, VendorUnavailable
from catchment.extract.run import Extraction
from catchment.landing import Manifest
from catchment.spec import SavedCursor, Stream, TimeExport
from tests.support.make import source, stream
from tests.support.store import MemoryStore
from tests.support.vendor import InProcess

BEGAN = 1_700_000_000
SPAN = 100
CURSORS = stream("cursors", SavedCursor(), version="t", records="things", path="cursors")
TIMES = stream("times", TimeExport(), version="t", records="things", path="times")
SPEC = source(CURSORS, TIMES, history_start=datetime.fromtimestamp(BEGAN - 10, UTC))
Position = tuple[int, int]


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


@dataclass
class World:
    """The vendor: for each record the second of its last change. A page holds `size` records."""

    size: int
    now: int = BEGAN
    changed: dict[int, int] = field(default_factory=dict)

    def change(self, key: int, later: int) -> None:
        self.now += later
        self.changed[key] = self.now

    def visible(self) -> list[Position]:
        return sorted((second, key) for key, second in self.changed.items() if second <= self.now - 60)

    def reply(self, path: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return self._cursor_page(params) if path == "cursors" else self._time_page(int(params["start_time"]))

    def _cursor_page(self, params: Mapping[str, Any]) -> dict[str, Any]:
        start = params.get("cursor") or f"{params['start_time'] - 1}:999999"
        second, key = map(int, start.split(":"))
        rest = [position for position in self.visible() if position > (second, key)]
        page = rest[: self.size]
        after = "{}:{}".format(*page[-1]) if page else start
        return {"things": _records(page), "after_cursor": after, "end_of_stream": len(rest) <= self.size}

    def _time_page(self, start: int) -> dict[str, Any]:
        assert start <= self.now - 60, "Zendesk refuses a start in the last minute"
        rest = [position for position in self.visible() if position[0] >= start]
        page = rest[: self.size]
        end = page[-1][0] if page else start
        return {"things": _records(page), "end_time": end, "end_of_stream": len(rest) <= self.size}


def _records(page: list[Position]) -> list[dict[str, int]]:
    return [{"id": key, "t": second} for second, key in page]


class Warehouse:
    """Loaded batches, and their ledger as `catchment.warehouse.ledger.progress` reads it."""

    def __init__(self, world: World, of: Stream) -> None:
        self.world = world
        self.stream = of
        self.store = MemoryStore()
        self.loaded: dict[str, tuple[Batch, Manifest, list[Position], int]] = {}

    def batch(self, number: int, kind: Kind = Kind.SCHEDULED) -> Batch:
        start = at(BEGAN + number * SPAN)
        end = start + timedelta(seconds=SPAN)
        return Batch(source="vendor", stream=self.stream.name, start=start, end=end, kind=kind)

    def progress(self, batch: Batch) -> Progress:
        others = [m for b, m, *_ in self.loaded.values() if b.kind is Kind.SCHEDULED and b.id != batch.id]
        before = [m for m in others if m.interval_end <= batch.end]
        newest = max(before, key=lambda m: (m.interval_end, m.extracted_at), default=None)
        own = self.loaded.get(batch.id)
        return Progress(
            cursor=newest.cursor_to if newest else None,
            loaded=bool(self.loaded),
            reached=own[1].cursor_to if own else None,
            reached_at=at(own[3]) if own else None,
        )

    def run(self, batch: Batch, *, killed_at: int | None = None) -> None:
        """Extract and load; `killed_at` ends it at that call of the landing, before anything is loaded."""
        calls = iter(range(1_000_000))
        self.store.fails = lambda verb, key: next(calls) == killed_at
        vendor = cast(Vendor, InProcess(self.world.reply))
        extraction = Extraction(SPEC, vendor, self.store, now=lambda: at(self.world.now))
        try:
            manifest = extraction.run(batch, self.progress(batch))
            assert manifest is not None
            rows = [json.loads(line) for line in self.store.rows(batch.prefix, manifest)]
        except LandingUnavailable:
            return
        self.loaded[batch.id] = batch, manifest, [(row["t"], row["id"]) for row in rows], self.world.now

    def cursor(self) -> int:
        """The second before which everything must be here."""
        scheduled = [(m.interval_end, m.cursor_to) for b, m, *_ in self.loaded.values() if b.kind is Kind.SCHEDULED]
        cursor = max(scheduled)[1] if scheduled else None
        return int(cursor.split(":")[0]) if cursor else 0

    def rows(self) -> set[Position]:
        return {row for _, _, rows, _ in self.loaded.values() for row in rows}

    def missing(self) -> set[Position]:
        passed = {position for position in self.world.visible() if position[0] < self.cursor()}
        return passed - self.rows()


CHANGE = st.tuples(st.just("change"), st.integers(0, 12), st.integers(1, 25))
ACTIONS = st.lists(
    st.one_of(
        CHANGE,
        CHANGE,
        CHANGE,
        st.tuples(st.just("next"), st.integers(0, 250), st.none()),
        st.tuples(st.just("again"), st.integers(0, 3), st.none()),
        st.tuples(st.just("again"), st.integers(0, 3), st.none()),
        st.tuples(st.just("full"), st.integers(0, 5), st.none()),
        st.tuples(st.just("killed"), st.integers(0, 5), st.integers(0, 6)),
        st.tuples(st.just("backfill"), st.integers(0, 5), st.none()),
    ),
    max_size=40,
)


@pytest.mark.parametrize("of", [CURSORS, TIMES], ids=["saved cursor", "time export"])
@settings(deadline=None, max_examples=150)
@given(actions=ACTIONS, size=st.integers(2, 4))
def test_nothing_that_the_cursor_has_passed_is_missing(of: Stream, actions: list[Any], size: int) -> None:
    world = World(size)
    warehouse = Warehouse(world, of)
    runs = 0
    for what, number, more in actions:
        match what:
            case "change":
                world.change(number, more)
            case "next":
                world.now = max(world.now, BEGAN + (runs + 1) * SPAN) + number
                warehouse.run(warehouse.batch(runs))
                runs += 1
            case "again" if number < runs:
                warehouse.run(warehouse.batch(number))
            case "full" if number < runs:
                batch = warehouse.batch(number)
                full = Batch(source=batch.source, stream=batch.stream, start=batch.start, end=batch.end, mode=Mode.FULL)
                warehouse.run(full)
            case "killed" if number <= runs:
                warehouse.run(warehouse.batch(number), killed_at=more)
            case "backfill":
                warehouse.run(warehouse.batch(number, Kind.BACKFILL))
        assert warehouse.missing() == set()
    world.now += 1000
    for number in (runs, runs + 1):
        warehouse.run(warehouse.batch(number))
    final = [position for position in world.visible() if position[0] < world.now - 500]
    while set(final) - warehouse.rows() and runs < 100:
        runs += 1
        warehouse.run(warehouse.batch(runs + 1))
    assert set(final) <= warehouse.rows()


@pytest.mark.parametrize("of", [CURSORS, TIMES], ids=["saved cursor", "time export"])
def test_a_batch_that_is_read_again_gets_as_far_as_it_did_though_pages_have_shifted(of: Stream) -> None:
    """Page borders were at 40 and 160; two changes later the border at 120 is past the interval's end."""
    world = World(size=4)
    world.changed = {key: BEGAN + 10 * key for key in range(1, 5)} | {5: BEGAN + 110, 6: BEGAN + 120, 7: BEGAN + 150}
    world.changed |= {8: BEGAN + 160, 9: BEGAN + 170, 10: BEGAN + 180}
    world.now = BEGAN + 400
    warehouse = Warehouse(world, of)
    warehouse.run(warehouse.batch(0))
    warehouse.run(warehouse.batch(1))
    for key in (1, 2):
        world.change(key, 10)
    world.now += 100
    warehouse.run(warehouse.batch(0))
    assert warehouse.missing() == set()


def test_a_backfill_leaves_the_cursor_where_it_is() -> None:
    world = World(size=3, changed={key: BEGAN + 30 * key for key in range(10)}, now=BEGAN + 1000)
    warehouse = Warehouse(world, TIMES)
    warehouse.run(warehouse.batch(0))
    before = warehouse.progress(warehouse.batch(5))
    warehouse.run(warehouse.batch(1, Kind.BACKFILL))
    assert warehouse.progress(warehouse.batch(5)).cursor == before.cursor
    rows = {key for _, _, rows, _ in list(warehouse.loaded.values())[1:] for _, key in rows}
    assert {4, 5, 6} <= rows


def export(world: World, start: int, until: int) -> tuple[list[Any], str | None, InProcess]:
    vendor, reached = InProcess(world.reply), Reached()
    read, plan = TimeExport(), ReadOn(str(start), at(start), at(until))
    pages = time_export_pages(cast(Vendor, vendor), TIMES, read, plan, reached, now=lambda: at(world.now))
    return list(pages), reached.cursor, vendor


def test_a_second_that_fills_a_page_is_passed_and_its_gap_is_told() -> None:
    world = World(size=3, changed=dict.fromkeys(range(5), BEGAN + 5) | {9: BEGAN + 9}, now=BEGAN + 100)
    pages, cursor, _ = export(world, BEGAN, BEGAN + 100)
    assert [reject.reason.split(":")[0] for page in pages for reject in page.rejects] == ["possible gap"]
    assert b'{"id": 9, "t": %d}' % (BEGAN + 9) in [bytes(record) for page in pages for record in page.records]
    assert cursor == str(BEGAN + 9)


def test_what_is_younger_than_a_minute_is_not_asked_for() -> None:
    world = World(size=3, now=BEGAN)
    pages, cursor, vendor = export(world, BEGAN - 30, BEGAN)
    assert (pages, cursor, vendor.asked) == ([], str(BEGAN - 30), [])


def test_a_page_from_before_its_start_is_an_old_page_sent_again() -> None:
    page = {"things": [{"id": 1, "t": BEGAN - 50}], "end_time": BEGAN - 50, "end_of_stream": False}
    plan = ReadOn(str(BEGAN), at(BEGAN), at(BEGAN + 10))
    vendor = cast(Vendor, InProcess(lambda path, params: page))
    pages = time_export_pages(vendor, TIMES, TimeExport(), plan, Reached(), now=lambda: at(BEGAN + 100))
    with pytest.raises(VendorUnavailable, match="before the page's own start"):
        list(pages)
