"""Reports that a vendor makes: asked for, polled until they are made, downloaded; they claim what they were asked for.

`test_throwaway_source.py` has one over real HTTP.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from catchment.cursor import CursorState, Unfinished
from catchment.errors import ContractBroken, VendorUnavailable
from catchment.http.limits import RateLimit
from catchment.http.paginators import PageNumber
from catchment.http.request import Request
from catchment.reads.http_list import Dates, Window
from catchment.reads.http_report import Download, HttpReport, Poll
from catchment.reads.protocol import Mark
from catchment.spec import Current, Stream
from catchment.times import SECOND, days
from tests.support.make import batch, moment, stream
from tests.support.store import MemoryStore
from tests.support.vendor import InProcess
from tests.unit.test_asked import Asked, extract
from tests.unit.test_windows import task

LIMITS = (RateLimit(7, per=SECOND),)
POLL = Poll("reports/{report}", failed=("failed", "expired"), every=7 * SECOND, timeout=30 * SECOND)
DATES = Dates("range.from", "range.to")
Replies = Callable[[str, Mapping[str, Any]], Any]


def report(**fields: Any) -> Stream:
    ask = Request("reports", method="POST", params={"kind": "all"}, json={"columns": ["id"]})
    download = Download(url_field="result.url", records="rows")
    return stream("things", HttpReport(**{"ask": ask, "poll": POLL, "download": download, "limits": LIMITS, **fields}))


def vendor(*states: str, rows: Any = (), gives: Any = None) -> Replies:
    """Makes a report for each request, with the ids 1, 2, …; each poll says the next of `states`, then the last."""
    left, numbers = list(states), itertools.count(1)

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        if path == "reports":
            return gives or {"id": next(numbers)}
        if path.startswith("reports/"):
            state = left.pop(0) if len(left) > 1 else left[0]
            return {"status": state, "result": {"url": f"https://files.example/{path.removeprefix('reports/')}"}}
        return {"rows": rows}

    return reply


def paths(asked: Asked) -> list[str]:
    return [request.path for request in asked.requests]


def test_a_report_is_asked_for_once_polled_until_it_is_made_and_downloaded() -> None:
    store = MemoryStore()
    manifest, asked = extract(batch(), report(), reply=vendor("new", "new", "completed", rows=[{"id": 1}]), store=store)
    assert store.rows(manifest) == [b'{"id": 1}']
    assert paths(asked) == ["reports", *["reports/1"] * 3, "https://files.example/1"]
    assert [request.signed for request in asked.requests] == [True, True, True, True, False]
    assert asked.limits == [LIMITS] * 5
    assert asked.paused == [7.0, 7.0]


def test_a_report_that_is_made_at_once_is_not_waited_for() -> None:
    assert extract(batch(), report(), reply=vendor("Completed"))[1].paused == []


def test_a_report_may_be_downloaded_from_the_api_itself_page_by_page() -> None:
    pages = PageNumber(size=1)
    of = report(download=Download(path="results/{report}", records="rows", paginator=pages))
    answers = vendor("completed")

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        if path.startswith("results/"):
            return {"rows": [{"id": params["page"]}] if params["page"] < 3 else []}
        return answers(path, params)

    manifest, asked = extract(batch(), of, reply=reply)
    assert manifest.rows == 2
    assert [(request.path, request.signed) for request in asked.requests[2:]] == [("results/1", True)] * 3


@pytest.mark.parametrize(("gives", "path"), [({"id": "a-1"}, "reports/a-1"), ({"id": 0}, "reports/0")])
def test_the_id_of_a_report_is_a_text_or_a_number(gives: Any, path: str) -> None:
    assert paths(extract(batch(), report(), reply=vendor("completed", gives=gives))[1])[1] == path


@pytest.mark.parametrize("gives", [{"other": 1}, {"id": None}, {"id": True}, {"id": {"of": 1}}])
def test_a_reply_without_an_id_is_a_broken_contract(gives: Any) -> None:
    with pytest.raises(ContractBroken, match='POST /reports gave no report id at "id"'):
        extract(batch(), report(), reply=vendor("completed", gives=gives))


def test_the_id_and_the_status_may_stand_deep_in_their_replies() -> None:
    of = report(id_field="report.id", poll=replace(POLL, status_field="report.state.name"))
    answers = vendor("completed", gives={"report": {"id": 5}})

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        found = answers(path, params)
        return {**found, "report": {"state": {"name": "completed"}}} if path == "reports/5" else found

    assert paths(extract(batch(), of, reply=reply)[1]) == ["reports", "reports/5", "https://files.example/5"]


@pytest.mark.parametrize("state", ["report", 5, None])
def test_a_status_that_is_not_there_is_a_report_in_the_making(state: Any) -> None:
    of = report(poll=replace(POLL, status_field="report.state"))
    with pytest.raises(VendorUnavailable, match='its status is still "nothing"'):
        extract(batch(), of, reply=lambda path, params: {"id": 1, "report": state})


@pytest.mark.parametrize("word", ["failed", "expired"])
def test_a_report_that_the_vendor_gives_up_is_for_a_person(word: str) -> None:
    with pytest.raises(ContractBroken, match=f'The report 1 of POST /reports was not made: .* is "{word}"'):
        extract(batch(), report(), reply=vendor("new", word))


def test_a_report_that_is_not_made_in_time_is_asked_for_again_later() -> None:
    """amzn/selling-partner-api-models issue 1457: IN_PROGRESS for more than 48 hours."""
    asked = Asked(vendor("new"))
    plan = report().read.plan(task(batch(), CursorState(), http=cast(Any, asked)))
    assert plan is not None
    (pages,) = plan.streams
    with pytest.raises(VendorUnavailable, match="not ready after 30 s"):
        list(pages())
    assert sum(asked.paused) == 30


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b'{"id": "\xff"}', b""])
def test_a_reply_that_is_no_object_is_the_vendors_trouble(body: bytes) -> None:
    with pytest.raises(VendorUnavailable, match="not a JSON object"):
        extract(batch(), report(), reply=lambda path, params: body)


# --- dates and windows ---


def test_a_report_without_dates_speaks_of_when_it_was_asked_for_and_is_bound_by_nothing() -> None:
    manifest, asked = extract(batch(), report(), reply=vendor("completed"), now=moment(9))
    assert manifest.as_of == moment(9)
    assert (dict(asked.requests[0].params), asked.requests[0].json) == ({"kind": "all"}, {"columns": ["id"]})


@pytest.mark.parametrize(("now", "as_of"), [(moment(9), moment(2)), (moment(1, 5), moment(1, 5))])
def test_a_report_with_dates_covers_all_history_and_speaks_of_its_end(now: datetime, as_of: datetime) -> None:
    manifest, asked = extract(batch(), report(dates=DATES), reply=vendor("completed"), now=now)
    assert manifest.as_of == as_of
    assert asked.requests[0].params == {"kind": "all", "range.from": "2026-01-01", "range.to": "2026-03-02"}
    assert asked.requests[0].json == {"columns": ["id"]}


def test_dates_may_go_into_the_body() -> None:
    _, asked = extract(batch(), report(dates=DATES, dates_in_body=True), reply=vendor("completed"))
    assert asked.requests[0].params == {"kind": "all"}
    assert asked.requests[0].json == {"columns": ["id"], "range": {"from": "2026-01-01", "to": "2026-03-02"}}


WINDOWED = report(dates=DATES, window=Window("at", lookback=days(2), slice=days(2)))
BEFORE = CursorState(moment(1).isoformat(), ever_loaded=True)


def test_a_window_is_one_report_a_slice_and_claims_what_it_was_asked_for() -> None:
    rows = [{"id": 1, "at": "2026-03-01"}, {"id": 2}]
    manifest, asked = extract(batch(), WINDOWED, reply=vendor("completed", rows=rows), state=BEFORE, now=moment(9))
    ranges = [(r.params["range.from"], r.params["range.to"]) for r in asked.requests if r.path == "reports"]
    assert ranges == [("2026-02-27", "2026-03-01"), ("2026-03-01", "2026-03-02")]
    assert paths(asked)[3:] == ["reports", "reports/2", "https://files.example/2"]
    assert (manifest.window_from, manifest.window_to) == (moment(27, month=2), moment(2))
    assert (manifest.cursor_from, manifest.cursor_to) == (moment(1).isoformat(), moment(2).isoformat())
    assert manifest.as_of == moment(9)
    assert (manifest.rows, manifest.rejected) == (2, 2)  # a row without its moment would be current nowhere


def test_a_window_whose_last_slice_was_sealed_already_ends_with_nothing_more_to_ask() -> None:
    """Without its end it would not be known to cover what an earlier reading of the same batch left."""
    state = CursorState(unfinished=Unfinished("incremental-0", moment(2).isoformat(), 4))
    manifest, asked = extract(batch(), WINDOWED, state=state)
    assert asked.requests == []
    assert (manifest.window_from, manifest.window_to) == (moment(2), moment(2))
    assert (manifest.cursor_to, manifest.complete, manifest.checkpoint) == (moment(2).isoformat(), True, 4)


def test_a_checkpoint_may_be_sealed_after_each_report_of_a_window() -> None:
    plan = WINDOWED.read.plan(task(batch(), BEFORE, http=cast(Any, InProcess(vendor("completed")))))
    assert plan is not None
    marks = [piece.mark for pages in plan.streams for piece in pages() if piece.mark]
    assert marks == [Mark(end.isoformat(), end, end) for end in (moment(1), moment(2))]


def test_the_rule_of_a_report() -> None:
    assert (report().read.current, WINDOWED.read.current) == (Current.NEWEST_LIST, Current.NEWEST_WINDOW)


def test_a_report_has_half_an_hour_unless_its_spec_says_otherwise() -> None:
    assert (Poll("p").every, Poll("p").timeout) == (timedelta(seconds=5), timedelta(minutes=30))
