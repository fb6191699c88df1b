"""Whether a service does its work, asked the way its users would."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local.services.service import Health, HeartbeatHealth, HttpHealth, KafkaHealth, PostgresHealth, StatusHealth

SECONDS = 3
STATUS_LASTS = timedelta(seconds=30)
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # 127.0.0.1 is never behind a proxy


def is_healthy(health: Health, *, started: datetime) -> bool:
    """Ask once. `started` is when the process began: what it said before that does not count."""
    match health:
        case HttpHealth(url, below):
            return _answers(url, below)
        case PostgresHealth(program, port):
            return _accepts_connections(program, port)
        case HeartbeatHealth(url, component):
            return _beats(_page(url).get(component, {}), component, started)
        case KafkaHealth(port):
            return _broker_answers(port)
        case StatusHealth(file):
            return _says_well(file, started)


def _answers(url: str, below: int) -> bool:
    try:
        with DIRECT.open(url, timeout=SECONDS):
            return True
    except urllib.error.HTTPError as refusal:
        return refusal.code < below
    except OSError:
        return False


def _accepts_connections(program: str, port: int) -> bool:
    command = [program, "-q", "-h", "127.0.0.1", "-p", str(port), "-t", str(SECONDS)]
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode == 0


def _page(url: str) -> dict[str, Any]:
    try:
        with DIRECT.open(url, timeout=SECONDS) as reply:
            page: dict[str, Any] = json.load(reply)
            return page
    except (OSError, ValueError):
        return {}


def _beats(status: dict[str, Any], component: str, started: datetime) -> bool:
    beat = status.get(f"latest_{component}_heartbeat")
    return status.get("status") == "healthy" and beat is not None and datetime.fromisoformat(beat) >= started


def _broker_answers(port: int) -> bool:
    """Whether the broker answers an ApiVersions request (key 18, version 0; correlation id 7, no client id)."""
    request = struct.pack(">hhih", 18, 0, 7, -1)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            with connection.makefile("rb") as stream:
                reply = stream.read(10)  # its size, the correlation id, an error code
    except OSError:
        return False
    return len(reply) == 10 and struct.unpack(">iih", reply)[1:] == (7, 0)


def _says_well(file: Path, started: datetime) -> bool:
    try:
        status = json.loads(file.read_text())
        at = datetime.fromisoformat(status["at"])
    except (OSError, ValueError, KeyError):
        return False
    return at >= started and datetime.now(UTC) - at < STATUS_LASTS and status.get("problem") is None
