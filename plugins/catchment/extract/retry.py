"""Whether and when to ask a vendor again. Pure: what happened in, what to do out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRIED_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})


@dataclass(frozen=True)
class RetryRule:
    """Exponential back-off from `first` to `longest` seconds, `tries` times; a vendor's own wish up to `patience`.

    A longer wish ends the attempt: a task should not hold its slot for it.
    """

    tries: int = 6
    first: float = 1.0
    longest: float = 60.0
    patience: float = 120.0


@dataclass(frozen=True)
class Wait:
    """Ask again after `seconds`."""

    seconds: float


@dataclass(frozen=True)
class GiveUp:
    """Don't ask again now; `after` is the vendor's own wish in seconds, where it had one."""

    after: float | None = None


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds of a Retry-After header, which is a number or an HTTP date (RFC 9110, 10.2.3); None without one."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def decide(rule: RetryRule, *, tried: int, asked: float | None, chance: float) -> Wait | GiveUp:
    """What to do after the `tried`-th failed try (from 1).

    `asked` is the vendor's wish in seconds, `chance` in [0, 1) spreads the clients of one vendor apart: the wait is
    between half and all of the back-off ("equal jitter"), but never less than the vendor's wish.
    """
    if asked is not None and asked > rule.patience:
        return GiveUp(after=asked)
    if tried >= rule.tries:
        return GiveUp(after=asked)
    backoff = min(rule.longest, rule.first * 2 ** (tried - 1))
    wait = backoff * (0.5 + chance / 2)
    return Wait(wait if asked is None else max(asked, min(wait, 1.0)))
