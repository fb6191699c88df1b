"""Rate limits and quotas of one account, held over all threads, processes and machines that call for it.

Each call books the next free moment in a shared store and sleeps until it comes: in order of arrival, one booking per
waiting thread, no polling (`pacing.py` decides, ADR 22 says why). The store is the Postgres of the connection
`rate_limits`, or without one files on this machine. Vendors' headers and refusals are learned from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Protocol, overload

from catchment.connection import Connection
from catchment.errors import NeedsPerson, RateLimited
from catchment.http.file_limits import FileStore
from catchment.http.limit_headers import Allowance, read_allowance
from catchment.http.pacing import MARGIN, Lane, Pace, Spent, renews, strikes
from catchment.http.postgres_limits import PostgresStore

_REBOOKED = 2  # times that a call which woke too late books again before it goes anyway
_SAME_RESET = 1.5  # seconds: resets are whole ones
_SURE_AFTER = 3.0


@dataclass(frozen=True)
class RateLimit:
    """At most `calls` in any span of `per`, over all callers that share `name` of an account.

    A call may be under several of one name (a second's and a minute's); a plan's override holds for all of a name.
    """

    calls: int
    per: timedelta
    name: str = "account"


@dataclass(frozen=True)
class Quota:
    """At most `calls` in any span of `per`, which is days: when they are used up, a call is refused, not delayed."""

    calls: int
    per: timedelta
    name: str


class QuotaSpent(NeedsPerson):
    """A quota is used up; `renews` is when some of it comes back."""

    def __init__(self, message: str, *, renews: datetime) -> None:
        super().__init__(message)
        self.renews = renews


@dataclass(frozen=True)
class RateUsage:
    """A rate limit now: seconds until its next call may go, and the refusals of the last hour (they slow it down)."""

    name: str
    calls: int
    per: timedelta
    wait: float
    refusals: int

    def __str__(self) -> str:
        slowed = f", slowed after {self.refusals} refusals in the last hour" if self.refusals else ""
        return f"{self.name}: {self.calls} calls per {self.per}, the next may go in {self.wait:.1f} s{slowed}"


@dataclass(frozen=True)
class QuotaUsage:
    """A quota now. `renews`: when the oldest calls leave the count, None if none were made."""

    name: str
    calls: int
    used: int
    renews: datetime | None

    @property
    def left(self) -> int:
        return max(0, self.calls - self.used)

    def __str__(self) -> str:
        when = f", renews from {self.renews:%Y-%m-%d %H:%M} UTC" if self.renews else ""
        return f"{self.name}: {self.used} of {self.calls} calls used, {self.left} left{when}"


class LimitStore(Protocol):
    """Where the bookings of one account are. All times are by the store's clock."""

    def book(self, name: str, pace: Pace, timeout: float) -> float:
        """Seconds until the call may go; beyond `timeout` nothing is booked."""

    def hold(self, name: str, pace: Pace, seconds: float, *, refused: bool, left: int | None = None) -> None:
        """No call before `seconds` from now (`pacing.hold`)."""

    def spend(self, name: str, calls: int, per: float, *, spend: bool = True) -> Spent:
        """Count one call, if fewer than `calls` are counted; without `spend` only tell."""

    def read(self, name: str, pace: Pace) -> tuple[Lane, float]:
        """The bookings, and the store's now."""

    def close(self) -> None: ...


