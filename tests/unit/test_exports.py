"""Exports that go on from a cursor: borders of seconds, floods, and pages that come again.

That nothing the cursor has passed is missing, in any order of runs: `test_truth.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from catchment.cursor import CursorState
from catchment.errors import VendorUnavailable
from catchment.extract.run import Extraction
from catchment.http.client import HttpClient
from catchment.http.paginators import SinglePage
from catchment.landing import Manifest, read_manifest
from catchment.reads.http_export import TimeExport
from catchment.spec import Stream
from tests.support.histories import BEGAN, World, at
from tests.support.make import batch, http_list, source, stream
from tests.support.store import MemoryStore
from tests.support.vendor import InProcess

TIMES = stream("times", TimeExport(path="times", records="entries"), version="changed")
ALL = http_list("all", paginator=SinglePage())


def export(reply: Any, start: int, until: int, now: int, of: Stream = TIMES) -> tuple[Manifest, list[Any], InProcess]:
    """The manifest of a batch, its records, and what was asked."""
    vendor, store = InProcess(reply), MemoryStore()
    spec = source(of)
    extraction = Extraction(
        source=spec,
        client=cast(HttpClient, vendor),
        store=store,
        history_start=spec.history_start,
        load=lambda key: None,
        now=lambda: at(now),
    )
    interval = replace(batch(of.name), start=at(start), end=at(until))
    extracted = extraction.run(interval, CursorState(str(start), ever_loaded=True))
    assert extracted.key
    manifest = read_manifest(store, extracted.key)
    return manifest, store.rows(manifest), vendor


def flood() -> World:
    """Five records on one second, where a page holds three, and one later."""
    world = World(size=3)
    for key in range(5):
        world.touch(key, 5 if key == 0 else 0)
    world.touch(9, 4)
    world.now = BEGAN + 100
    return world


def test_a_second_that_fills_a_page_is_a_gap_that_fails_where_no_list_can_close_it() -> None:
    """The independent simulator: more organizations share one second than a page holds, the task was green, and 53 of
    150 stayed missing until a full run. Right: the task fails, or the gap is closed by another way of reading."""
    world = flood()
    manifest, rows, _ = export(world.reply, BEGAN, BEGAN + 100, world.now)
    assert ["share the second" in gap for gap in manifest.gaps] == [True]
    assert any(b'"id": 9' in bytes(row) for row in rows)
    assert manifest.cursor_to == str(BEGAN + 9)


def test_a_second_that_fills_a_page_is_read_from_the_list() -> None:
    world = flood()
    of = replace(TIMES, read=TimeExport(path="times", records="entries", flood=ALL))
    manifest, rows, _ = export(world.reply, BEGAN, BEGAN + 100, world.now, of)
    assert manifest.gaps == ()
    assert {id for id in range(10) if any(b'"id": %d,' % id in bytes(row) for row in rows)} == {0, 1, 2, 3, 4, 9}
    assert manifest.cursor_to == str(BEGAN + 9)


def test_two_floods_read_the_list_once() -> None:
    world = flood()
    for key in range(10, 15):
        world.things[key] = replace(world.things[9], changed=BEGAN + 20)
    of = replace(TIMES, read=TimeExport(path="times", records="entries", flood=ALL))
    _, _, vendor = export(world.reply, BEGAN, BEGAN + 100, world.now, of)
    assert sum("start_time" not in asked for asked in vendor.asked) == 1


def test_what_is_younger_than_a_minute_is_not_asked_for() -> None:
    manifest, rows, vendor = export(World(size=3).reply, BEGAN - 30, BEGAN, BEGAN)
    assert (rows, manifest.cursor_to, vendor.asked) == ([], str(BEGAN - 30), [])


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ({"entries": [{"id": 1, "changed": BEGAN - 50}], "end_time": BEGAN - 50}, "before the page's own start"),
        ({"entries": [{"id": 1, "changed": BEGAN - 50}], "end_time": BEGAN}, "the page before the one asked for"),
        ({"entries": [{"id": 1, "changed": BEGAN}], "end_time": None}, "before the page's own start"),
    ],
)
def test_a_page_that_does_not_lead_on_is_the_vendors_trouble(page: Mapping[str, Any], says: str) -> None:
    with pytest.raises(VendorUnavailable, match=says):
        export(lambda path, params: {**page, "end_of_stream": False}, BEGAN, BEGAN + 10, BEGAN + 100)
