"""The three ways in which a vendor may count calls."""

from __future__ import annotations

import pytest

from local.sandbox.limits import AccountLimit, Counting, FixedWindow, SlidingWindow, TokenBucket

MOMENTS = (0.0, 10.0, 20.0, 59.0, 60.0, 61.0, 70.0)


def test_a_sliding_window_forgets_each_call_after_its_span() -> None:
    limit = SlidingWindow(60)
    assert [limit.take(2, at) for at in MOMENTS] == [True, True, False, False, True, False, True]
    assert limit.wait(2, 70.0) == 50


def test_a_fixed_window_forgets_all_calls_at_the_vendor_s_minute() -> None:
    limit = FixedWindow(60)
    assert [limit.take(2, at) for at in MOMENTS] == [True, True, False, False, True, True, False]
    assert limit.wait(2, 70.0) == 50


def test_a_token_bucket_allows_a_call_whenever_a_token_has_come() -> None:
    limit = TokenBucket(60)
    assert [limit.take(2, at) for at in MOMENTS] == [True, True, False, True, True, False, False]
    assert limit.wait(2, 70.0) == 20


@pytest.mark.parametrize("counting", ["sliding", "fixed", "bucket"])
@pytest.mark.parametrize("phase", [0.0, 17.3, 59.9])
def test_a_client_that_spreads_its_calls_is_never_refused(counting: Counting, phase: float) -> None:
    limit = AccountLimit(60).by(counting)
    assert all(limit.take(10, phase + 6.01 * call) for call in range(100))


@pytest.mark.parametrize("counting", ["sliding", "fixed", "bucket"])
def test_waiting_as_long_as_told_is_enough(counting: Counting) -> None:
    limit = AccountLimit(60).by(counting)
    now = 31.0
    while limit.take(10, now):
        pass
    assert limit.take(10, now + limit.wait(10, now))
