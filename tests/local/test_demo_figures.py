"""MRR beside the vendor's. The company goes on while the demo runs: seen on 2026-11-27, when a contraction came between
the load and the comparison, and 34 of 35 months were equal."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from local.demo.figures import Movement, as_of, side_by_side

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_what_moved_after_the_reading_is_taken_out() -> None:
    vendor = {"2026-10": 14_763_980, "2026-11": 15_244_879}
    later = [Movement("8ce65704", at("2026-11-27T21:35:52"), -7_600)]

    then = as_of(at("2026-11-27T21:33:20"), vendor, later, UTC)

    assert then == {"2026-10": 14_763_980, "2026-11": 15_252_479}


def test_a_month_that_began_after_the_reading_is_not_compared() -> None:
    later = [Movement("1", at("2026-11-30T22:59:59"), 100), Movement("2", at("2026-11-30T23:00:01"), 1_000)]

    then = as_of(at("2026-11-30T22:59:00"), {"2026-11": 5_100, "2026-12": 6_100}, later, BERLIN)

    assert then == {"2026-11": 5_000}


def test_a_difference_stays_a_difference() -> None:
    rows = side_by_side({"2026-11": 5_001}, as_of(at("2026-11-27T21:33:20"), {"2026-11": 5_000}, [], UTC))

    assert [row.equal for row in rows] == [False]
