"""Whether and when to ask again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.http.retry import LONGEST_WAIT, GiveUp, RetryRule, Wait, decide, is_limit, retry_after

NOW = datetime(2026, 11, 22, 2, tzinfo=UTC)
RULE = RetryRule(tries=6, first=1.0, longest=60.0, timeout=120.0)
CHANCES = st.floats(0, 1, exclude_max=True)
WISHES = st.one_of(st.none(), st.floats(0, 1000))


@given(tried=st.integers(1, 20), asked=WISHES, chance=CHANCES)
def test_a_wait_is_never_shorter_than_the_vendors_wish_nor_longer_than_our_timeout(
    tried: int, asked: float | None, chance: float
) -> None:
    match decide(RULE, tried=tried, asked=asked, chance=chance):
        case Wait(seconds):
            assert tried < RULE.tries
            assert (asked or 0) <= seconds <= max(RULE.timeout, RULE.longest)
        case GiveUp(after):
            assert tried >= RULE.tries or (asked or 0) > RULE.timeout
            assert after == asked


@given(tried=st.integers(1, 5), chance=CHANCES)
def test_without_a_wish_waits_double_with_equal_jitter(tried: int, chance: float) -> None:
    verdict = decide(RULE, tried=tried, asked=None, chance=chance)
    assert isinstance(verdict, Wait)
    assert 2 ** (tried - 1) / 2 <= verdict.seconds <= 2 ** (tried - 1)


def test_a_wait_has_an_end_however_often_it_failed() -> None:
    persistent = RetryRule(tries=100)
    assert decide(persistent, tried=90, asked=None, chance=0.999) == Wait(pytest.approx(60, abs=0.1))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (" 30 ", 30.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("99999999999999999999", LONGEST_WAIT),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("-5", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": text}, NOW) == seconds


@given(st.one_of(st.text(max_size=40), st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ [\d:]+ ?\w*")))
def test_no_header_is_odd_enough_to_break_anything(text: str) -> None:
    wish = retry_after({"Retry-After": text}, NOW)
    assert wish is None or 0 <= wish <= LONGEST_WAIT


def test_no_header_no_wish() -> None:
    assert retry_after({}, NOW) is None


@pytest.mark.parametrize(
    ("status", "body", "limit"),
    [
        (429, b"", True),
        (403, b'{"error":{"errors":[{"domain": "usageLimits","reason":"userRateLimitExceeded"}]}}', True),
        (403, b'{"error":{"errors":[{"domain":"global","reason":"insufficientPermissions"}]}}', False),
        (403, b"", False),
        (500, b'"domain":"usageLimits"', False),
    ],
)
def test_what_says_too_many_requests(status: int, body: bytes, limit: bool) -> None:
    assert is_limit(status, body) is limit
