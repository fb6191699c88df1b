"""The servers that these tests start: the warehouse on a data directory, and ports and waiting for them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import snowflake.connector

REPOSITORY = Path(__file__).parents[2]
BUCKET = "warehouse-tests"
USER, PASSWORD = "loader", "right-password"


def free_port() -> int:
    """A port that nobody listens on. Each of the processes that run tests side by side has a range of its own."""
    first = 18100 + 20 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for port in range(first, first + 20):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port from {first} to {first + 19} for the tests' servers: stop what listens there")


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server of {url} ended with status {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} did not answer within {seconds:.0f} s")


@dataclass
class Warehouse:
    """A warehouse server on a data directory that can be killed and started again."""

    data: Path
    s3_endpoint: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    settings: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        environment = os.environ | {
            "AWS_ENDPOINT_URL": self.s3_endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "CATCHMENT_WAREHOUSE_USER": USER,
            "CATCHMENT_WAREHOUSE_PASSWORD": PASSWORD,
            **self.settings,
        }
        command = [sys.executable, "-m", "local.warehouse", "--port", str(self.port), "--data", str(self.data)]
        self.process = subprocess.Popen(command, cwd=REPOSITORY, env=environment)
        wait_for(f"http://127.0.0.1:{self.port}/healthz", self.process)

    def stop(self, kill: bool = False) -> None:
        assert self.process
        (self.process.kill if kill else self.process.terminate)()
        self.process.wait(30)

    def connect(self, **options: Any) -> snowflake.connector.SnowflakeConnection:
        defaults = {
            "user": USER,
            "password": PASSWORD,
            "account": "local",
            "host": "127.0.0.1",
            "port": self.port,
            "protocol": "http",
            "login_timeout": 10,
            "session_parameters": {"CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False},
        }
        return snowflake.connector.connect(**(defaults | options))
