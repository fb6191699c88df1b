"""The server: an ASGI application that gives each request to its vendor, with faults and a log on the way.

/chartmogul/v1   /zendesk/api/v2   /google   the vendors
/_sandbox                                    control: see `control`
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from local.sandbox import chartmogul, control, google, zendesk
from local.sandbox.chartmogul import ChartMogulApi
from local.sandbox.faults import BEFORE, HTML, Delivery, Faults, Rule
from local.sandbox.google import GoogleApi
from local.sandbox.http import Reply, Request, as_json
from local.sandbox.settings import Credentials, Settings
from local.sandbox.world import World
from local.sandbox.zendesk import ZendeskApi

MOUNTS = {"/chartmogul/v1": "chartmogul", "/zendesk/api/v2": "zendesk", "/google": "google_sheets"}
LOG_LENGTH = 100_000
GZIP_FROM = 1024
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


@dataclass
class Count:
    """What one vendor answered, by status; what a rule spoiled is counted apart, for it is nobody's doing."""

    answered: Counter[int] = field(default_factory=Counter)
    spoiled: int = 0
    most_parallel: int = 0

    def meets(self, parallel: int) -> None:
        self.most_parallel = max(self.most_parallel, parallel)

    def add(self, status: int, spoiled: bool) -> None:
        if spoiled:
            self.spoiled += 1
        else:
            self.answered[status] += 1


class Sandbox:
    """One sandbox: a world, its vendors, and what was set up for them."""

    def __init__(self, world: World, credentials: Credentials, settings: Settings | None = None) -> None:
        self.world = world
        self.credentials = credentials
        self.original = settings or Settings()
        self.faults = Faults()
        self.log: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)
        self.parallel: Counter[str] = Counter()
        self.counts: dict[str, Count] = {}
        self._start()

    def reset(self) -> None:
        """Back to the start: clock, limits, settings, faults, edits and log."""
        self.faults.clear()
        self.log.clear()
        self.counts.clear()
        self.world.reset()
        self._start()

    def _start(self) -> None:
        self.settings = self.original
        self.chartmogul = ChartMogulApi(self.world, self.credentials)
        self.zendesk = ZendeskApi(self.world, self.credentials)
        self.google = GoogleApi(self.world, self.credentials)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """ASGI: HTTP only; the server's lifespan events need nothing."""
        if scope["type"] != "http":
            return
        body = await _body(receive)
        path: str = scope["path"]
        if path.startswith("/_sandbox"):
            request = _request(scope, body, "/_sandbox")
            await _send(send, request, Delivery(control.handle(self, request)))
            return
        mount = next((m for m in MOUNTS if path.startswith(m + "/")), None)
        if mount is None:
            await _send(send, _request(scope, body, ""), Delivery(Reply(404, b'{"error":"No vendor lives here."}')))
            return
        request = _request(scope, body, mount)
        vendor = MOUNTS[mount]
        self.parallel[vendor] += 1
        self.counts.setdefault(vendor, Count()).meets(self.parallel[vendor])
        try:
            if self.settings.latency:
                await asyncio.sleep(self.settings.latency)
            delivery = self.answer(vendor, mount + request.path, request, time.monotonic())
            await asyncio.sleep(delivery.delay)
            await _send(send, request, delivery)
        finally:
            self.parallel[vendor] -= 1

    def answer(self, vendor: str, mounted: str, request: Request, now: float) -> Delivery:
        """What goes out for one request of a vendor; it is logged."""
        rule = self.faults.decide(mounted, request)
        if rule is not None and rule.edit is not None:
            self.world.edit(rule.edit)
        if rule is not None and rule.kind in BEFORE:
            delivery = _instead(rule, vendor, request)
        else:
            delivery = self.faults.spoil(rule, mounted, request, self._reply(vendor, request, now))
        query = f"?{request.query_string}" if request.query_string else ""
        self.counts.setdefault(vendor, Count()).add(delivery.reply.status, spoiled=rule is not None)
        self.log.append(
            {
                "method": request.method,
                "path": mounted + query,
                "status": delivery.reply.status,
                "fault": rule.kind if rule else None,
            }
        )
        return delivery

    def _reply(self, vendor: str, request: Request, now: float) -> Reply:
        if vendor == "chartmogul":
            return self.chartmogul.handle(request, self.settings, now, self.parallel[vendor])
        if vendor == "zendesk":
            return self.zendesk.handle(request, self.settings, now)
        return self.google.handle(request, self.settings, now)


def _instead(rule: Rule, vendor: str, request: Request) -> Delivery:
    """The trouble that comes without asking the vendor."""
    if rule.kind == "timeout":
        return Delivery(Reply(200, b" "), rule.seconds, cut=0)
    if rule.kind == "html":
        return Delivery(Reply(rule.status, HTML, content_type="text/html; charset=utf-8"))
    if rule.kind == "redirect":
        target = f"{rule.to}{request.raw_path}" + (f"?{request.query_string}" if request.query_string else "")
        return Delivery(Reply(rule.status, headers=(("Location", target),)))
    if rule.kind == "status" and rule.body is not None:
        return Delivery(as_json(rule.body, rule.status))
    status = {"retry_after": 429, "no_retry_after": 429}.get(rule.kind, rule.status)
    if rule.kind == "revoke":
        status = rule.status if rule.status in (401, 403) else 401
    reply = _refusal(vendor, status)
    if rule.kind == "retry_after":
        reply = reply.with_headers(("Retry-After", str(int(rule.seconds))))
    return Delivery(reply)


def _refusal(vendor: str, status: int) -> Reply:
    """A vendor's own error body for a status."""
    if vendor == "chartmogul":
        return chartmogul.error(status, f"The sandbox was told to answer {status}.")
    if vendor == "zendesk":
        return zendesk.refusal(status)
    return google.error(status, f"The sandbox was told to answer {status}.")


def _request(scope: dict[str, Any], body: bytes, mount: str) -> Request:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get("host", "127.0.0.1")
    raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
    query = scope["query_string"].decode("latin-1")
    path = unquote(raw).removeprefix(mount)
    return Request(scope["method"], path, query, headers, body, f"http://{host}{mount}", raw.removeprefix(mount))


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(send: Send, request: Request, delivery: Delivery) -> None:
    """Send a reply. Half of one ends the connection: the server closes it when an answer is unfinished."""
    reply = delivery.reply
    body = reply.body
    headers = [(b"content-type", reply.content_type.encode()), *((n.encode(), v.encode()) for n, v in reply.headers)]
    if "gzip" in request.headers.get("accept-encoding", "") and len(body) >= GZIP_FROM and delivery.cut is None:
        body = await asyncio.to_thread(gzip.compress, body, 1, mtime=0)
        headers.append((b"content-encoding", b"gzip"))
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if delivery.cut is not None:
        await send({"type": "http.response.body", "body": body[: delivery.cut], "more_body": True})
        return
    await send({"type": "http.response.body", "body": body})
