"""Which window a batch covers, and how time is cut and spelled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from catchment.batch import Batch, Kind, Mode
from catchment.cursor import CursorState, Unfinished
from catchment.extract.privacy import Privacy
from catchment.reads.http_list import Dates, HttpList, Window, window_span
from catchment.reads.protocol import ReadTask
from catchment.times import MINUTE, SECOND, Span, TimeFormat, days, hours, moment_of
from tests.support.make import batch, http_list, moment, source, stream
from tests.support.store import MemoryStore
from tests.support.vendor import InProcess

LOOKBACK = days(90)
DATES = Dates("from", "to")
DEEP = Window("date", lookback=LOOKBACK, full_each_month=True)
SHALLOW = Window("date", lookback=days(2))
STREAM = stream("windows", http_list("windows", dates=DATES, window=SHALLOW))
SPEC = source(STREAM)
HISTORY = SPEC.history_start
MOMENTS = st.datetimes(datetime(2021, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


def task(of: Batch, state: CursorState, **more: Any) -> ReadTask:
    return ReadTask(
        source=SPEC,
        stream=STREAM,
        batch=of,
        state=state,
        store=MemoryStore(),
        privacy=Privacy(secret=(), personal=(), key=b""),
        history_start=HISTORY,
        files_loaded=frozenset,
        **{
            "http": cast(Any, InProcess(lambda path, params: {})),
            "now": lambda: moment(2),
            "open_bucket": lambda name: MemoryStore(),
            **more,
        },
    )


def span(window: Window, of: Batch, state: CursorState) -> Span:
    return window_span(window, task(of, state))


def at(cursor: datetime) -> CursorState:
    return CursorState(cursor.isoformat(), ever_loaded=True)


@given(cursor=MOMENTS, end=MOMENTS)
def test_a_window_reaches_from_its_look_back_to_the_batchs_end(cursor: datetime, end: datetime) -> None:
    of = Batch(source="vendor", stream="windows", start=min(cursor, end), end=end)
    assert span(SHALLOW, of, at(cursor)) == Span(min(cursor, end) - days(2), end)


@given(cursor=MOMENTS, end=MOMENTS)
def test_windows_leave_no_gap_and_cover_all_history_once_a_month(cursor: datetime, end: datetime) -> None:
    assume(cursor <= end)
    of = Batch(source="vendor", stream="windows", start=cursor, end=end)
    same_month = (cursor.year, cursor.month) == (end.year, end.month)
    assert span(DEEP, of, at(cursor)) == Span(cursor - LOOKBACK if same_month else HISTORY, end)


def test_a_first_window_and_a_full_one_cover_all_history() -> None:
    assert span(DEEP, batch("windows"), CursorState()) == Span(HISTORY, moment(2))
    assert span(DEEP, batch("windows", mode=Mode.FULL), at(moment(1))) == Span(HISTORY, moment(2))


def test_a_window_never_begins_before_history() -> None:
    end = HISTORY + days(3)
    of = Batch(source="vendor", stream="windows", start=HISTORY, end=end)
    assert span(DEEP, of, at(end)) == Span(HISTORY, end)


def test_a_backfill_of_a_window_is_that_window_alone() -> None:
    backfill = batch("windows", kind=Kind.BACKFILL)
    assert span(DEEP, backfill, at(moment(9))) == Span(moment(1), moment(2))


@pytest.mark.parametrize("kind", Kind)
def test_an_unfinished_window_goes_on_where_its_last_slice_ended(kind: Kind) -> None:
    state = replace(at(moment(1)), unfinished=Unfinished("incremental-1", moment(1, 14).isoformat(), 2))
    assert span(DEEP, batch("windows", kind=kind), state) == Span(moment(1, 14), moment(2))


def test_a_margin_is_asked_for_and_not_claimed() -> None:
    """tap-zendesk PR 37, and the finding "a window claims what the vendor was not asked for": a vendor that filters by
    days of its own zone leaves out the edges of a window in UTC. Right: each slice asks for more than it claims."""
    vendor = InProcess(lambda path, params: {"entries": [], "has_more": False})
    window = Window("date", lookback=days(2), slice=days(1), margin=days(1))
    read = http_list("windows", dates=DATES, window=window)
    plan = read.plan(task(batch("windows"), at(moment(1)), http=cast(Any, vendor)))
    for stream_of_pages in plan.streams:
        list(stream_of_pages())
    asked = [(params["from"], params["to"]) for params in vendor.asked]
    assert asked == [("2026-02-26", "2026-03-01"), ("2026-02-27", "2026-03-02"), ("2026-02-28", "2026-03-03")]
    assert plan.window_from == moment(27, month=2)


@pytest.mark.parametrize("spelled", [TimeFormat.UNIX, TimeFormat.ISO])
def test_a_window_that_ends_within_a_second_asks_for_the_whole_of_it(spelled: TimeFormat) -> None:
    """Found by reading: a manual run ends at the moment of its trigger, and vendors count in seconds. What was given in
    that very second was claimed and, where the end is exclusive, not asked for. Right: a second more is asked for."""
    end = moment(2) + timedelta(milliseconds=400)
    asked = Dates("from", "to", spelled).of(Span(moment(1), end))
    assert asked == {"from": spelled.spell(moment(1)), "to": spelled.spell(moment(2) + timedelta(seconds=1))}
    assert Dates("from", "to", spelled).of(Span(moment(1), moment(2)))["to"] == spelled.spell(moment(2))


def test_a_window_without_dates_to_ask_for_it_is_no_spec() -> None:
    with pytest.raises(ValueError, match="needs the `dates` parameters"):
        HttpList(path="windows", records="entries", window=SHALLOW)


def test_a_dated_list_speaks_of_its_batchs_end_and_another_of_when_it_was_asked() -> None:
    now = moment(9)
    assert http_list(dates=DATES).plan(task(batch(), CursorState(), now=lambda: now)).as_of == moment(2)
    assert http_list().plan(task(batch(), CursorState(), now=lambda: now)).as_of == now


@given(start=MOMENTS, length=st.timedeltas(timedelta(0), days(400)), step=st.one_of(st.none(), st.just(days(60))))
def test_slices_cover_a_span_once(start: datetime, length: timedelta, step: timedelta | None) -> None:
    span = Span(start, start + length)
    slices = list(span.sliced(step))
    bounds = [part.start for part in slices] + [slices[-1].end] if slices else [span.start]
    assert bounds[0] == span.start
    assert bounds[-1] == span.end
    assert all(one.end == other.start for one, other in pairwise(slices))
    assert all(part.end - part.start <= (step or length) and part.start < part.end for part in slices)


@given(MOMENTS)
def test_a_moment_is_spelled_as_vendors_read_it(at: datetime) -> None:
    at = at.replace(microsecond=0)
    assert moment_of(TimeFormat.ISO.spell(at)) == at
    assert moment_of(TimeFormat.UNIX.spell(at)) == at
    assert TimeFormat.UNIX_MS.spell(at) == int(TimeFormat.UNIX.spell(at)) * 1000
    assert TimeFormat.DATE.spell(at) == at.date().isoformat()


def test_a_moment_of_any_zone_is_spelled_in_utc() -> None:
    late = datetime(2026, 3, 1, 22, 30, 59, 999_999, tzinfo=timezone(timedelta(hours=-5)))
    assert TimeFormat.ISO.spell(late) == "2026-03-02T03:30:59Z"
    assert TimeFormat.DATE.spell(late) == "2026-03-02"
    assert TimeFormat.UNIX.spell(late) == 1772422259


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-03-01T02:00:00", datetime(2026, 3, 1, 2, tzinfo=UTC)),
        ("2026-03-01T02:00:00-05:00", datetime(2026, 3, 1, 7, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-86_400, datetime(1969, 12, 31, tzinfo=UTC)),
    ],
)
def test_a_moment_without_a_zone_is_in_utc(value: object, moment: datetime) -> None:
    found = moment_of(value)
    assert found == moment
    assert found is not None
    assert found.tzinfo is not None


def test_units_of_time() -> None:
    assert (hours(2), days(1), MINUTE, SECOND) == (timedelta(0, 7200), timedelta(1), timedelta(0, 60), timedelta(0, 1))


@pytest.mark.parametrize("value", [None, True, "soon", 1.5, {}, [], 10**30])
def test_what_is_no_moment_is_none(value: object) -> None:
    assert moment_of(value) is None
