"""One rate budget for all processes of a machine that talk to the same account.

A vendor counts calls in a span of time; so do we: the moments of the last `calls` calls are kept in a small file that
the processes lock in turn. A call waits until the oldest of them is a whole span ago, so that no span of that length
ever holds more, however the vendor's own window lies. On several machines, give each its part of the limit through
the connection's `rate_limits`, or let the source's pool have slots on one of them.
"""

from __future__ import annotations

import fcntl
import os
import struct
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from catchment.spec import RateLimit


def reserve(booked: Sequence[float], *, calls: int, span: float, now: float) -> tuple[float, tuple[float, ...]]:
    """When the next call may go, and the booked moments with it (the last `calls`), all in seconds.

    Moments ahead of `now` by more than the whole budget could book come from a clock that was set back: they are
    dropped, or the source would stand still.
    """
    sane = [moment for moment in booked if moment <= now + 3600]
    recent = sane[-calls:]
    moment = now if len(recent) < calls else max(now, recent[0] + span)
    moment = max(moment, recent[-1]) if recent else moment
    return moment, (*recent, moment)[-calls:]


class Budget:
    """The budget of one rate limit of one account. `wait()` returns when the next call may be sent."""

    def __init__(
        self,
        path: Path,
        limit: RateLimit,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = path
        self._limit = limit
        self._clock = clock
        self._sleep = sleep

    def wait(self) -> None:
        now = self._clock()
        moment = self._book(now)
        if moment > now:
            self._sleep(moment - now)

    def _book(self, now: float) -> float:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            data = os.pread(descriptor, 8 * 100_000, 0)
            booked = struct.unpack(f"{len(data) // 8}d", data[: len(data) // 8 * 8])
            span = self._limit.per.total_seconds()
            moment, booked = reserve(booked, calls=self._limit.calls, span=span, now=now)
            os.pwrite(descriptor, struct.pack(f"{len(booked)}d", *booked), 0)
            os.ftruncate(descriptor, 8 * len(booked))
            return moment
        finally:
            os.close(descriptor)


def budget_path(source: str, account: str, limit: RateLimit) -> Path:
    """The file of a budget. `account` tells apart several accounts of a vendor (a hash of address and login)."""
    root = Path(
        os.environ.get("CATCHMENT_BUDGET_DIR") or Path(tempfile.gettempdir()) / f"catchment-budget-{os.getuid()}"
    )
    return root / f"{source}.{account}.{limit.name}"
