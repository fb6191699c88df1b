"""What a vendor is asked, where the answer alone would not show that it was asked for something else.

`make mutants` found each of these: the code could be changed there and no test failed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

import pytest

from catchment.batch import Batch, Kind
from catchment.cursor import CursorState
from catchment.errors import VendorUnavailable
from catchment.extract.run import Extraction
from catchment.http.actions import Action, Do
from catchment.http.client import HttpClient, Reply
from catchment.http.limits import RateLimit
from catchment.http.paginators import SinglePage
from catchment.http.request import Request
from catchment.landing import Manifest, RecordFormat, manifest_key, read_manifest
from catchment.reads.http_export import CursorExport, TimeExport
from catchment.reads.http_list import Dates, Window
from catchment.spec import Current, Parent, SourceSpec, Stream
from catchment.times import SECOND, days
from tests.support.make import batch, http_list, moment, source, stream
from tests.support.store import MemoryStore
from tests.support.vendor import InProcess

NOW = moment(2)
LIMITS = (RateLimit(7, per=SECOND),)
DATES = Dates("since", "until")


class Asked(InProcess):
    """Keeps the requests and the limits that they were sent within."""

    def __init__(self, reply: Callable[[str, Mapping[str, Any]], Any]) -> None:
        super().__init__(reply)
        self.requests: list[Request] = []
        self.limits: list[object] = []
        self.actions: list[object] = []

    def send(
        self, request: Request, *, accept: Callable[[Reply], Any], limits: object = (), actions: object = ()
    ) -> Any:
        self.requests.append(request)
        self.limits.append(limits)
        self.actions.append(actions)
        return super().send(request, accept=accept, limits=limits, actions=actions)

    def download(self, request: Request, into: BinaryIO, *, limits: object = (), actions: object = ()) -> None:
        self.requests.append(request)
        self.limits.append(limits)
        super().download(request, into, limits=limits, actions=actions)


def extract(
    of: Batch,
    *streams: Stream,
    reply: Callable[[str, Mapping[str, Any]], Any] = lambda path, params: {"entries": []},
    store: MemoryStore | None = None,
    state: CursorState | None = None,
    now: datetime = NOW,
) -> tuple[Manifest, Asked]:
    spec: SourceSpec = source(*streams, history_start=datetime(2026, 1, 1, tzinfo=UTC))
    vendor, store = Asked(reply), store or MemoryStore()
    extraction = Extraction(
        source=spec,
        client=cast(HttpClient, vendor),
        store=store,
        history_start=spec.history_start,
        load=lambda key: None,
        now=lambda: now,
    )
    extracted = extraction.run(of, state or CursorState())
    assert extracted.key
    return read_manifest(store, extracted.key), vendor


def single(**fields: Any) -> Stream:
    return stream("things", http_list("things", paginator=SinglePage(), limits=LIMITS, **fields))


def test_a_dated_list_is_asked_for_all_of_history_and_another_for_no_dates() -> None:
    _, dated = extract(batch(), single(dates=DATES))
    assert [dict(request.params) for request in dated.requests] == [{"since": "2026-01-01", "until": "2026-03-02"}]
    _, plain = extract(batch(), single(params={"state": "all"}))
    assert [dict(request.params) for request in plain.requests] == [{"state": "all"}]
    assert plain.limits == [LIMITS]


def test_a_list_is_asked_for_by_its_method_and_body() -> None:
    _, vendor = extract(batch(), single(method="POST", json={"query": "all"}))
    assert [(request.method, request.json) for request in vendor.requests] == [("POST", {"query": "all"})]


def test_the_rule_and_the_form_of_a_list() -> None:
    windowed = http_list(window=Window("at", lookback=days(1)), dates=DATES)
    child = http_list("{id}", parent=Parent("things", "id", "id"))
    assert [read.current for read in (http_list(), windowed)] == [Current.NEWEST_LIST, Current.NEWEST_WINDOW]
    assert [read.record_format for read in (http_list(), child)] == [RecordFormat.RECORDS, RecordFormat.ENVELOPES]


def test_a_row_of_a_window_without_its_moment_is_a_reject() -> None:
    """It would belong to no window, and be current nowhere."""
    of = single(window=Window("at", lookback=days(1)), dates=DATES)
    rows = [{"id": 1, "at": "2026-03-01"}, {"id": 2}]
    manifest, _ = extract(batch(), of, reply=lambda path, params: {"entries": rows})
    assert (manifest.rows, manifest.rejected) == (1, 1)


def test_a_window_says_where_it_began_and_claims_no_margin() -> None:
    of = single(window=Window("at", lookback=days(3)), dates=DATES)
    manifest, vendor = extract(batch(), of, state=CursorState(moment(1).isoformat(), ever_loaded=True))
    assert (manifest.cursor_from, manifest.cursor_to) == (moment(1).isoformat(), moment(2).isoformat())
    assert manifest.window_to == moment(2)
    assert manifest.window_from is not None
    assert vendor.requests[0].params["since"] == manifest.window_from.date().isoformat()


def test_a_backfill_of_children_reads_the_parents_of_the_backfill() -> None:
    parents, children = single(), stream("kids", http_list("things/{id}", parent=Parent("things", "id", "id")))
    store = MemoryStore()

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        return {"entries": [{"id": 5 if path == "things" else 50}], "has_more": False, "cursor": None}

    interval = batch(kind=Kind.BACKFILL)
    extract(interval, parents, children, reply=reply, store=store)
    assert manifest_key(interval) in store.objects
    _, vendor = extract(replace(interval, stream="kids"), parents, children, reply=reply, store=store)
    assert [request.path for request in vendor.requests] == ["things/5"]


def test_a_parent_that_is_gone_has_no_children_and_a_list_that_is_gone_is_an_error() -> None:
    own = Action(423, Do.RETRY)
    parents = single(actions=(own,))
    kids = stream("kids", http_list("things/{id}", paginator=SinglePage(), parent=Parent("things", "id", "id")))
    store = MemoryStore()
    _, plain = extract(batch(), parents, kids, reply=lambda path, params: {"entries": [{"id": 1}]}, store=store)
    assert plain.actions == [(own,)]
    _, of_kids = extract(batch("kids"), parents, kids, store=store)
    assert of_kids.actions == [(Action(404, Do.SKIP),)]


@pytest.mark.parametrize("fields", [{"dates": DATES}, {"dates": DATES, "window": Window("at")}])
def test_a_list_of_children_with_dates_is_no_spec(fields: dict[str, Any]) -> None:
    """Found by a mutant: they were declared, and the vendor was not asked for them."""
    with pytest.raises(ValueError, match="children are read whole, so `dates` would not be asked for"):
        http_list("things/{id}", parent=Parent("things", "id", "id"), **fields)


EXPORT = stream("things", CursorExport(path="export", records="entries", limits=LIMITS), version="at")
END = int(moment(2).timestamp())


def pages(*replies: Mapping[str, Any]) -> Callable[[str, Mapping[str, Any]], Any]:
    left = iter(replies)
    return lambda path, params: next(left)


def page(cursor: str | None, at: int, done: bool = False) -> dict[str, Any]:
    return {"entries": [{"id": at, "at": at}], "after_cursor": cursor, "end_of_stream": done}


def test_an_export_begins_where_the_last_one_ended() -> None:
    state = CursorState("c0", ever_loaded=True)
    manifest, vendor = extract(batch(), EXPORT, reply=pages(page("c1", 5, done=True)), state=state)
    assert (manifest.cursor_from, manifest.cursor_to) == ("c0", "c1")
    assert [dict(request.params) for request in vendor.requests] == [{"cursor": "c0"}]
    assert vendor.limits == [LIMITS]


@pytest.mark.parametrize(
    ("of", "start"),
    [(batch(), datetime(2026, 1, 1, tzinfo=UTC)), (batch(kind=Kind.BACKFILL), moment(1))],
)
def test_an_export_without_a_cursor_begins_with_history_and_a_backfill_with_its_window(
    of: Batch, start: datetime
) -> None:
    for read in (CursorExport(path="export", records="entries"), TimeExport(path="export", records="entries")):
        end = {"entries": [], "after_cursor": None, "end_time": None, "end_of_stream": True}
        _, vendor = extract(of, replace(EXPORT, read=read), reply=pages(end), now=moment(9))
        assert [dict(request.params) for request in vendor.requests] == [{"start_time": int(start.timestamp())}]


@pytest.mark.parametrize(("last", "asked"), [(END - 1, 2), (END, 1), (END + 1, 1)])
def test_an_export_ends_after_the_page_that_reaches_its_batchs_end(last: int, asked: int) -> None:
    manifest, vendor = extract(batch(), EXPORT, reply=pages(page("c1", last), page("c2", END + 9)))
    assert len(vendor.requests) == asked
    assert manifest.cursor_to == f"c{asked}"


@pytest.mark.parametrize(
    ("cursors", "says"),
    [
        ((None,), "is empty"),
        (("c1", "c1"), "the page before came again"),
        (("c1", "c2", "c1", "c2", "c1", "c2"), "circle"),
    ],
)
def test_an_export_that_does_not_lead_on_is_the_vendors_trouble(cursors: tuple[str, ...], says: str) -> None:
    replies = [page(cursor, number) for number, cursor in enumerate(cursors)]
    with pytest.raises(VendorUnavailable, match=says):
        extract(batch(), EXPORT, reply=pages(*replies))


def test_an_empty_page_that_is_the_last_ends_an_export_and_keeps_its_cursor() -> None:
    end = {"entries": [], "after_cursor": None, "end_of_stream": True}
    manifest, _ = extract(batch(), EXPORT, reply=pages(page("c1", 5), end))
    assert (manifest.rows, manifest.cursor_to) == (1, "c1")


def test_an_export_by_time_asks_up_to_what_has_settled_and_not_beyond_its_end() -> None:
    of = stream("things", TimeExport(path="export", records="entries", limits=LIMITS), version="at")
    state = CursorState(str(END - 65), ever_loaded=True)
    reply = {"entries": [{"id": 1, "at": END}], "end_time": END, "end_of_stream": False}
    manifest, vendor = extract(batch(), of, reply=pages(reply), state=state)
    assert [dict(request.params) for request in vendor.requests] == [{"start_time": END - 65}]
    assert (manifest.cursor_to, vendor.limits) == (str(END), [LIMITS])
    late = CursorState(str(END - 64), ever_loaded=True)
    manifest, vendor = extract(batch(), of, reply=pages(reply), state=late)
    assert (vendor.requests, manifest.cursor_to) == ([], str(END - 64))


def test_past_a_flood_an_export_goes_on_with_the_next_second() -> None:
    of = stream("things", TimeExport(path="export", records="entries"), version="at")
    start = END - 1000
    flood = {"entries": [{"id": n, "at": start} for n in range(2)], "end_time": start, "end_of_stream": False}
    last = {"entries": [{"id": 9, "at": END}], "end_time": END, "end_of_stream": True}
    manifest, vendor = extract(
        batch(), of, reply=pages(flood, last), state=CursorState(str(start), ever_loaded=True), now=moment(3)
    )
    assert [request.params["start_time"] for request in vendor.requests] == [start, start + 1]
    assert (manifest.rows, len(manifest.gaps)) == (3, 1)
