"""Rate limits: so many calls in any span of time."""

from __future__ import annotations

import math
from collections import deque


class RateLimit:
    """Counts calls in a sliding span of `per` seconds. Refused calls count for nothing."""

    def __init__(self, per: float) -> None:
        self.per = per
        self.calls: deque[float] = deque()

    def take(self, limit: int, now: float) -> bool:
        """Whether one more call is allowed; if so it is counted."""
        self._forget(now)
        if len(self.calls) >= limit:
            return False
        self.calls.append(now)
        return True

    def remaining(self, limit: int, now: float) -> int:
        self._forget(now)
        return max(0, limit - len(self.calls))

    def wait(self, now: float) -> int:
        """Whole seconds until the oldest call is forgotten, at least 1."""
        return max(1, math.ceil(self.calls[0] + self.per - now)) if self.calls else 1

    def _forget(self, now: float) -> None:
        while self.calls and self.calls[0] <= now - self.per:
            self.calls.popleft()
