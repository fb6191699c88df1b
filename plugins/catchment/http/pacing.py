"""When the next call under a rate limit may go. Pure: the state and the moment go in, the booking comes out.

The next free moment is booked (the generic cell rate algorithm): each call moves `free` on by one gap, and the gap is
a little longer than the vendor's limit asks for. So `calls` + 1 calls always span more than `per`, wherever the
vendor's windows lie and whether they are fixed, sliding or a bucket, and that surplus is what the network may shift
them by. After a whole idle span the vendor's count is empty, and a few calls may go at once; the calls after them wait
until the burst is paid for.

`postgres_limits.py` states `book` and `hold` again in SQL, so that no process ever holds the row while it thinks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

MARGIN = 0.045  # of the span: 95.7 % of the allowed rate
MOST_AT_ONCE = 10
MOST_STRIKES = 3
FORGIVEN_AFTER = 3600.0
LONGEST_HOLD = 3600.0


@dataclass(frozen=True)
class Pace:
    """How calls under one limit are spread: `calls` in `per` seconds, up to `burst` of them at once."""

    calls: int
    per: float

    @property
    def gap(self) -> float:
        """Seconds between two calls at exactly the limit."""
        return self.per / self.calls

    @property
    def burst(self) -> int:
        return max(1, min(self.calls // 2, MOST_AT_ONCE))

    @property
    def grace(self) -> float:
        """Seconds by which a call may leave late and still not crowd the calls after it."""
        return max(0.01, self.per * MARGIN / 2)


@dataclass(frozen=True)
class Lane:
    """The bookings under one limit of one account. Times are seconds since 1970 by the store's clock.

    `free`: when the next call may go. `since`: when the last idle span ended. `strikes`: refusals in the last hour;
    each doubles the margin. `refused`: when the last of them was.
    """

    free: float = 0.0
    since: float = 0.0
    strikes: int = 0
    refused: float = 0.0


def strikes(lane: Lane, now: float) -> int:
    return lane.strikes if lane.refused > now - FORGIVEN_AFTER else 0


def spacing(lane: Lane, pace: Pace, now: float) -> float:
    """Seconds between two calls, with the margin."""
    return pace.gap * (1 + MARGIN * 2.0 ** strikes(lane, now))


def book(lane: Lane, pace: Pace, *, now: float, timeout: float) -> tuple[float, Lane]:
    """Seconds until the call may go, and the lane with its booking; the lane as it was if that is beyond `timeout`."""
    gap = spacing(lane, pace, now)
    stale = lane.free > now + LONGEST_HOLD + 64 * gap  # from a clock that was set back: the source would stand still
    free, since = (now, now) if stale or now >= lane.free + pace.per else (lane.free, lane.since)
    in_burst = strikes(lane, now) == 0 and free < since + (pace.burst - 0.5) * gap
    moment = now if in_burst else max(now, free)
    if moment - now > timeout:
        return moment - now, lane
    return moment - now, replace(lane, free=max(free, moment) + gap, since=since)


def hold(lane: Lane, pace: Pace, *, now: float, seconds: float, refused: bool, left: int | None = None) -> Lane:
    """No call before `seconds` from now, which is at most an hour: then the vendor is asked again.

    With `left`, the calls that the vendor still allows until then: only once they are all booked. Refusals within one
    span are one strike: the calls that were on their way together.
    """
    if left is not None and (lane.free - now) / spacing(lane, pace, now) < left:
        return lane
    held = replace(lane, free=max(lane.free, now + min(seconds, LONGEST_HOLD)), since=0.0)
    if not refused:
        return held
    known = strikes(lane, now)
    again = known and lane.refused > now - pace.per
    return replace(held, strikes=known if again else min(known + 1, MOST_STRIKES), refused=now)


# --- quotas: calls over days ----------------------------------------------------------------------------------------

SLICES = 30


@dataclass(frozen=True)
class Spent:
    """What is used of a quota, and the first of its slices that is still counted."""

    used: int
    oldest: int | None
    granted: bool


def slice_seconds(per: float) -> float:
    """A quota's span is counted in thirty slices (days of a month); a slice leaves the count as a whole."""
    return per / SLICES


def counted(slices: dict[int, int], current: int) -> dict[int, int]:
    """The slices in the last span: the current one and thirty before it, so that no span is ever undercounted."""
    return {number: used for number, used in slices.items() if number >= current - SLICES}


def renews(spent: Spent, per: float) -> float | None:
    """When the oldest slice leaves the count (seconds since 1970)."""
    return None if spent.oldest is None else (spent.oldest + SLICES + 1) * slice_seconds(per)
