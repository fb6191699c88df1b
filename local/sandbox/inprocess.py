"""A sandbox in a thread of this process, for tests and benchmarks: HTTP outside, the whole truth inside."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from local.sandbox.app import Sandbox
from local.sandbox.keys import account, make_key
from local.sandbox.settings import Credentials, Settings
from local.sandbox.world import Clock, World

CREDENTIALS = Credentials()


@dataclass(frozen=True)
class Running:
    """A sandbox that answers at `url`. `google_key` is the service account's JSON key that it accepts."""

    url: str
    sandbox: Sandbox
    google_key: dict[str, Any]


@contextmanager
def serving(
    *,
    seed: int = 1,
    scale: float = 1.0,
    at: int | None = None,
    settings: Settings | None = None,
    credentials: Credentials = CREDENTIALS,
) -> Iterator[Running]:
    """Serve on a free port until the block ends. `at` lets the clock stand there; without it, it is the real one."""
    clock = Clock()
    if at is not None:
        clock.set(at)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "google.json"
        make_key(file, f"{url}/google/token")
        key = json.loads(file.read_text())
        email, public = account(file)
    accepted = Credentials(
        credentials.chartmogul_key, credentials.zendesk_email, credentials.zendesk_token, email, public
    )
    sandbox = Sandbox(World(seed, scale, clock), accepted, settings)
    config = uvicorn.Config(sandbox, lifespan="off", log_level="critical", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Running(url, sandbox, key)
    finally:
        server.should_exit = True
        thread.join(timeout=10)
