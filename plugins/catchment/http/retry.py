"""Whether and when to ask a vendor again. Pure: what happened in, what to do out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRIED_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_GOOGLE_LIMIT = re.compile(rb'"reason"\s*:\s*"(\w*[rR]ateLimitExceeded|dailyLimitExceeded|quotaExceeded)"')
_REMAINING = ("X-RateLimit-Remaining", "RateLimit-Remaining", "X-Rate-Limit-Remaining")
LONGEST_SECONDS = 10_000_000  # 115 days; what is greater is a moment
_FIRST_MOMENT = 1_000_000_000  # September 2001
_LAST_MOMENT = 100_000_000_000
LONGEST_WAIT = 7 * 86_400.0


@dataclass(frozen=True)
class RetryRule:
    """Exponential back-off from `first` to `longest` seconds, `tries` times; a vendor's own wish up to `timeout`.

    A longer wish ends the attempt: a task should not hold its slot for it.
    """

    tries: int = 6
    first: float = 1.0
    longest: float = 60.0
    timeout: float = 120.0


@dataclass(frozen=True)
class Wait:
    """Ask again after `seconds`."""

    seconds: float


@dataclass(frozen=True)
class GiveUp:
    """Don't ask again now; `after` is the vendor's own wish in seconds, where it had one."""

    after: float | None = None


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds of a Retry-After header, which is a number or an HTTP date (RFC 9110, 10.2.3); None without one.

    Some vendors put a moment there instead, in seconds since 1970. At most a week: what is longer is a mistake, and too
    long for a clock.
    """
    text = headers.get("Retry-After", "").strip()
    try:
        number = _NUMBER.fullmatch(text)
        seconds = until(float(text), now.timestamp()) if number else (_http_date(text) - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(0.0, seconds), LONGEST_WAIT)


def until(number: float, now: float) -> float:
    """Seconds that a number means: it is their number, or a moment since 1970 in seconds, or in parts of them.

    Vendors send either under one name.
    """
    if number <= LONGEST_SECONDS:
        return number
    moment = number
    for _ in range(3):  # milliseconds, micro-, nanoseconds
        moment = moment / 1000 if moment >= _LAST_MOMENT else moment
    return max(0.0, moment - now) if moment >= _FIRST_MOMENT else number


def _http_date(text: str) -> datetime:
    moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def is_limit(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a reply says that there were too many requests.

    That is 429, or a 403 with a Retry-After or no call left (GitHub), or with one of the reasons that Google's older
    APIs have for it. Of Google's domain "usageLimits" are other reasons too: an API that is not switched on.
    """
    if status != 403:
        return status == 429
    if "Retry-After" in headers or any(headers.get(name) == "0" for name in _REMAINING):
        return True
    return _GOOGLE_LIMIT.search(body) is not None


def decide(rule: RetryRule, *, tried: int, asked: float | None, chance: float) -> Wait | GiveUp:
    """What to do after the `tried`-th failed try (from 1).

    `asked` is the vendor's wish in seconds, `chance` in [0, 1) spreads the clients of one vendor apart: the wait is
    between half and all of the back-off ("equal jitter"), but never less than the vendor's wish.
    """
    if asked is not None and asked > rule.timeout:
        return GiveUp(after=asked)
    if tried >= rule.tries:
        return GiveUp(after=asked)
    backoff = min(rule.longest, rule.first * 2 ** (tried - 1))
    wait = backoff * (0.5 + chance / 2)
    return Wait(wait if asked is None else max(asked, min(wait, 1.0)))
