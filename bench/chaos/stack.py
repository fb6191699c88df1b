"""The local S3, warehouse and vendors on free ports and temporary directories, with limits that are never met."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from catchment import sources
from catchment.connection import Connection
from catchment.landing import MANIFEST, S3Store
from catchment.platform import LANDING_BUCKET, s3_client
from local.ports import is_free
from local.sandbox.settings import Credentials

ROOT = Path(__file__).parents[2]
WAREHOUSE_PYTHON = ROOT / ".venv-warehouse" / "bin" / "python"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
STEPS = ("databases", "schemas", "file_format", "landing_stage", "ledger", "raw_tables")
SETTINGS = {
    "chartmogul_per_second": 100_000,
    "zendesk_per_minute": 100_000,
    "zendesk_exports_per_minute": 100_000,
    "sheets_reads_per_minute": 100_000,
    "chartmogul_page": 40,
    "zendesk_export_page": 60,
    "zendesk_list_page": 20,
}
LIMITS = {"rate_limits": {"account": 5000, "incremental": 5000, "drive": 5000}}
VENDORS = Credentials()
VENDOR_PATHS = {  # of requests for records
    "chartmogul": "^GET /chartmogul/v1/",
    "zendesk": "^GET /zendesk/api/v2/",
    "google_sheets": "^GET /google/(v4|drive)/",
}
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "chaos", "AWS_SECRET_ACCESS_KEY": "chaos", "AWS_DEFAULT_REGION": "us-east-1"}


class TruthLine(msgspec.Struct):
    key: list[str | int]
    record: msgspec.Raw


@dataclass(frozen=True)
class Stack:
    """The running servers, as the platform sees them (`connections`) and as their maker does."""

    connections: Mapping[str, Connection]
    sandbox: str
    warehouse: str
    limits: Path

    def set_clock(self, at: float) -> None:
        """Let the vendors' time stand at a Unix time."""
        self._post("clock", {"now": at})

    def advance_clock(self, seconds: float) -> None:
        self._post("clock", {"advance": seconds})

    def refuse(self, source: str, *, after: int) -> None:
        """Let the vendor answer the request after so many with 429, and ask for an hour."""
        rule = {"match": VENDOR_PATHS[source], "kind": "retry_after", "seconds": 3600, "after": after, "times": 1}
        self._post("faults", rule)

    def end_refusal(self) -> None:
        """The hour is over."""
        self._call("DELETE", "faults")
        for file in self.limits.glob("*"):
            file.unlink()

    def forget_requests(self) -> None:
        self._call("DELETE", "requests")

    def requests(self, source: str) -> list[str]:
        """The addresses that a vendor has answered since they were last forgotten, in that order."""
        log = msgspec.json.decode(self._call("GET", "requests"))
        path = re.compile(VENDOR_PATHS[source])
        return [line["path"] for line in log if line["status"] == 200 and path.match(f"GET {line['path']}")]

    def checkpoints(self) -> int:
        """How many checkpoints before the last of their batch lie in the landing."""
        store = S3Store(s3_client(self.connections["aws_default"]), LANDING_BUCKET)
        keys = [entry.key for entry in store.entries("landing/") if entry.key.endswith(MANIFEST)]
        return sum(not msgspec.json.decode(store.get(key) or b"")["complete"] for key in keys)

    def truth(self, source: str, stream: str) -> dict[tuple[str | int, ...], bytes]:
        """What the vendor holds now: by key, the record as it is sent; metrics from where all history begins."""
        start = sources.source(source).history_start.date()
        where = f"{self.sandbox}/_sandbox/truth/{source}/{stream}?keys=true&start={start}"
        with DIRECT.open(where, timeout=60) as reply:
            lines = (msgspec.json.decode(line, type=TruthLine) for line in reply)
            return {tuple(line.key): bytes(line.record) for line in lines}

    def _post(self, what: str, body: Mapping[str, Any]) -> None:
        self._call("POST", what, json.dumps(body).encode())

    def _call(self, method: str, what: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"{self.sandbox}/_sandbox/{what}", body, method=method)  # noqa: S310 - ours
        with DIRECT.open(request, timeout=60) as reply:
            return bytes(reply.read())


