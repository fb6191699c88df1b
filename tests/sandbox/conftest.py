"""A sandbox on a free port, in this process: tests speak HTTP to it and may look inside."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn

from local.company.company import Company
from local.sandbox.app import Sandbox
from local.sandbox.keys import account, make_key
from local.sandbox.settings import Credentials
from local.sandbox.world import Clock, World

NOW = int(datetime(2026, 11, 23, 9, 30, 0, tzinfo=UTC).timestamp())
SEED = 7
KEY = "the-chartmogul-key"
EMAIL, TOKEN = "data@catchment.example", "the-zendesk-token"


@dataclass
class Server:
    """A running sandbox, what it is made of, and how to speak to it."""

    url: str
    sandbox: Sandbox
    google_key: dict[str, Any]

    @property
    def company(self) -> Company:
        return self.sandbox.world.company

    def chartmogul(self, path: str, **params: Any) -> requests.Response:
        return requests.get(f"{self.url}/chartmogul/v1{path}", params=params, auth=(KEY, ""), timeout=10)

    def zendesk(self, path: str, **params: Any) -> requests.Response:
        auth = (f"{EMAIL}/token", TOKEN)
        return requests.get(f"{self.url}/zendesk/api/v2{path}", params=params, auth=auth, timeout=10)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        reply = requests.request(method, f"{self.url}/_sandbox{path}", json=body, timeout=10)
        reply.raise_for_status()
        return reply.json()

    def settings(self, **changes: Any) -> None:
        self.control("POST", "/settings", changes)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    file: Path = tmp_path_factory.mktemp("keys") / "google.json"
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    make_key(file, f"{url}/google/token")
    clock = Clock()
    clock.set(NOW)
    sandbox = Sandbox(World(SEED, 1.0, clock), Credentials(KEY, EMAIL, TOKEN, *account(file)))
    server = uvicorn.Server(uvicorn.Config(sandbox, lifespan="off", log_level="critical", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Server(url, sandbox, json.loads(file.read_text()))
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def server(running: Server) -> Server:
    """The sandbox as new: its clock stands at NOW, limits are high enough not to be met by chance."""
    running.sandbox.reset()
    running.sandbox.world.clock.set(NOW)
    running.settings(
        chartmogul_per_second=100_000,
        zendesk_per_minute=100_000,
        zendesk_exports_per_minute=100_000,
        sheets_reads_per_minute=100_000,
        sheets_writes_per_minute=100_000,
    )
    return running
