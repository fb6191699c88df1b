"""No span of time ever holds more calls than the limit, over all processes."""

from __future__ import annotations

import multiprocessing
import struct
from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from catchment.extract.budget import Budget, budget_path, reserve
from catchment.spec import RateLimit

CLOSE = 1e-6  # the seconds since 1970 are not known closer


def fullest(moments: list[float], span: float) -> int:
    """The most calls in any half-open span."""
    return max(sum(start <= moment < start + span - CLOSE for moment in moments) for start in moments)


@given(
    calls=st.integers(1, 8),
    span=st.floats(0.1, 60),
    steps=st.lists(st.floats(0, 30), min_size=1, max_size=60),
)
def test_no_span_holds_more_than_the_limit(calls: int, span: float, steps: list[float]) -> None:
    now, booked = 1_700_000_000.0, ()
    moments: list[float] = []
    for step in steps:
        now += step
        moment, booked = reserve(booked, calls=calls, span=span, now=now)
        assert moment >= now
        assert len(booked) <= calls
        moments.append(moment)
    assert moments == sorted(moments)
    assert fullest(moments, span) <= calls


@given(calls=st.integers(1, 8), free=st.integers(0, 7))
def test_a_call_within_the_limit_does_not_wait(calls: int, free: int) -> None:
    booked = tuple(float(n) for n in range(min(free, calls - 1)))
    assert reserve(booked, calls=calls, span=100.0, now=50.0)[0] == 50.0


def test_a_clock_that_was_set_back_does_not_stop_a_source() -> None:
    moment, _ = reserve((1e9, 1e9 + 1), calls=2, span=60.0, now=1e9 - 86_400)
    assert moment == 1e9 - 86_400


def book(path: str, times: int) -> list[float]:
    """The moments that `times` calls of one process are given; nobody waits, so that all come at once."""
    moments: list[float] = []
    now = 1_700_000_000.0
    limit = RateLimit(5, per=timedelta(seconds=1))
    budget = Budget(Path(path), limit, clock=lambda: now, sleep=lambda seconds: moments.append(now + seconds))
    for _ in range(times):
        before = len(moments)
        budget.wait()
        if len(moments) == before:
            moments.append(now)
    return moments


def test_processes_share_one_budget(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        each = pool.starmap(book, [(str(tmp_path / "budget"), 20)] * 3)
    moments = [moment for moments in each for moment in moments]
    assert len(moments) == 60
    assert fullest(moments, 1.0) == 5
    assert max(moments) - min(moments) >= 11 - 0.001


def test_a_damaged_file_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "budget"
    path.write_bytes(struct.pack("d", 1_700_000_000.0) + b"cut")
    assert len(book(str(path), 7)) == 7
    assert path.stat().st_size == 5 * 8


def test_accounts_and_limits_have_budgets_of_their_own() -> None:
    limit, other = RateLimit(1, per=timedelta(1)), RateLimit(1, per=timedelta(1), name="other")
    paths = {budget_path("a", "x", limit), budget_path("a", "y", limit), budget_path("a", "x", other)}
    assert len(paths) == 3