class Limits:
    """The limits of one account. Safe to use from several threads.

    Args:
        store: Where bookings are shared.
        overrides: Calls allowed by this account's plan, by name of limit or quota.
        sleep: Waits that many seconds; it may return early when the task is told to stop.
        clock: Seconds; notices a call that woke too late.
    """

    def __init__(
        self,
        store: LimitStore,
        *,
        overrides: Mapping[str, int] | None = None,
        sleep: Callable[[float], Any] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._overrides = dict(overrides or {})
        self._sleep = sleep
        self._clock = clock
        self._resets: dict[str, _Reset] = {}
        self._seen: dict[str, RateLimit | Quota] = {}
        self._lock = Lock()

    def wait(self, *limits: RateLimit | Quota, timeout: float) -> float:
        """Block until all `limits` allow a call.

        The slowest limit is booked first, the others once its moment has come: a call that waits a minute for one
        limit takes no place under another meanwhile. Quotas are spent last.

        Returns:
            Seconds waited.

        Raises:
            RateLimited: It would take longer than `timeout` seconds; `after` says how long. Nothing more is booked.
            QuotaSpent: A quota is used up.
            TryAgain: The store can't be reached.
        """
        started = self._clock()
        allowed = [self._allowed(limit) for limit in dict.fromkeys(limits)]
        rates = [limit for limit in allowed if isinstance(limit, RateLimit)]
        for rate in sorted(rates, key=lambda rate: -_pace(rate).gap):
            self._wait_for(rate, timeout - (self._clock() - started))
        for quota in allowed:
            if isinstance(quota, Quota):
                self._spend(quota)
        return max(0.0, self._clock() - started)

    def learn(self, limit: RateLimit | Quota, status: int, headers: Mapping[str, str]) -> None:
        """What a reply said about `limit`: after a 429 nobody calls until the vendor's moment, and then more slowly.

        When the vendor counts in fixed windows and has fewer calls left than are booked (others use the account, or
        the plan allows less), the next call waits for its reset.
        """
        if isinstance(limit, RateLimit):
            self._learn(self._allowed(limit), status, headers)

    def _learn(self, limit: RateLimit, status: int, headers: Mapping[str, str]) -> None:
        now = self._clock()
        said = read_allowance(headers, now)
        pace = _pace(limit)
        if status == 429:
            if limit.name == "account" and said.left:
                return  # the account has calls left: another limit refused
            wish = said.retry_after if said.retry_after is not None else said.reset
            self._store.hold(_key(limit), pace, max(wish or 0.0, min(1.0, pace.per), pace.gap), refused=True)
        elif self._runs_out(limit, said, now):
            left = max(0, (said.left or 0) - limit.calls // 50)
            self._store.hold(_key(limit), pace, (said.reset or 0.0) + 1, refused=False, left=left or None)

    def usage(self, *limits: RateLimit | Quota) -> tuple[RateUsage | QuotaUsage, ...]:
        """How the given limits stand, or all that were waited for so far."""
        with self._lock:
            asked = [self._allowed(limit) for limit in limits] or list(self._seen.values())
        return tuple(self._usage(limit) for limit in asked)

    def close(self) -> None:
        self._store.close()

    def _wait_for(self, limit: RateLimit, timeout: float) -> None:
        pace = _pace(limit)
        for _ in range(1 + _REBOOKED):
            seconds = self._store.book(_key(limit), pace, timeout)
            if seconds > timeout:
                raise RateLimited(
                    f"The rate limit {limit.name!r} ({limit.calls} calls per {limit.per}) is booked out for "
                    f"{seconds:.0f} s, longer than a call may wait ({max(timeout, 0):.0f} s). It is tried again later",
                    after=timedelta(seconds=seconds),
                )
            if seconds <= 0:
                return
            due = self._clock() + seconds
            self._sleep(seconds)
            late = self._clock() - due
            if late <= pace.grace:
                return
            timeout -= seconds + late

    def _spend(self, quota: Quota) -> None:
        per = quota.per.total_seconds()
        spent = self._store.spend(_key(quota), quota.calls, per)
        if not spent.granted:
            when = datetime.fromtimestamp(renews(spent, per) or self._clock(), UTC)
            raise QuotaSpent(
                f"The quota {quota.name!r} is used up: {spent.used} of {quota.calls} calls in {quota.per.days} days. "
                f"Some of it comes back on {when:%Y-%m-%d %H:%M} UTC. Wait until then, or buy more and set "
                f'`rate_limits` {{"{quota.name}": …}} in the connection',
                renews=when,
            )

    def _usage(self, limit: RateLimit | Quota) -> RateUsage | QuotaUsage:
        if isinstance(limit, RateLimit):
            lane, now = self._store.read(_key(limit), _pace(limit))
            return RateUsage(limit.name, limit.calls, limit.per, max(0.0, lane.free - now), strikes(lane, now))
        per = limit.per.total_seconds()
        spent = self._store.spend(_key(limit), limit.calls, per, spend=False)
        when = renews(spent, per)
        back = None if when is None else datetime.fromtimestamp(when, UTC)
        return QuotaUsage(limit.name, limit.calls, spent.used, back)

    @overload
    def _allowed(self, limit: RateLimit) -> RateLimit: ...
    @overload
    def _allowed(self, limit: Quota) -> Quota: ...
    def _allowed(self, limit: RateLimit | Quota) -> RateLimit | Quota:
        """The limit as this account's plan has it."""
        calls = self._overrides.get(limit.name, limit.calls)
        if isinstance(calls, bool) or not isinstance(calls, int) or calls < 1:
            raise NeedsPerson(f"`rate_limits` sets {limit.name!r} to {calls!r}: it must be a whole number, 1 or more.")
        allowed = limit if calls == limit.calls else replace(limit, calls=calls)
        self._seen[_key(limit)] = allowed
        return allowed

    def _runs_out(self, limit: RateLimit, said: Allowance, now: float) -> bool:
        """Whether the vendor has little left, in a window that is known to be fixed.

        A sliding window's reset moves on with the clock; only one that stands still for some seconds can be believed.
        """
        if said.left is None or said.reset is None or said.reset > limit.per.total_seconds() + _SAME_RESET:
            return False
        moment = now + said.reset
        with self._lock:
            known = self._resets.get(_key(limit))
            if known is None or abs(moment - known.moment) > _SAME_RESET:
                self._resets[_key(limit)] = _Reset(moment, seen=now)
                return False
        lasts = said.left * _pace(limit).gap * (1 + MARGIN)
        return now - known.seen >= _SURE_AFTER and said.reset > lasts and said.left <= limit.calls // 10 + 16


@dataclass(frozen=True)
class _Reset:
    """When the vendor says that its window ends, and when it said so first."""

    moment: float
    seen: float


def _key(limit: RateLimit | Quota) -> str:
    return f"{limit.name}.{limit.per.total_seconds():g}s"


def _pace(limit: RateLimit) -> Pace:
    return Pace(limit.calls, limit.per.total_seconds())


def open_limits(
    source: str,
    account: str,
    connection: Connection | None,
    *,
    overrides: Mapping[str, int] | None = None,
    sleep: Callable[[float], Any] = time.sleep,
    clock: Callable[[], float] = time.time,
) -> Limits:
    """The limits of an account of a vendor, in the Postgres of `connection`, or without one in this machine's files.

    Args:
        source: The vendor's name.
        account: Tells apart several accounts of a vendor: a hash of address and login, no secret.
        connection: The connection `rate_limits`, or None.
        overrides: Calls allowed by this account's plan, by name of limit or quota.
    """
    name = f"{source}.{account}"
    store: LimitStore = FileStore(name, clock=clock) if connection is None else PostgresStore(connection, name)
    return Limits(store, overrides=overrides, sleep=sleep, clock=clock)
