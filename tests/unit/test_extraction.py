"""What a run seals, refuses and tells, apart from how its stream is read."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from threading import Lock
from typing import Any, cast

import pytest

from catchment.batch import Kind, Mode
from catchment.cursor import CursorState, Unfinished
from catchment.errors import ContractBroken, NeedsPerson, RateLimited
from catchment.extract.progress import Progress
from catchment.extract.run import Extracted, Sealing, refuse_rejects
from catchment.http.client import HttpClient
from catchment.http.paginators import SinglePage
from catchment.landing import LandedFile, Manifest, read_manifest
from catchment.reads.http_export import CursorExport
from catchment.reads.http_list import Dates, Window
from catchment.times import TimeFormat, days
from tests.support.make import batch, http_list, moment, source, stream
from tests.support.store import MemoryStore
from tests.unit.test_landing import manifest as said
from tests.unit.test_lists import extract, extraction, listing, page, records

ISO = Dates("from", "to", TimeFormat.ISO)


def windows(**fields: Any) -> Any:
    of = http_list(paginator=SinglePage(), dates=ISO, window=Window("at", **fields))
    return source(stream(read=of), history_start=moment(1, month=1))


# --- when a checkpoint is sealed ---


@pytest.mark.parametrize(
    ("seconds", "pieces", "due"), [(59.9, 9, False), (60.0, 9, True), (59.9, 10, True), (61, 11, True)]
)
def test_a_checkpoint_is_due_after_so_long_or_so_many_pages(seconds: float, pieces: int, due: bool) -> None:
    assert Sealing(every=timedelta(minutes=1), pieces=10).is_due(seconds=seconds, pieces=pieces) is due


@pytest.mark.parametrize(
    ("read_for", "seconds", "over"),
    [(None, 10**9, False), (timedelta(minutes=1), 59.9, False), (timedelta(minutes=1), 60, True)],
)
def test_a_run_hands_over_after_its_time_or_never(read_for: timedelta | None, seconds: float, over: bool) -> None:
    assert Sealing(read_for=read_for).is_over(seconds) is over


def test_a_checkpoint_is_sealed_every_five_minutes_unless_said_otherwise() -> None:
    assert Sealing() == Sealing(every=timedelta(minutes=5), pieces=2_000, read_for=None)


def test_a_list_that_is_read_whole_is_sealed_once_however_many_pages_it_has() -> None:
    loaded: list[str] = []
    _, manifest, _ = extract(listing(records(9), 3), load=loaded.append, sealing=Sealing(pieces=1))
    assert loaded == []
    assert (manifest.rows, manifest.checkpoint, manifest.complete) == (9, 0, True)


def test_a_wait_within_a_list_seals_nothing() -> None:
    def reply(path: str, params: Mapping[str, Any]) -> Any:
        if params.get("cursor"):
            raise RateLimited("wait", after=timedelta(hours=1))
        return {"entries": records(1), "cursor": "next", "has_more": True}

    loaded: list[str] = []
    with pytest.raises(RateLimited):
        extract(reply, load=loaded.append)
    assert loaded == []


def test_a_wait_before_the_first_page_seals_nothing() -> None:
    def reply(path: str, params: Mapping[str, Any]) -> Any:
        raise RateLimited("wait", after=timedelta(hours=1))

    loaded: list[str] = []
    export = source(stream("things", CursorExport(path="things", records="entries")))
    with pytest.raises(RateLimited):
        extract(reply, export, load=loaded.append)
    assert loaded == []


def test_a_wait_right_after_a_checkpoint_seals_no_second_one() -> None:
    def reply(path: str, params: Mapping[str, Any]) -> Any:
        if params.get("cursor"):
            raise RateLimited("wait", after=timedelta(hours=1))
        return {"entries": records(1), "after_cursor": "next", "end_of_stream": False}

    loaded: list[str] = []
    export = source(stream("things", CursorExport(path="things", records="entries")))
    with pytest.raises(RateLimited):
        extract(reply, export, load=loaded.append, sealing=Sealing(pieces=1))
    assert len(loaded) == 1


@pytest.mark.parametrize("parallel", [1, 3])
def test_slices_are_read_side_by_side_as_many_as_the_api_takes(parallel: int) -> None:
    lock, busy, most = Lock(), [0], [0]

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        for _ in range(500 if parallel > 1 else 5):
            if most[0] == parallel > 1:
                break
            time.sleep(0.01)
        with lock:
            busy[0] -= 1
        return {"entries": []}

    of = windows(slice=days(10)).streams[0]
    extract(reply, source(of, history_start=moment(1, month=1), parallel=parallel))
    assert most == [parallel]


def test_each_checkpoint_of_a_window_claims_its_own_part_and_names_the_cursor_that_it_moved() -> None:
    """The last one ends the batch, though a checkpoint was sealed just before."""
    store, sealed = MemoryStore(), list[str]()
    spec = windows(slice=days(20))
    _, last, _ = extract(page([]), spec, store=store, load=sealed.append, sealing=Sealing(pieces=2))
    manifests = [*(read_manifest(store, key) for key in sealed), last]
    borders = [moment(1, month=1), moment(21, month=1), moment(10, month=2), moment(2), moment(2)]
    assert [(m.window_from, m.window_to) for m in manifests] == list(pairwise(borders))
    cursors = [None, *(border.isoformat() for border in borders[1:])]
    assert [(m.cursor_from, m.cursor_to) for m in manifests] == list(pairwise(cursors))
    assert [m.complete for m in manifests] == [False, False, False, True]
    assert {m.extracted_at for m in manifests} == {last.extracted_at}


def test_how_far_a_long_reading_is_is_told_after_each_checkpoint() -> None:
    told: list[Progress] = []
    spec = windows(slice=days(20))
    extract(page([{"id": 1, "at": 1}]), spec, progress=told.append, sealing=Sealing(pieces=2))
    first = moment(21, month=1)
    assert [(p.rows, p.began_at, p.reached, p.until) for p in told] == [
        (1, first, first, moment(2)),
        (2, first, moment(10, month=2), moment(2)),
        (3, first, moment(2), moment(2)),
    ]
    assert all(0 <= p.seconds < 60 for p in told)


def test_an_unfinished_reading_keeps_its_attempt_and_goes_on_with_the_next_number() -> None:
    state = CursorState("c", unfinished=Unfinished("incremental-0", moment(1, 14).isoformat(), 4), next_checkpoint=9)
    _, manifest, _ = extract(page([]), windows(), state=state)
    assert (manifest.attempt, manifest.checkpoint, manifest.batch_id) == ("incremental-0", 4, f"{batch().id}.4")
    assert (manifest.window_from, manifest.window_to) == (moment(1, 14), moment(2))
    assert extract(page([]), windows())[1].attempt.startswith("incremental-")


def test_a_window_whose_last_slice_was_sealed_already_ends_with_nothing_more_to_ask() -> None:
    """Without its end it would not be known to cover what an earlier reading of the same batch left."""
    state = CursorState(unfinished=Unfinished("incremental-0", moment(2).isoformat(), 4))
    _, manifest, _ = extract(page([]), windows(), state=state)
    assert (manifest.requests, manifest.complete) == (0, True)
    assert (manifest.window_from, manifest.window_to) == (moment(2), moment(2))


def test_a_run_has_a_name_of_its_mode_and_the_moment_before_it_asked() -> None:
    times: Iterator[datetime] = iter(moment(9, hour) for hour in range(20))
    _, manifest, _ = extract(page([], has_more=False), of=batch(mode=Mode.FULL), now=lambda: next(times))
    assert manifest.extracted_at == moment(9, 0)
    assert manifest.attempt.startswith("full-20260309T")
    assert (manifest.mode, manifest.kind) == ("full", "scheduled")


# --- what is refused ---


@pytest.mark.parametrize(
    ("rows", "rejected", "refused"), [(0, 19, False), (0, 20, True), (19, 20, True), (20, 20, False), (99, 50, False)]
)
def test_many_rejects_and_more_than_records_are_another_api(rows: int, rejected: int, refused: bool) -> None:
    manifest: Manifest = said([], rows=rows, rejected=rejected, rejects=(LandedFile(key="their/key", bytes=1),))
    if not refused:
        refuse_rejects(manifest)
        return
    with pytest.raises(ContractBroken, match=f"{rejected} of {rows + rejected} records .* their/key"):
        refuse_rejects(manifest)


@pytest.mark.parametrize(("rows", "rejected", "refused"), [(5, 0, True), (5, 1, False), (6, 0, False)])
def test_a_reject_counts_as_a_record_that_the_list_still_has(rows: int, rejected: int, refused: bool) -> None:
    spec = source(stream(keep_share=0.5))
    body = page([*records(rows), *({"no": "key"} for _ in range(rejected))], has_more=False)
    state = CursorState(ever_loaded=True, rows_before=10)
    if not refused:
        assert extract(body, spec, state=state)[0] is not None
        return
    with pytest.raises(ContractBroken, match="held back"):
        extract(body, spec, state=state)


FULL_WINDOW = {"state": CursorState(ever_loaded=True, rows_before=5)}
LATER = CursorState(moment(1).isoformat(), ever_loaded=True, rows_before=5)


@pytest.mark.parametrize(
    ("spec", "more", "held"),
    [
        (windows(), FULL_WINDOW, True),
        (windows(lookback=days(2)), {"state": LATER}, False),
        (windows(lookback=days(99)), {"state": LATER}, True),
        (windows(), {**FULL_WINDOW, "of": batch(kind=Kind.BACKFILL)}, False),
        (windows(), {**FULL_WINDOW, "of": batch(kind=Kind.BACKFILL, start=moment(1, month=1))}, True),
        (windows(), {**FULL_WINDOW, "accept_smaller": True}, False),
    ],
)
def test_a_window_that_became_empty_is_held_back_only_where_it_says_all_of_history(
    spec: Any, more: dict[str, Any], held: bool
) -> None:
    if held:
        with pytest.raises(ContractBroken, match="has 0 records, and had 5"):
            extract(page([]), spec, **more)
    else:
        assert extract(page([]), spec, **more)[0] == []


def test_an_export_that_brings_nothing_is_no_list_that_became_empty() -> None:
    export = source(stream("things", CursorExport(path="things", records="entries"), version="t"))
    state = CursorState("c", ever_loaded=True, rows_before=5, next_checkpoint=3)
    _, manifest, _ = extract(page([], after_cursor=None, end_of_stream=True), export, state=state)
    assert (manifest.cursor_to, manifest.checkpoint) == ("c", 0)


def test_a_stream_that_asks_an_api_of_a_source_without_one_needs_a_person() -> None:
    made = replace(extraction(page([]), source(), MemoryStore()), client=None)
    with pytest.raises(NeedsPerson, match=r"vendor\.things asks an API, and its source declares none"):
        made.run(batch(), CursorState())


# --- what is told and landed ---


def test_a_manifest_says_what_the_batch_cost_and_by_which_spec_it_was_read() -> None:
    def slow(path: str, params: Mapping[str, Any]) -> Any:
        time.sleep(0.01)
        return {"entries": [], "has_more": False}

    made = extraction(slow, source(version=7), MemoryStore())
    client = cast(HttpClient, made.client)
    client.tally.count(retries=2, waited=1.23456)
    key = made.run(batch(), CursorState()).key
    assert key
    manifest = read_manifest(made.store, key)
    assert (manifest.requests, manifest.retries, manifest.waited_seconds) == (1, 2, 1.235)
    assert 0.01 <= manifest.seconds < 60
    assert manifest.spec_version == 7


def test_records_and_rejects_are_cut_into_parts_of_the_size_that_was_asked_for() -> None:
    text = [hashlib.shake_128(bytes([number])).hexdigest(200_000) for number in range(4)]
    entries = [*({"id": n, "text": t} for n, t in enumerate(text)), *({"no id": t} for t in text)]
    _, manifest, store = extract(listing(entries, 2), part_bytes=1)
    assert (len(manifest.files), len(manifest.rejects)) == (2, 4)
    assert [json.loads(line)["record"] for line in store.lines(manifest.rejects)] == [
        f'{{"no id": "{t}"}}' for t in text
    ]
    _, manifest, _ = extract(listing(entries, 2))
    assert (len(manifest.files), len(manifest.rejects)) == (1, 1)


def test_a_vendor_that_refuses_ends_the_waits_of_all_streams() -> None:
    def reply(path: str, params: Mapping[str, Any]) -> Any:
        raise NeedsPerson("401")

    made = extraction(reply, source(), MemoryStore())
    ended: list[bool] = []
    made.client.cancel = lambda: ended.append(True)  # type: ignore[union-attr, method-assign]
    with pytest.raises(NeedsPerson):
        made.run(batch(), CursorState())
    assert ended == [True]


def test_a_run_that_read_all_and_found_nothing_new_is_whole_and_has_no_manifest() -> None:
    assert Extracted() == Extracted(key=None, complete=True)
