"""Requests to one vendor: signed in, within its limits, tried again as it asks; what stays wrong is a sentence."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field, replace
from datetime import timedelta
from threading import Event, Lock
from types import MappingProxyType
from typing import Any, BinaryIO, Protocol, TypeVar
from urllib.parse import urljoin, urlsplit

import msgspec
import urllib3

from catchment import __version__
from catchment.connection import Connection
from catchment.errors import NeedsPerson, RateLimited, VendorUnavailable
from catchment.http.actions import Action, Do
from catchment.http.actions import decide as decide_action
from catchment.http.auth import Auth
from catchment.http.bodies import ErrorField, plain, spool
from catchment.http.limit_headers import read_allowance
from catchment.http.proxies import Pools
from catchment.http.refusals import REDIRECTS, Refusals
from catchment.http.request import Request, address, with_query
from catchment.http.retry import RETRIED_STATUSES, GiveUp, RetryRule, decide, is_limit
from catchment.http.words import said

T = TypeVar("T")
HEADERS = {"User-Agent": f"catchment/{__version__}", "Accept": "application/json", "Accept-Encoding": "gzip"}
_TIMEOUT = urllib3.Timeout(connect=10, read=90)
LIMIT_TIMEOUT = 600.0


class Limit(Protocol):
    """A rate limit or a quota; processes that share an account share its `name`."""

    @property
    def name(self) -> str: ...


class CallLimits(Protocol):
    """The budgets of one account (`catchment.http.limits`)."""

    def wait(self, *limits: Any, timeout: float) -> float:
        """Block until all limits allow a call; the seconds that it took. Raises `RateLimited` beyond `timeout`."""
        ...

    def learn(self, limit: Any, status: int, headers: Mapping[str, str]) -> None:
        """What a reply said about a limit."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class HttpApi:
    """An API as its vendor's reference describes it.

    Args:
        base_url: Where it lives, unless the connection names a base URL of its own.
        auth: How one signs in.
        limits: What every call counts against.
        other_hosts: Path prefix → base URL, for paths that live elsewhere (Google's Drive beside its Sheets).
        parallel: How many requests one stream may have in flight.
        actions: What its error replies mean, before the client's own rules. The first that fits holds.
        error_field: A field that makes a 2xx reply an error where it holds anything (GraphQL's `errors`): data that
            comes beside errors has holes. Actions then look into that field, and into no record.
        headers: Sent with every request (an API version, say).
    """

    base_url: str
    auth: Auth
    limits: tuple[Limit, ...] = ()
    other_hosts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    parallel: int = 1
    actions: tuple[Action, ...] = ()
    error_field: str | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Reply:
    """A reply that was not an error. Names of `headers` are compared without case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Tally:
    """What the requests of a batch cost: for its manifest. `waited` is in seconds."""

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


class HttpClient:
    """An open connection to one vendor's API. Safe to use from several threads; close it when done.

    Args:
        api: The API.
        connection: Where it is for us, and who we are. Its extra may set `retry` (see `RetryRule`).
        limits: The budgets of the account; closed with the client.
        retry: Instead of the connection's rule.
        cancelled: Set by `cancel`; whoever opens the limits may let them wait on it, so that it ends their waits too.
        sleep: Waits so many seconds, or less when cancelled.
    """

    def __init__(
        self,
        api: HttpApi,
        connection: Connection,
        *,
        limits: CallLimits,
        retry: RetryRule | None = None,
        cancelled: Event | None = None,
        sleep: Callable[[float], Any] | None = None,
    ) -> None:
        self.tally = Tally()
        self._api = api
        self._conn_id = connection.conn_id
        self._base = connection.base_url(api.base_url)
        self._hosts = api.other_hosts if self._base == api.base_url.rstrip("/") else {}
        self._limits = limits
        self._retry = retry or retry_rule(connection)
        self._cancelled = cancelled or Event()
        self._sleep = sleep or self._cancelled.wait
        self._authorize = api.auth.sign_in(connection)
        self._forget: Callable[[Mapping[str, str]], None] | None = getattr(self._authorize, "forget", None)
        self._key_params: Mapping[str, str] = getattr(self._authorize, "params", {})
        self.identity = str(getattr(self._authorize, "identity", ""))
        self._refusals = Refusals(connection.conn_id, self._base, self.identity)
        self._error_field = ErrorField(api.error_field) if api.error_field else None
        self._pools = Pools(maxsize=max(2, api.parallel), block=True, retries=False, timeout=_TIMEOUT)

    def cancel(self) -> None:
        """Ends waits and lets the next request raise `Cancelled`."""
        self._cancelled.set()

    def pause(self, seconds: float) -> None:
        """Wait, and count what was waited. Raises `Cancelled` when the task is told to stop meanwhile."""
        begun = time.monotonic()
        self._sleep(seconds)
        self.tally.count(waited=time.monotonic() - begun)
        self._stop_if_cancelled()

    def close(self) -> None:
        self._pools.close()
        self._limits.close()

    def send(
        self,
        request: Request,
        *,
        accept: Callable[[Reply], T],
        limits: tuple[Limit, ...] = (),
        actions: tuple[Action, ...] = (),
    ) -> T:
        """Ask, and return what `accept` makes of the reply.

        An `accept` that raises `VendorUnavailable` counts as a bad reply and is tried again, so that a page cut off by
        a proxy heals like a lost connection. `limits` and `actions` are the stream's own, beside the API's; its
        actions come first.

        Raises:
            Refused: A person must act; `Skipped` and `PlanGated` where an action says so.
            RateLimited: The vendor wants us to wait longer than a task should; `after` says how long.
            VendorUnavailable: It failed as often as the retry rule allows.
            Cancelled: The task was told to stop.
        """
        return self._send(self._call(request, limits, actions), accept)

    def download(
        self,
        request: Request,
        into: BinaryIO,
        *,
        limits: tuple[Limit, ...] = (),
        actions: tuple[Action, ...] = (),
    ) -> None:
        """Ask, and write the reply's body to a file, without gzip; in bounded memory.

        A redirect is followed once, and to another host without our credentials: vendors send one on to a storage that
        signs its addresses.

        Raises: As `send`.
        """
        call = replace(self._call(request, limits, actions), into=into)
        location = self._send(call, lambda reply: reply.headers.get("Location") if reply.status in REDIRECTS else None)
        if location:
            here = self._address(request)
            there = urljoin(here, location)
            following = Request(there, signed=request.signed and urlsplit(there)[:2] == urlsplit(here)[:2])
            call = replace(self._call(following, limits, actions), into=into, redirected=True)
            self._send(call, lambda reply: None)

    def _call(self, request: Request, limits: tuple[Limit, ...], actions: tuple[Action, ...]) -> _Call:
        """What is not signed is asked of a storage: it counts against none of the vendor's limits."""
        counted = (*self._api.limits, *limits) if request.signed else ()
        return _Call(request, counted, (*actions, *self._api.actions))

    def _send(self, call: _Call, accept: Callable[[Reply], T]) -> T:
        tried = 0
        while True:
            tried += 1
            outcome = self._try(call, accept)
            if not isinstance(outcome, _Failure):
                return outcome
            chance = random.random()  # noqa: S311 - it hides nothing
            verdict = decide(self._retry, tried=tried, asked=outcome.asked, chance=chance)
            if isinstance(verdict, GiveUp):
                raise self._give_up(call.request, outcome, tried, verdict)
            self.tally.count(retries=1)
            self.pause(verdict.seconds)

    def _try(self, call: _Call, accept: Callable[[Reply], T]) -> T | _Failure:
        self._wait_for_limits(call)
        try:
            reply = self._exchange(call)
        except urllib3.exceptions.HTTPError as error:
            return _Failure(f"{type(error).__name__}: {_without_address(error)}")
        except VendorUnavailable as error:  # the token endpoint, or a body that is cut short
            return _Failure(str(error), asked=error.after.total_seconds() if error.after else None)
        failure = self._judge(call, reply)
        if failure:
            return failure
        try:
            return accept(reply)
        except VendorUnavailable as error:
            return _Failure(f"HTTP {reply.status}, but {error}")

    def _wait_for_limits(self, call: _Call) -> None:
        self._stop_if_cancelled()
        if call.limits:
            self.tally.count(waited=self._limits.wait(*call.limits, timeout=LIMIT_TIMEOUT))
            self._stop_if_cancelled()

    def _stop_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled

    def _exchange(self, call: _Call) -> Reply:
        """One request, one reply; a token that is refused before its time is replaced, once per call."""
        signature = self._authorize() if call.request.signed else {}
        reply = self._ask(call, signature)
        if reply.status == 401 and call.request.signed and self._forget and not call.renewed:
            call.renewed = True
            self._forget(signature)
            self._wait_for_limits(call)
            reply = self._ask(call, self._authorize())
        return reply

    def _ask(self, call: _Call, signature: Mapping[str, str]) -> Reply:
        request = call.request
        headers = {**HEADERS, **self._api.headers, **signature} if request.signed else dict(HEADERS)
        if call.into is not None:
            headers["Accept"] = "*/*"
        body = None
        if request.json is not None:
            headers["Content-Type"] = "application/json"
            body = msgspec.json.encode(request.json)
        self.tally.count(requests=1)
        reply = self._pools.request(
            request.method,
            self._address(request),
            headers=headers,
            body=body,
            redirect=False,
            preload_content=call.into is None,
        )
        if call.into is not None and 200 <= reply.status < 300:
            spool(reply, call.into)
            return Reply(reply.status, reply.headers, b"")
        return Reply(reply.status, reply.headers, plain(reply.data))

    def _address(self, request: Request) -> str:
        url = address(request, base_url=self._base, hosts=self._hosts, conn_id=self._conn_id)
        return with_query(url, self._key_params) if self._key_params and request.signed else url

    def _judge(self, call: _Call, reply: Reply) -> _Failure | None:
        """None for a good reply, a failure for one that may pass; raises for one that a person must act on."""
        good, body = call.accepts(reply), reply.body
        if good and self._error_field:
            body = self._error_field.read(body)
            good = not body
        action = None if good and self._error_field else decide_action(call.actions, reply.status, body)
        limited = action.do is Do.LIMIT if action else is_limit(reply.status, reply.headers, body)
        self._learn(call, reply, limited)
        if good and action is None:
            return None
        if limited or (action.do is Do.RETRY if action else reply.status in RETRIED_STATUSES):
            asked = read_allowance(reply.headers, time.time()).wish(limited)
            return _Failure(f"HTTP {reply.status}{said(reply.body)}", asked=asked, limited=limited)
        raise self._refusals.error(call.request, reply.status, reply.headers, reply.body, action)

    def _learn(self, call: _Call, reply: Reply, limited: bool) -> None:
        """A refusal is told to the last limit, the stream's own where it has one: the account may have calls left."""
        for limit in call.limits[-1:] if limited else call.limits:
            self._limits.learn(limit, 429 if limited else reply.status, reply.headers)

    def _give_up(self, request: Request, failure: _Failure, tried: int, verdict: GiveUp) -> Exception:
        after = timedelta(seconds=verdict.after) if verdict.after is not None else None
        times = "once" if tried == 1 else f"{tried} times"
        if failure.limited:
            wish = f" and wants us to wait {verdict.after:.0f} s" if verdict.after is not None else ""
            return RateLimited(
                f"{request.shown} was over the vendor's rate limit, {times}{wish}. It is tried again later; "
                f'if it lasts, lower `rate_limits` in the connection "{self._conn_id}"',
                after=after,
            )
        return VendorUnavailable(
            f"{request.shown} failed {times}, at last with: {failure.what}. It is tried again later; "
            f"if it lasts, see the vendor's status page",
            after=after,
        )


