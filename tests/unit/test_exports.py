"""Exports that go on from a cursor: borders of seconds, floods, and pages that come again.

That nothing the cursor has passed is missing, in any order of runs: `test_truth.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
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
from catchment.spec import Deleted, Stream
from tests.support.histories import BEGAN, World, at
from tests.support.make import batch, http_list, source, stream
from tests.support.store import MemoryStore
from tests.support.vendor import InProcess

TIMES = stream("times", TimeExport(path="times", records="entries"), version="changed")
ALL = http_list("all", paginator=SinglePage())


class Retried(InProcess):
    """Asks as often as `tries` for a reply that is accepted, as the client does."""

    def __init__(self, reply: Any, tries: int) -> None:
        super().__init__(reply)
        self._tries = tries

    def send(self, request: Any, **more: Any) -> Any:
        for _ in range(self._tries - 1):
            with suppress(VendorUnavailable):
                return super().send(request, **more)
        return super().send(request, **more)


def export(
    reply: Any, start: int, until: int, now: int | Callable[[], int], of: Stream = TIMES, *, tries: int = 1
) -> tuple[Manifest, list[Any], InProcess]:
    """The manifest of a batch, its records, and what was asked."""
    vendor, store = Retried(reply, tries), MemoryStore()
    spec = source(of)
    extraction = Extraction(
        source=spec,
        client=cast(HttpClient, vendor),
        store=store,
        history_start=spec.history_start,
        load=lambda key: None,
        now=lambda: at(now if isinstance(now, int) else now()),
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


def test_a_second_that_fills_a_page_with_deleted_ones_is_a_gap_although_there_is_a_list() -> None:
    """An independent simulator: a script deletes 23 organizations within one second, more than a page holds. The list
    that is read instead shows no deleted ones: 18 stayed current for good, everything green. Right: the task fails."""
    world = flood()
    read = TimeExport(path="times", records="entries", flood=ALL)
    of = replace(TIMES, read=read, deleted=Deleted("alive", equals="false"))
    assert export(world.reply, BEGAN, BEGAN + 100, world.now, of)[0].gaps == ()
    for key in range(5):
        world.things[key].alive = False
    manifest, _, _ = export(world.reply, BEGAN, BEGAN + 100, world.now, of)
    assert ["more deleted ones of that second" in gap for gap in manifest.gaps] == [True]
    assert manifest.cursor_to == str(BEGAN + 9)


@pytest.mark.parametrize("with_list", [True, False])
def test_a_flood_of_changes_that_leave_the_version_as_it_was_is_passed(with_list: bool) -> None:
    """PostHog pull request 59215: a bulk update or a migration stamps thousands of old records with one second. An
    independent simulator: their `updated_at` stays, so the page that such a second fills was taken for an old page sent
    again, in each retry and each night: the export stood still. Right: asked once more, then it is a flood."""
    stamped = [{"id": number, "changed": BEGAN - 900 + number} for number in range(3)]

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        if path == "all":
            return {"entries": [*stamped, {"id": 7, "changed": BEGAN - 1}], "has_more": False}
        if params["start_time"] <= BEGAN + 5:
            return {"entries": stamped, "end_time": BEGAN + 5, "end_of_stream": False}
        return {"entries": [{"id": 9, "changed": BEGAN + 9}], "end_time": BEGAN + 9, "end_of_stream": True}

    of = replace(TIMES, read=TimeExport(path="times", records="entries", flood=ALL if with_list else None))
    manifest, rows, vendor = export(reply, BEGAN, BEGAN + 100, BEGAN + 200, of, tries=2)
    assert {json.loads(row)["id"] for row in rows} == ({0, 1, 2, 7, 9} if with_list else {0, 1, 2, 9})
    assert len(manifest.gaps) == (0 if with_list else 1)
    assert [asked.get("start_time") for asked in vendor.asked].count(BEGAN + 5) == 2
    assert manifest.cursor_to == str(BEGAN + 9)


def test_a_page_of_before_that_a_cache_sends_once_is_asked_for_again() -> None:
    old = {"entries": [{"id": 1, "changed": BEGAN - 50}], "end_time": BEGAN, "end_of_stream": False}
    right = {"entries": [{"id": 2, "changed": BEGAN + 1}], "end_time": BEGAN + 1, "end_of_stream": True}
    replies = iter([old, right])
    manifest, rows, _ = export(lambda path, params: next(replies), BEGAN, BEGAN + 100, BEGAN + 200, tries=2)
    assert [json.loads(row)["id"] for row in rows] == [2]
    assert manifest.gaps == ()


def test_a_flood_that_comes_after_the_list_was_read_has_it_read_again() -> None:
    """Found by reading, for a first load of hours: a second flood happened after the first one's list was read."""
    world = flood()
    clock = [BEGAN + 100]

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        page = world.reply(path, params)
        if path == "all" and 14 not in world.things:
            clock[0] = world.now = BEGAN + 500
            for key in range(10, 15):
                world.touch(key, 0)
            world.now = clock[0] = BEGAN + 900
        return page

    of = replace(TIMES, read=TimeExport(path="times", records="entries", flood=ALL))
    _, rows, vendor = export(reply, BEGAN, BEGAN + 900, lambda: clock[0], of)
    assert {json.loads(row)["id"] for row in rows} == {0, 1, 2, 3, 4, 9, 10, 11, 12, 13, 14}
    assert sum("start_time" not in asked for asked in vendor.asked) == 2


