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
        ("9" * 400, LONGEST_WAIT),
        (str(int(NOW.timestamp()) + 45), 45.0),
        (str(int(NOW.timestamp()) * 1000 + 45_000), 45.0),
        (str(int(NOW.timestamp()) - 45), 0.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("-5", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(text: str, seconds: float | None) -> None:
    """openclaw/clawhub #407: a moment in seconds since 1970, read as a wait of 56 years; ours would wait a week.

    apify/crawlee-python PR 1995: a negative number switched the back-off off.
    """
    assert retry_after({"Retry-After": text}, NOW) == seconds


@given(st.one_of(st.text(max_size=40), st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ [\d:]+ ?\w*")))
def test_no_header_is_odd_enough_to_break_anything(text: str) -> None:
    wish = retry_after({"Retry-After": text}, NOW)
    assert wish is None or 0 <= wish <= LONGEST_WAIT


def test_no_header_no_wish() -> None:
    assert retry_after({}, NOW) is None


@pytest.mark.parametrize(
    ("status", "headers", "reason", "limit"),
    [
        (429, {}, "", True),
        (403, {}, "userRateLimitExceeded", True),
        (403, {}, "rateLimitExceeded", True),
        (403, {}, "dailyLimitExceeded", True),
        (403, {}, "accessNotConfigured", False),
        (403, {}, "dailyLimitExceededUnreg", False),
        (403, {}, "insufficientPermissions", False),
        (403, {"Retry-After": "60"}, "", True),
        (403, {"X-RateLimit-Remaining": "0"}, "", True),
        (403, {"X-RateLimit-Remaining": "12"}, "", False),
        (500, {}, "rateLimitExceeded", False),
    ],
)
def test_what_says_too_many_requests(status: int, headers: dict[str, str], reason: str, limit: bool) -> None:
    """googleapis/google-api-dotnet-client #214: a 403 of Google's domain "usageLimits" whose API is not switched on.

    Ours took it for a limit and tried it again for ever. Right: it is refused, and a person switches the API on.
    airbytehq/airbyte PR 13955, Unstructured-IO/unstructured-ingest PR 759: GitHub's limits are a 403 with Retry-After,
    or with no call left; ours asked for a scope. Right: a limit.
    """
    body = b'{"error":{"errors":[{"domain":"usageLimits","reason": "%s"}]}}' % reason.encode()
    assert is_limit(status, headers, body) is limit
