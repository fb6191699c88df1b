"""What a replay brings again, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.ranges import Known, OffsetRange, ReplayRequest, ranges
from catchment.errors import NeedsPerson

T = "s0.public.t"
P0, P1 = Partition(T, 0), Partition(T, 1)
MORNING, NOON = datetime(2026, 3, 1, 6, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC)


def offsets(start: int, end: int) -> ReplayRequest:
    return ReplayRequest(topic=T, partitions=(0,), from_offset=start, to_offset=end)


def test_the_last_offset_is_part_of_the_range() -> None:
    assert ranges(offsets(5, 9), {P0: Known(0, 100)}) == (OffsetRange(P0, 5, 10),)


def test_what_is_not_loaded_yet_is_left_to_the_loader() -> None:
    assert ranges(offsets(5, 500), {P0: Known(0, 100)}) == (OffsetRange(P0, 5, 100),)
    with pytest.raises(NeedsPerson, match=r"loaded up to offset 99.* Nothing was changed"):
        ranges(offsets(100, 500), {P0: Known(0, 100)})


def test_offsets_that_kafka_no_longer_has_are_refused_with_those_that_it_has() -> None:
    with pytest.raises(NeedsPerson, match=r"keeps s0.public.t/0 from offset 50 on: 5 to 49 can't be replayed"):
        ranges(offsets(5, 60), {P0: Known(50, 100)})
    with pytest.raises(NeedsPerson, match="5 to 9 can't"):
        ranges(offsets(5, 9), {P0: Known(50, 100)})


def test_times_are_offsets_in_each_partition() -> None:
    request = ReplayRequest(topic=T, from_time=MORNING, to_time=NOON)
    known = {P0: Known(0, 100, at_from=10, at_to=20), P1: Known(0, 30, at_from=7, at_to=None)}
    assert ranges(request, known) == (OffsetRange(P0, 10, 20), OffsetRange(P1, 7, 30))


def test_a_time_after_the_last_record_is_nothing() -> None:
    assert ranges(ReplayRequest(topic=T, from_time=NOON), {P0: Known(0, 100, at_from=None)}) == ()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"from_offset": 1, "to_offset": 2, "from_time": NOON, "partitions": (0,)},
        {"from_offset": 1, "partitions": (0,)},
        {"from_offset": 1, "to_offset": 2},
        {"from_offset": 1, "to_offset": 2, "partitions": (0, 1)},
        {"from_offset": 3, "to_offset": 2, "partitions": (0,)},
        {"to_time": NOON},
        {"from_time": NOON, "to_time": MORNING},
    ],
)
def test_a_form_that_means_nothing_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(NeedsPerson, match=f"Replay of {T}"):
        ReplayRequest(topic=T, **fields)
