"""What a reply's headers say about a rate limit. Pure; what is not wholly understood is None.

Read are `Retry-After`, the RFC drafts' `RateLimit` (structured since draft 8, a dictionary in draft 7) and
`RateLimit-Remaining`/`-Reset`, their many `X-` forms, and Zendesk's `…-ratelimit-…: total=; remaining=; resets=`.
A reset is a number of seconds or a moment (seconds or milliseconds since 1970): vendors do either under one name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from catchment.http.retry import LONGEST_SECONDS, LONGEST_WAIT, retry_after, until

_WHOLE = re.compile(r"[0-9]{1,15}")
_PAIR = re.compile(r"([a-z]+)\s*=\s*([0-9]{1,15})(?![0-9.])")
_LEFT = ("ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining")
_RESET = ("ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset")


@dataclass(frozen=True)
class Allowance:
    """What the vendor still allows: `left` calls until `reset` seconds from now; a refusal may name a wait."""

    left: int | None = None
    reset: float | None = None
    retry_after: float | None = None

    def wish(self, limited: bool) -> float | None:
        """Seconds that the vendor wants us to wait: what it says so, or when its window ends if no call is left."""
        if self.retry_after is not None:
            return self.retry_after
        return min(self.reset, LONGEST_WAIT) if limited and self.reset is not None and not self.left else None


NOTHING = Allowance()


def read_allowance(headers: Mapping[str, str], now: float) -> Allowance:
    """What the headers say, at `now` (seconds since 1970). Moments are read by the vendor's `Date`, if given."""
    told = {lower: headers[name].strip() for name in headers if _tells(lower := name.lower())}
    if not told.keys() - {"date"}:
        return NOTHING
    left, reset = min(_said(told), key=lambda said: said[0], default=(None, None))
    wish = told.get("retry-after", "")
    if wish or (reset or 0) > LONGEST_SECONDS:
        now = _date(told.get("date", ""), now)
    return Allowance(
        left,
        None if reset is None else until(reset, now),
        retry_after({"Retry-After": wish}, datetime.fromtimestamp(now, UTC)) if wish else None,
    )


def _tells(name: str) -> bool:
    """Whether a header may speak of a limit; every good reply is asked for it."""
    return "rate" in name or name == "retry-after" or name == "date"


def _said(headers: Mapping[str, str]) -> Iterator[tuple[int, int | None]]:
    """Pairs of calls left and reset: the scarcest counts, for it refuses first."""
    for name, value in headers.items():
        if name == "ratelimit" or ("ratelimit-" in name and "remaining=" in value):
            policies = value.lower().split(",") if ";" in value and name == "ratelimit" else [value.lower()]
            for policy in policies:
                pairs = dict(_PAIR.findall(policy))
                left, reset = (
                    pairs.get("r", pairs.get("remaining")),
                    pairs.get("t", pairs.get("reset", pairs.get("resets"))),
                )
                if left is not None:
                    yield int(left), None if reset is None else int(reset)
    plain_left = next((headers[name] for name in _LEFT if name in headers), "")
    plain_reset = next((headers[name] for name in _RESET if name in headers), "")
    if _WHOLE.fullmatch(plain_left):
        yield int(plain_left), int(plain_reset) if _WHOLE.fullmatch(plain_reset) else None


def _date(text: str, otherwise: float) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return otherwise
