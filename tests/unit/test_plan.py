"""What a batch reads, decided before the first request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from catchment.extract.plan import Progress, ReadAll, ReadOn, ReadSpan, ReadTab, Span, moment_of, plan, spelled
from hypothesis import assume, given
from hypothesis import strategies as st

from catchment.batch import Batch, Kind, Mode
from catchment.spec import SavedCursor, SheetTab, Snapshot, TimeExport, TimeFormat, Window, days
from tests.support.make import batch, moment, source, stream

LOOKBACK = days(90)
WINDOW = stream("windows", Window(at="date", start="from", end="to", lookback=LOOKBACK, full_each_month=True))
SHALLOW = stream("shallow", Window(at="date", start="from", end="to", lookback=days(2)))
LIST = stream("list", Snapshot())
CURSOR = stream("cursor", SavedCursor())
EXPORT = stream("export", TimeExport())
TAB = stream("tab", SheetTab("sheet", "Tab", ("a",)))
SPEC = source(WINDOW, SHALLOW, LIST, CURSOR, EXPORT, TAB)
HISTORY = SPEC.history_start
MOMENTS = st.datetimes(datetime(2021, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


@pytest.mark.parametrize("of", [CURSOR, EXPORT], ids=["saved cursor", "time export"])
def test_an_export_goes_on_from_the_ledgers_cursor(of: object) -> None:
    name = of.name
    own = Progress("42", True, reached="77", reached_at=moment(9))
    assert plan(SPEC, SPEC.stream(name), batch(name), own) == ReadOn("42", HISTORY, moment(2), "77", moment(9))
    first = plan(SPEC, SPEC.stream(name), batch(name), Progress())
    assert first == ReadOn(None, HISTORY, moment(2))


@pytest.mark.parametrize("name", ["cursor", "export"])
def test_a_backfill_of_an_export_starts_at_its_own_interval(name: str) -> None:
    backfill = batch(name, kind=Kind.BACKFILL)
    assert plan(SPEC, SPEC.stream(name), backfill, Progress("42", True)) == ReadOn(None, moment(1), moment(2))


@pytest.mark.parametrize("name", ["cursor", "export"])
def test_a_full_read_of_an_export_starts_with_history(name: str) -> None:
    planned = plan(SPEC, SPEC.stream(name), batch(name, mode=Mode.FULL), Progress("42", True))
    assert planned == ReadOn(None, HISTORY, moment(2))


def test_a_list_is_read_whole() -> None:
    assert plan(SPEC, LIST, batch("list"), Progress("42", True)) == ReadAll(Span(HISTORY, moment(2)))


def test_a_tab_is_compared_with_what_it_was_unless_all_is_asked_for() -> None:
    assert plan(SPEC, TAB, batch("tab"), Progress("state", True)) == ReadTab("state")
    assert plan(SPEC, TAB, batch("tab", mode=Mode.FULL), Progress("state", True)) == ReadTab(None)


@given(cursor=MOMENTS, end=MOMENTS)
def test_a_window_reaches_from_its_look_back_to_the_batchs_end(cursor: datetime, end: datetime) -> None:
    batch = Batch(source="vendor", stream="shallow", start=min(cursor, end), end=end)
    planned = plan(SPEC, SHALLOW, batch, Progress(cursor.isoformat(), True))
    assert planned == ReadSpan(Span(min(cursor, end) - days(2), end))


@given(cursor=MOMENTS, end=MOMENTS)
def test_windows_leave_no_gap_and_cover_all_history_once_a_month(cursor: datetime, end: datetime) -> None:
    assume(cursor <= end)
    batch = Batch(source="vendor", stream="windows", start=cursor, end=end)
    planned = plan(SPEC, WINDOW, batch, Progress(cursor.isoformat(), True))
    assert isinstance(planned, ReadSpan)
    same_month = (cursor.year, cursor.month) == (end.year, end.month)
    assert planned.span == Span(cursor - LOOKBACK if same_month else HISTORY, end)


def test_a_first_window_and_a_full_one_cover_all_history() -> None:
    everything = ReadSpan(Span(HISTORY, moment(2)))
    assert plan(SPEC, WINDOW, batch("windows"), Progress()) == everything
    full = batch("windows", mode=Mode.FULL)
    assert plan(SPEC, WINDOW, full, Progress(moment(1).isoformat(), True)) == everything


def test_a_window_never_begins_before_history() -> None:
    end = HISTORY + days(3)
    batch = Batch(source="vendor", stream="windows", start=HISTORY, end=end)
    assert plan(SPEC, WINDOW, batch, Progress(end.isoformat(), True)) == ReadSpan(Span(HISTORY, end))


def test_a_backfill_of_a_window_is_that_window_alone() -> None:
    backfill = batch("windows", kind=Kind.BACKFILL)
    planned = plan(SPEC, WINDOW, backfill, Progress(moment(9).isoformat(), True))
    assert planned == ReadSpan(Span(moment(1), moment(2)))


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
    assert moment_of(spelled(at, TimeFormat.ISO)) == at
    assert moment_of(spelled(at, TimeFormat.UNIX)) == at
    assert spelled(at, TimeFormat.DATE) == at.date().isoformat()


@pytest.mark.parametrize("value", [None, True, "soon", 1.5, {}, []])
def test_what_is_no_moment_is_none(value: object) -> None:
    assert moment_of(value) is None
