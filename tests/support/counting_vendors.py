"""Vendors that count calls: in fixed windows, in sliding ones, or with a bucket of tokens. Independent of our code.

`hit(now)` answers a call that arrives at `now`: whether it was allowed, and the headers of the reply.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, field

Reply = tuple[bool, dict[str, str]]


@dataclass
class FixedWindows:
    """Like Zendesk: a counter that starts again at each multiple of `per`, shifted by `phase`."""

    calls: int
    per: float
    phase: float = 0.0
    window: int = -1
    count: int = 0
    others: float = 0.0
    """Calls a second that somebody else makes in the same account."""

    def hit(self, now: float) -> Reply:
        window, into = divmod(now - self.phase, self.per)
        if window != self.window:
            self.window, self.count = int(window), 0
        left = self.calls - self.count - int(into * self.others)
        reset = str(math.ceil(self.per - into))
        if left < 1:
            return False, {"Retry-After": reset, "X-Rate-Limit-Remaining": "0", "ratelimit-reset": reset}
        self.count += 1
        return True, {"X-Rate-Limit-Remaining": str(left - 1), "ratelimit-reset": reset}


@dataclass
class SlidingWindow:
    """Every call counts for `per` seconds, to the moment. Says when the window would be empty, as some do."""

    calls: int
    per: float
    seen: list[float] = field(default_factory=list)

    def hit(self, now: float) -> Reply:
        recent = self.seen[-self.calls :]
        count = len(recent) - bisect.bisect_right(recent, now - self.per)
        if count >= self.calls:
            return False, {"Retry-After": str(math.ceil(recent[0] + self.per - now))}
        bisect.insort(self.seen, now)
        return True, {"RateLimit": f'"all";r={self.calls - count - 1};t={math.ceil(self.per)}'}


@dataclass
class TokenBucket:
    """`calls` tokens come in `per` seconds, evenly; the bucket holds `capacity` of them and is full at first."""

    calls: int
    per: float
    capacity: float
    tokens: float = -1.0
    at: float = 0.0

    def hit(self, now: float) -> Reply:
        if self.tokens < 0:
            self.tokens, self.at = self.capacity, now
        self.tokens = min(self.capacity, self.tokens + max(0.0, now - self.at) * self.calls / self.per)
        self.at = max(self.at, now)
        if self.tokens < 1:
            return False, {"Retry-After": str(math.ceil((1 - self.tokens) * self.per / self.calls))}
        self.tokens -= 1
        return True, {"X-RateLimit-Remaining": str(int(self.tokens))}
