"""Rate limits, as the vendors may count them: so many calls in a span, in one of three ways.

Neither vendor says how it counts. Zendesk's headers speak of "the current minute" and of a reset ("Best practices for
avoiding rate limiting"), which is a fixed window; a client that keeps to the sliding one keeps to the fixed one too.
Refused calls count for nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Literal, Protocol

Counting = Literal["sliding", "fixed", "bucket"]


class Limit(Protocol):
    """One limit of one account. `now` is a monotonic clock in seconds; `limit` the calls allowed in a span."""

    def take(self, limit: int, now: float) -> bool:
        """Whether one more call is allowed; if so it is counted."""

    def remaining(self, limit: int, now: float) -> int:
        """How many calls are allowed at this moment."""

    def wait(self, limit: int, now: float) -> int:
        """Whole seconds, at least 1, until more calls are allowed than now."""


class SlidingWindow:
    """At most so many calls in any span of `per` seconds."""

    def __init__(self, per: float) -> None:
        self.per = per
        self.calls: deque[float] = deque()

    def take(self, limit: int, now: float) -> bool:
        allowed = self.remaining(limit, now) > 0
        if allowed:
            self.calls.append(now)
        return allowed

    def remaining(self, limit: int, now: float) -> int:
        while self.calls and self.calls[0] <= now - self.per:
            self.calls.popleft()
        return max(0, limit - len(self.calls))

    def wait(self, limit: int, now: float) -> int:
        return max(1, math.ceil(self.calls[0] + self.per - now)) if self.calls else 1


class FixedWindow:
    """At most so many calls from one tick of the vendor's clock to the next; where it ticks, no client knows."""

    def __init__(self, per: float) -> None:
        self.per = per
        self.window = -1
        self.used = 0

    def take(self, limit: int, now: float) -> bool:
        allowed = self.remaining(limit, now) > 0
        self.used += allowed
        return allowed

    def remaining(self, limit: int, now: float) -> int:
        window = int(now // self.per)
        if window != self.window:
            self.window, self.used = window, 0
        return max(0, limit - self.used)

    def wait(self, limit: int, now: float) -> int:
        return max(1, math.ceil((now // self.per + 1) * self.per - now))


class TokenBucket:
    """A bucket of `limit` tokens that fills in `per` seconds, a token at a time."""

    def __init__(self, per: float) -> None:
        self.per = per
        self.tokens = math.inf
        self.at = 0.0

    def take(self, limit: int, now: float) -> bool:
        allowed = self.remaining(limit, now) > 0
        self.tokens -= allowed
        return allowed

    def remaining(self, limit: int, now: float) -> int:
        filled = min(limit, self.tokens + max(0.0, now - self.at) * limit / self.per)
        self.tokens, self.at = filled, now
        return int(filled + 1e-9)

    def wait(self, limit: int, now: float) -> int:
        self.remaining(limit, now)
        return max(1, math.ceil((1 - self.tokens) * self.per / limit - 1e-6)) if limit else math.ceil(self.per)


KINDS: dict[Counting, Callable[[float], Limit]] = {
    "sliding": SlidingWindow,
    "fixed": FixedWindow,
    "bucket": TokenBucket,
}


class AccountLimit:
    """One limit, counted in whichever way is set; a change of the way starts with nothing counted."""

    def __init__(self, per: float) -> None:
        self.per = per
        self._counted: tuple[Counting, Limit] | None = None

    def by(self, counting: Counting) -> Limit:
        if self._counted is None or self._counted[0] != counting:
            self._counted = counting, KINDS[counting](self.per)
        return self._counted[1]