@contextmanager
def running(folder: Path, *, seed: int, scale: float, first_port: int) -> Iterator[Stack]:
    """Start the three servers, make what a load needs, and end the servers with the block."""
    s3, warehouse, sandbox = _ports(first_port)
    limits = folder / "limits"
    os.environ["CATCHMENT_BUDGET_DIR"] = str(limits)
    google_key = folder / "google.json"
    environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3}"}
    own = ("--google-key", str(google_key), "--seed", str(seed), "--scale", str(scale))
    with ExitStack() as servers:
        for python, module, port, extra, health in (
            (sys.executable, "local.s3", s3, ("--data", str(folder / "s3")), "/"),
            (WAREHOUSE_PYTHON, "local.warehouse", warehouse, ("--data", str(folder / "warehouse")), "/healthz"),
            (sys.executable, "local.sandbox", sandbox, own, "/_sandbox/health"),
        ):
            command = [str(python), "-m", module, "--port", str(port), *extra]
            url = f"http://127.0.0.1:{port}{health}"
            servers.enter_context(_server(command, environment, folder / f"{module}.log", url))
        by_id = _connections(s3, warehouse, sandbox, json.loads(google_key.read_text()))
        stack = Stack(by_id, f"http://127.0.0.1:{sandbox}", f"http://127.0.0.1:{warehouse}", limits)
        stack._post("settings", SETTINGS)
        _make_bucket(by_id["aws_default"])
        _provision(warehouse)
        yield stack


def _ports(first: int) -> list[int]:
    """Three free ports: from `first` on, or wherever the system has some when it is 0."""
    if first:
        return [port for port in range(first, first + 100) if is_free(port)][:3]
    with ExitStack() as held:
        return [held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(3)]


@contextmanager
def _server(command: list[str], environment: Mapping[str, str], log: Path, url: str) -> Iterator[None]:
    """A server process that answers at `url`; what it says is in `log`."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        _wait(url, process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < deadline:
        try:
            DIRECT.open(url, timeout=2).close()
            return
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return  # S3 refuses an unsigned request, and so it is there
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer. Its log ends with: {log.read_text()[-800:]}")


def _connections(s3: int, warehouse: int, sandbox: int, google_key: Mapping[str, Any]) -> dict[str, Connection]:
    vendors = f"http://127.0.0.1:{sandbox}"
    return {
        "snowflake_default": Connection(conn_id="snowflake_default", **_snowflake(warehouse)),
        "aws_default": Connection(
            conn_id="aws_default",
            login=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            password=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            extra={"endpoint_url": f"http://127.0.0.1:{s3}", "region_name": CREDENTIALS["AWS_DEFAULT_REGION"]},
        ),
        "chartmogul": Connection(
            conn_id="chartmogul", host=f"{vendors}/chartmogul/v1", password=VENDORS.chartmogul_key, extra=LIMITS
        ),
        "zendesk": Connection(
            conn_id="zendesk",
            host=f"{vendors}/zendesk/api/v2",
            login=VENDORS.zendesk_email,
            password=VENDORS.zendesk_token,
            extra=LIMITS,
        ),
        "google_sheets": Connection(
            conn_id="google_sheets",
            extra={"keyfile_dict": dict(google_key), "base_url": f"{vendors}/google", **LIMITS},
        ),
        "catchment_pii": Connection(conn_id="catchment_pii", password="chaos"),
    }


def _snowflake(port: int) -> dict[str, Any]:
    extra = {"account": "local", "warehouse": "LOADING", "role": "SYSADMIN", "host": "127.0.0.1", "port": port}
    return {"login": "chaos", "password": "chaos", "extra": extra | {"protocol": "http"}}


def _make_bucket(aws: Connection) -> None:
    client = s3_client(aws)
    client.create_bucket(Bucket=LANDING_BUCKET)
    client.close()


def _provision(port: int) -> None:
    """`snowflake-apply`, as far as a load needs it."""
    subprocess.run(
        [sys.executable, "-m", "catchment", "snowflake-apply", "--only", *STEPS],
        cwd=ROOT,
        env={**os.environ, "AIRFLOW_CONN_SNOWFLAKE_DEFAULT": json.dumps(_snowflake(port))},
        check=True,
        stdout=subprocess.DEVNULL,
    )