def retry_rule(connection: Connection) -> RetryRule:
    """The rule in the connection's extra `retry`; what it does not set keeps its default."""
    try:
        rule = RetryRule(**connection.extra.get("retry", {}))
        if all(value > 0 for value in astuple(rule)):
            return rule
    except TypeError:  # an unknown name, or no number
        pass
    known = ", ".join(RetryRule.__dataclass_fields__)
    raise NeedsPerson(
        f'`retry` in the extra of the connection "{connection.conn_id}" is not right: it may set {known}, to numbers '
        "above 0."
    )


@dataclass
class _Call:
    """A request with what counts for it; `renewed` when its token was replaced already.

    `into` is the file that its body goes to, `redirected` when a redirect led to it.
    """

    request: Request
    limits: tuple[Limit, ...]
    actions: tuple[Action, ...]
    into: BinaryIO | None = None
    renewed: bool = False
    redirected: bool = False

    def accepts(self, reply: Reply) -> bool:
        if 200 <= reply.status < 300:
            return True
        followed = self.into is not None and not self.redirected and "Location" in reply.headers
        return followed and reply.status in REDIRECTS


@dataclass(frozen=True)
class _Failure:
    """One try that failed in a way that may pass; `asked` is the vendor's wish in seconds."""

    what: str
    asked: float | None = None
    limited: bool = False


def _without_address(error: Exception) -> str:
    """The reason of a connection error without the URL, whose query could hold a secret."""
    reason = getattr(error, "reason", None) or error
    text = str(reason.args[-1] if getattr(reason, "args", ()) else reason)
    return "" if "://" in text or "?" in text else text.split("(Caused by")[0].strip()[:200]
