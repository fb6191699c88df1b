"""A batch's id and place are a function of its fields."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.batch import Batch, Kind, Mode, stamp, utc

ZONES = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=ZONES)  # noqa: DTZ001 - bounds have no zone
NAMES = st.sampled_from(["zendesk", "chartmogul", "tickets"])


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    start, end = sorted((draw(MOMENTS), draw(MOMENTS)))
    return Batch(source=draw(NAMES), stream=draw(NAMES), start=start, end=end, kind=draw(st.sampled_from(Kind)))


@given(one=batches(), other=batches())
def test_ids_are_equal_exactly_when_batches_are(one: Batch, other: Batch) -> None:
    assert (one.id == other.id) == (one == other)
    assert (one.prefix == other.prefix) == (one == other)


@given(batch=batches(), zone=ZONES)
def test_the_zone_in_which_an_interval_is_written_does_not_matter(batch: Batch, zone: timezone) -> None:
    start, end = batch.start.astimezone(zone), batch.end.astimezone(zone)
    assert Batch(source=batch.source, stream=batch.stream, start=start, end=end, kind=batch.kind).id == batch.id


@given(batch=batches())
def test_a_full_read_replaces_the_incremental_one(batch: Batch) -> None:
    full = Batch(
        source=batch.source, stream=batch.stream, start=batch.start, end=batch.end, kind=batch.kind, mode=Mode.FULL
    )
    assert full.id == batch.id


def test_a_batch_lands_where_people_look_for_it() -> None:
    start = datetime(2026, 11, 21, 2, tzinfo=UTC)
    batch = Batch(source="zendesk", stream="tickets", start=start, end=start + timedelta(days=1))
    assert batch.id == "zendesk.tickets.20261121T020000Z-20261122T020000Z.scheduled"
    assert batch.prefix == f"landing/zendesk/tickets/20261121T020000Z/{batch.id}/"


@given(one=MOMENTS, other=MOMENTS)
def test_stamps_sort_as_moments_do(one: datetime, other: datetime) -> None:
    one, other = one.replace(microsecond=0), other.replace(microsecond=0)
    assert (stamp(one) < stamp(other)) == (one < other)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="2026-11-22T00:00:00Z"):
        utc(datetime(2026, 11, 22))  # noqa: DTZ001 - that is what is tried


def test_an_interval_that_ends_before_it_starts_is_refused() -> None:
    start = datetime(2026, 11, 22, tzinfo=UTC)
    with pytest.raises(ValueError, match="Swap `from` and `to`"):
        Batch(source="s", stream="t", start=start, end=start - timedelta(seconds=1))
