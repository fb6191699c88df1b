"""Whether a service does its work: asked, not assumed."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from local.services.health import is_healthy
from local.services.service import HttpHealth, KafkaHealth, StatusHealth

NOW = datetime.now(UTC)
BEFORE = NOW - timedelta(minutes=5)


@contextmanager
def listening(reply: bytes | None) -> Iterator[int]:
    """A server that answers one request with these bytes, or takes the connection and says nothing; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(ConnectionResetError):
                connection.recv(100)
                if reply is not None:
                    connection.sendall(reply)
                connection.recv(1)

        Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@contextmanager
def http(status: int) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_broker_that_answers_is_healthy() -> None:
    with listening(struct.pack(">iihi", 10, 7, 0, 0)) as port:
        assert is_healthy(KafkaHealth(port), started=BEFORE)


def test_a_broker_that_takes_connections_and_is_frozen_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.services.health.SECONDS", 0.3)
    with listening(None) as port:
        assert not is_healthy(KafkaHealth(port), started=BEFORE)


def test_something_else_on_the_brokers_port_is_not_healthy() -> None:
    with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert not is_healthy(KafkaHealth(port), started=BEFORE)


@pytest.mark.parametrize(
    ("status", "below", "healthy"), [(200, 400, True), (404, 500, True), (404, 400, False), (503, 500, False)]
)
def test_a_page_is_healthy_below_a_status(status: int, below: int, healthy: bool) -> None:
    with http(status) as url:
        assert is_healthy(HttpHealth(url, below), started=BEFORE) is healthy


@pytest.mark.parametrize(
    ("age", "started", "problem", "healthy"),
    [
        (0, 300, None, True),
        (0, 300, "the database is down", False),
        (120, 300, None, False),  # it hangs
        (6, 5, None, False),  # of the process before
    ],
)
def test_a_status_file_must_be_of_now_and_without_a_problem(
    tmp_path: Path, age: int, started: int, problem: str | None, healthy: bool
) -> None:
    """`age` of the file and `started` are seconds ago."""
    file, now = tmp_path / "status.json", datetime.now(UTC)
    file.write_text(json.dumps({"at": (now - timedelta(seconds=age)).isoformat(), "problem": problem}))
    assert is_healthy(StatusHealth(file), started=now - timedelta(seconds=started)) is healthy


@pytest.mark.parametrize("text", [None, "", "{}", '{"at": "yesterday"}'])
def test_a_status_file_that_says_nothing_is_not_healthy(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "status.json"
    if text is not None:
        file.write_text(text)
    assert not is_healthy(StatusHealth(file), started=BEFORE)
