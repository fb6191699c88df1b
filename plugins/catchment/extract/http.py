"""Requests to one vendor: signed in, within its limits, tried again as it asks; what stays wrong is a sentence."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event, Lock
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
import urllib3

from catchment import __version__
from catchment.connection import Connection
from catchment.errors import NeedsPerson, RateLimited, Refused, VendorUnavailable
from catchment.extract.auth import authorizer
from catchment.extract.budget import Budget, budget_path
from catchment.extract.retry import RETRIED_STATUSES, GiveUp, RetryRule, decide, is_limit, retry_after
from catchment.spec import RateLimit, SourceSpec

T = TypeVar("T")
_HEADERS = {"User-Agent": f"catchment/{__version__}", "Accept": "application/json", "Accept-Encoding": "gzip"}
_TIMEOUT = urllib3.Timeout(connect=10, read=90)


@dataclass
class Tally:
    """What the requests of a batch cost: for its manifest."""

    requests: int = 0
    retries: int = 0
    waited: float = 0.0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def count(self, *, requests: int = 0, retries: int = 0, waited: float = 0.0) -> None:
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.waited += waited


class Cancelled(Exception):
    """The task was told to stop."""


class Vendor:
    """An open connection to one vendor. Safe to use from several threads.

    `get` returns what `accept` makes of the reply's body; an `accept` that raises `VendorUnavailable` counts as a bad
    reply and is tried again, so that a page cut off by a proxy heals like a lost connection.
    """

    def __init__(
        self,
        source: SourceSpec,
        connection: Connection,
        *,
        retry: RetryRule | None = None,
        sleep: Callable[[float], Any] | None = None,
    ) -> None:
        self.tally = Tally()
        self._source = source
        self._base = connection.base_url(source.base_url)
        self._retry = retry or retry_rule(connection)
        self._cancelled = Event()
        self._sleep = sleep or self._cancelled.wait
        self._limits: Mapping[str, int] = connection.extra.get("rate_limits", {})
        self._account = hashlib.sha256(f"{self._base} {connection.key}".encode()).hexdigest()[:12]
        self._budgets: dict[str, Budget] = {}
        self._pool = urllib3.PoolManager(maxsize=max(2, source.parallel), block=True, retries=False, timeout=_TIMEOUT)
        self._authorize = authorizer(source, connection)
        self.identity = str(getattr(self._authorize, "identity", ""))

    def cancel(self) -> None:
        """Ends waits and lets the next request raise `Cancelled`."""
        self._cancelled.set()

    def close(self) -> None:
        self._pool.clear()

    def url(self, path: str, params: Mapping[str, Any]) -> str:
        """The address of `path` below the base URL; values are bound as query parameters."""
        query = urlencode([(k, v) for k, v in params.items() if v is not None], doseq=True)
        path = path.lstrip("/")
        elsewhere = (host for start, host in self._source.other_hosts.items() if path.startswith(start))
        base = next(elsewhere, self._base) if self._base == self._source.base_url else self._base
        return f"{base}/{path}{'?' + query if query else ''}"

    def get(
        self, path: str, params: Mapping[str, Any], *, accept: Callable[[bytes], T], limit: RateLimit | None = None
    ) -> T:
        """Ask for `path`, within the source's budget and the stream's own `limit`."""
        url = self.url(path, params)
        tried = 0
        while True:
            tried += 1
            failure = self._try(url, path, limit, accept)
            if not isinstance(failure, _Failure):
                return failure
            asked = failure.asked
            verdict = decide(self._retry, tried=tried, asked=asked, chance=random.random())  # noqa: S311 - it hides nothing
            if isinstance(verdict, GiveUp):
                raise self._give_up(path, failure, tried, verdict)
            self.tally.count(retries=1, waited=verdict.seconds)
            self._sleep(verdict.seconds)

    def _try(self, url: str, path: str, limit: RateLimit | None, accept: Callable[[bytes], T]) -> T | _Failure:
        if self._cancelled.is_set():
            raise Cancelled
        for budget in (self._budget(self._source.rate), self._budget(limit) if limit else None):
            if budget:
                budget.wait()
        self.tally.count(requests=1)
        try:
            reply = self._pool.request("GET", url, headers={**_HEADERS, **self._authorize()})
            body = reply.data
        except urllib3.exceptions.HTTPError as error:
            return _Failure(f"{type(error).__name__}: {_without_address(error)}")
        limited = is_limit(reply.status, body)
        if limited or reply.status in RETRIED_STATUSES:
            asked = retry_after(reply.headers, datetime.now(UTC))
            return _Failure(f"HTTP {reply.status}{_message(body)}", asked=asked, limited=limited)
        if reply.status >= 300:
            raise self._refused(path, reply.status, body)
        try:
            return accept(body)
        except VendorUnavailable as error:
            return _Failure(f"HTTP {reply.status}, but {error}")

    def _refused(self, path: str, status: int, body: bytes) -> Refused:
        cure = {
            401: f'the credentials were refused. Renew them in the connection "{self._source.name}" '
            "(docs/runbooks/credentials.md)",
            402: "the plan does not pay for this. Ask the vendor, or leave the stream out",
            403: "the credentials may not read this. Grant the scope or the plan feature, or leave the stream out "
            "(docs/runbooks/credentials.md)",
            404: f'there is no such address. Check the base URL in the connection "{self._source.name}"',
        }.get(status, "the request itself was refused. Compare the stream's spec with the vendor's reference")
        return Refused(f"{status} from GET /{path.lstrip('/')}{_message(body)}: {cure}", status=status)

    def _give_up(self, path: str, failure: _Failure, tried: int, verdict: GiveUp) -> Exception:
        after = timedelta(seconds=verdict.after) if verdict.after is not None else None
        times = "once" if tried == 1 else f"{tried} times"
        if failure.limited:
            wish = f" and wants us to wait {verdict.after:.0f} s" if verdict.after is not None else ""
            return RateLimited(
                f"GET /{path.lstrip('/')} was over the vendor's rate limit, {times}{wish}. It is tried again later; "
                f'if it lasts, lower `rate_limits` in the connection "{self._source.name}"',
                after=after,
            )
        return VendorUnavailable(
            f"GET /{path.lstrip('/')} failed {times}, at last with: {failure.what}. It is tried again later; "
            f"if it lasts, see the vendor's status page",
            after=after,
        )

    def _budget(self, limit: RateLimit) -> Budget:
        if limit.name not in self._budgets:
            calls = int(self._limits.get(limit.name, limit.calls))
            if calls < 1:
                raise NeedsPerson(
                    f'The connection "{self._source.name}" sets rate_limits.{limit.name} to {calls}: '
                    "it must be 1 or more."
                )
            limit = RateLimit(calls, limit.per, limit.name)
            self._budgets[limit.name] = Budget(
                budget_path(self._source.name, self._account, limit), limit, sleep=self._pause
            )
        return self._budgets[limit.name]

    def _pause(self, seconds: float) -> None:
        self.tally.count(waited=seconds)
        time.sleep(seconds) if seconds < 0.05 else self._sleep(seconds)


def retry_rule(connection: Connection) -> RetryRule:
    """The rule in the connection's extra `retry`; what it does not set is as ever."""
    try:
        return RetryRule(**connection.extra.get("retry", {}))
    except TypeError as error:
        known = ", ".join(RetryRule.__dataclass_fields__)
        raise NeedsPerson(
            f'`retry` in the extra of the connection "{connection.conn_id}" is not right: it may set {known}.'
        ) from error


@dataclass(frozen=True)
class _Failure:
    """One try that failed in a way that may pass; `asked` is the vendor's wish in seconds."""

    what: str
    asked: float | None = None
    limited: bool = False


def _message(body: bytes) -> str:
    """The vendor's own words for an error, in brackets, wherever it puts them; "" if it has none."""
    try:
        value: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return ""
    for name in ("error", "errors", "message", "description", "title"):
        while isinstance(value, dict) and name in value:
            value = value[name]
    if isinstance(value, dict):
        value = value.get("message") or value.get("title") or ", ".join(f"{k}: {v}" for k, v in value.items())
    return f' ("{str(value)[:200]}")' if value else ""


def _without_address(error: Exception) -> str:
    """The reason of a connection error without the full URL, whose query could hold a secret."""
    reason = getattr(error, "reason", None) or error
    text = str(reason.args[-1] if getattr(reason, "args", ()) else reason)
    return urlsplit(text).path if "://" in text and " " not in text else text.split("(Caused by")[0].strip()[:200]