def test_what_is_younger_than_a_minute_is_not_asked_for() -> None:
    manifest, rows, vendor = export(World(size=3).reply, BEGAN - 30, BEGAN, BEGAN)
    assert (rows, manifest.cursor_to, vendor.asked) == ([], str(BEGAN - 30), [])


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ({"entries": [{"id": 1, "changed": BEGAN - 50}], "end_time": BEGAN - 50}, "before the page's own start"),
        ({"entries": [{"id": 1, "changed": BEGAN - 50}], "end_time": BEGAN}, "the page before the one asked for"),
        ({"entries": [{"id": 1, "changed": BEGAN}], "end_time": None}, "before the page's own start"),
        ({"entries": [], "end_time": BEGAN}, "the page before the one asked for"),
        (
            {"entries": [{"id": 1, "changed": BEGAN}, {"id": 2, "changed": BEGAN + 5}], "end_time": BEGAN},
            "the page before the one asked for",
        ),
        (
            {"entries": [{"id": 1, "changed": BEGAN - 5}, {"id": 2, "changed": BEGAN}], "end_time": BEGAN},
            "the page before the one asked for",
        ),
    ],
)
def test_a_page_that_does_not_lead_on_is_the_vendors_trouble(page: Mapping[str, Any], says: str) -> None:
    with pytest.raises(VendorUnavailable, match=says):
        export(lambda path, params: {**page, "end_of_stream": False}, BEGAN, BEGAN + 10, BEGAN + 100)


def test_an_end_that_is_spelled_as_text_is_what_the_text_says() -> None:
    """Review: "false" is true to Python, and the export would have ended after its first page, each night."""
    pages = [
        {"entries": [{"id": 1, "changed": BEGAN}], "end_time": BEGAN + 1, "end_of_stream": "false"},
        {"entries": [{"id": 2, "changed": BEGAN + 1}], "end_time": BEGAN + 2, "end_of_stream": "true"},
    ]
    _, records, _ = export(lambda path, params: pages[params["start_time"] > BEGAN], BEGAN, BEGAN + 10, BEGAN + 100)
    assert [json.loads(record)["id"] for record in records] == [1, 2]


@pytest.mark.parametrize("flood", [None, ALL])
def test_past_a_flood_in_its_last_second_a_batch_is_over_and_the_next_one_begins_with_the_next_second(
    flood: Any,
) -> None:
    def reply(path: str, params: Mapping[str, Any]) -> Any:
        entries = [{"id": key, "changed": BEGAN} for key in range(3)]
        return {"entries": entries, "end_time": BEGAN, "end_of_stream": False}

    of = replace(TIMES, read=TimeExport(path="times", records="entries", flood=flood))
    manifest, _, vendor = export(reply, BEGAN, BEGAN + 1, BEGAN + 200, of)
    assert manifest.cursor_to == str(BEGAN + 1)
    assert [asked["start_time"] for asked in vendor.asked if "start_time" in asked] == [BEGAN]


@pytest.mark.parametrize(("end", "asked"), [(9, [0, 9]), (10, [0]), (11, [0])])
def test_an_export_by_time_ends_after_the_page_that_reaches_its_batchs_end(end: int, asked: list[int]) -> None:
    def reply(path: str, params: Mapping[str, Any]) -> Any:
        at = params["start_time"] + end
        return {"entries": [{"id": at, "changed": at}], "end_time": at, "end_of_stream": False}

    _, _, vendor = export(reply, BEGAN, BEGAN + 10, BEGAN + 200)
    assert [each["start_time"] - BEGAN for each in vendor.asked] == asked
