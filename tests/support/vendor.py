"""A vendor whose every reply a test writes: over real HTTP/1.1 (`Scripted`), or without any (`InProcess`)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, BinaryIO, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from catchment.http import client as http_client
from catchment.http import request as http
from catchment.http.client import Tally

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """One request; `path` is decoded, `query` holds the last value of each parameter, header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """A reply. `cut` ends the connection after so many bytes of the body, `silent` waits before it says anything."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    silent: float = 0.0

    @classmethod
    def json(cls, value: Any, status: int = 200, **more: Any) -> Reply:
        return cls(json.dumps(value).encode(), status, {"Content-Type": "application/json"}, **more)


Handler = Callable[[Request], Reply]


class Scripted:
    """A running server. `handler` may be replaced at any time; `requests` is what was asked, in order."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.requests: list[Request] = []
        self._lock = Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._request_handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[Scripted]:
        thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def answer(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
        return self.handler(request)

    def _request_handler(self) -> type[BaseHTTPRequestHandler]:
        vendor = self

        class Connection(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, unquote(parts.path), dict(parse_qsl(parts.query)), headers, body)
                self._send(vendor.answer(request))

            do_POST = do_GET

            def _send(self, reply: Reply) -> None:
                time.sleep(reply.silent)
                self.send_response(reply.status)
                for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body[: reply.cut])
                self.close_connection = self.close_connection or reply.cut is not None

            def log_message(self, *_: Any) -> None:
                """The request log is `Scripted.requests`."""

        return Connection


class InProcess:
    """Stands where the package has an `HttpClient`, and takes replies from a function: no sockets, no retries."""

    def __init__(self, reply: Callable[[str, Mapping[str, Any]], Any]) -> None:
        self.tally = Tally()
        self.identity = "reader@project.iam.gserviceaccount.com"
        self.asked: list[dict[str, Any]] = []
        self.paused: list[float] = []
        self._reply = reply

    def send(
        self,
        request: http.Request,
        *,
        accept: Callable[[http_client.Reply], T],
        limits: object = (),
        actions: object = (),
    ) -> T:
        return accept(http_client.Reply(200, {}, self._body(request)))

    def download(self, request: http.Request, into: BinaryIO, *, limits: object = (), actions: object = ()) -> None:
        into.write(self._body(request))
        into.seek(0)

    def _body(self, request: http.Request) -> bytes:
        self.tally.count(requests=1)
        self.asked.append(dict(request.params))
        value = self._reply(request.path, request.params)
        return value if isinstance(value, bytes) else json.dumps(value).encode()

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)

    def cancel(self) -> None:
        """There is nothing to end."""

    def close(self) -> None:
        """There is nothing to close."""
