"""A local warehouse for these tests, its raw tables, and batches put into them as a load would leave them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import snowflake.connector

from catchment.sources import SOURCES
from catchment.warehouse.provision import Settings, apply, render, select

REPOSITORY = Path(__file__).parents[2]
PORTS = range(18175, 18190)
STEPS = ("databases", "schemas", "ledger", "raw_tables", "cdc_ledger", "cdc_raw_tables", "cdc_watermarks")


@dataclass(frozen=True, kw_only=True)
class Load:
    """One batch of a stream. Times are UTC; `window` for streams that are re-read window by window."""

    stream: str
    name: str
    at: datetime
    records: Sequence[dict[str, Any]]
    parents: Sequence[dict[str, Any]] = ()
    window: tuple[datetime, datetime] | None = None

    @property
    def batch(self) -> str:
        return f"{self.stream}.{self.name}"


@dataclass
class Warehouse:
    """The local warehouse's server on a data directory."""

    data: Path
    port: int = field(default_factory=lambda: _free_port())
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        python = REPOSITORY / ".venv-warehouse/bin/python"
        command = [str(python), "-m", "local.warehouse", "--port", str(self.port), "--data", str(self.data)]
        self.process = subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | {"AWS_EC2_METADATA_DISABLED": "true"})
        _wait(f"http://127.0.0.1:{self.port}/healthz", self.process)
        with self.connect() as connection:
            every = render(Settings(), SOURCES.values())
            wanted = {s.step for s in every if s.step in STEPS}
            assert len(wanted) == len(STEPS), f"the steps of snowflake-apply have other names now: {wanted}"
            apply(connection, select(every, wanted))

    def stop(self) -> None:
        assert self.process
        self.process.terminate()
        self.process.wait(30)

    def connect(self) -> snowflake.connector.SnowflakeConnection:
        return snowflake.connector.connect(
            user="tests",
            password="tests",
            account="local",
            host="127.0.0.1",
            port=self.port,
            protocol="http",
            session_parameters={"CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False},
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.cursor().execute(sql).fetchall()

    def load(self, loads: Iterable[Load]) -> None:
        """Put batches in place, replacing those of the same name, as a load does."""
        with self.connect() as connection:
            cursor = connection.cursor()
            for load in loads:
                _put(cursor, load)

    def empty(self) -> None:
        """No batch was ever loaded."""
        with self.connect() as connection:
            cursor = connection.cursor()
            for spec in SOURCES.values():
                for stream in spec.streams:
                    cursor.execute(f"DELETE FROM RAW.{spec.name}.{stream.name}")
            cursor.execute("DELETE FROM RAW.CATCHMENT.LEDGER")

    def environment(self) -> dict[str, str]:
        """What profiles.yml reads."""
        return {
            "SNOWFLAKE_ACCOUNT": "local",
            "SNOWFLAKE_USER": "tests",
            "SNOWFLAKE_PASSWORD": "tests",
            "SNOWFLAKE_HOST": "127.0.0.1",
            "SNOWFLAKE_PORT": str(self.port),
            "SNOWFLAKE_PROTOCOL": "http",
            "SNOWFLAKE_INSECURE_MODE": "true",
            "SNOWFLAKE_CONNECT_RETRIES": "0",
            "SNOWFLAKE_RETRY_ON_DATABASE_ERRORS": "false",
        }


def _put(cursor: Any, load: Load) -> None:
    source, _, stream = load.stream.partition(".")
    table = f"RAW.{source}.{stream}"
    moment = f"'{load.at:%Y-%m-%d %H:%M:%S}'::TIMESTAMP_NTZ"
    cursor.execute(f"DELETE FROM {table} WHERE BATCH_ID = %s", (load.batch,))
    cursor.execute("DELETE FROM RAW.CATCHMENT.LEDGER WHERE BATCH_ID = %s", (load.batch,))
    for number, record in enumerate(load.records, 1):
        metadata: dict[str, Any] = {"source": source, "stream": stream, "file": "part-0.jsonl.zst", "row": number}
        if load.parents:
            metadata["parent"] = load.parents[number - 1]
        cursor.execute(
            f"INSERT INTO {table} SELECT PARSE_JSON(%s), PARSE_JSON(%s), %s, {moment}",
            (json.dumps(record), json.dumps(metadata), load.batch),
        )
    window = [f"'{t:%Y-%m-%d %H:%M:%S}'::TIMESTAMP_NTZ" for t in load.window] if load.window else ["NULL", "NULL"]
    cursor.execute(
        f"""INSERT INTO RAW.CATCHMENT.LEDGER (BATCH_ID, SOURCE, STREAM, KIND, INTERVAL_START, INTERVAL_END,
            WINDOW_FROM, WINDOW_TO, MANIFEST, FILES, ROWS_EXTRACTED, ROWS_LOADED, ROWS_REJECTED, BYTES, SPEC_VERSION,
            EXTRACTED_AT, LOADED_AT)
        SELECT %s, %s, %s, 'scheduled', {moment}, {moment}, {window[0]}, {window[1]}, 'manifest.json', 1, %s, %s, 0, 0,
            1, {moment}, {moment}""",
        (load.batch, source, stream, len(load.records), len(load.records)),
    )


def _free_port() -> int:
    for port in PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise RuntimeError(f"no free port in {PORTS} for the tests' warehouse: stop what listens there")


def _wait(url: str, process: subprocess.Popen[bytes], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the warehouse ended with status {process.returncode}; is .venv-warehouse installed?")
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"{url} did not answer within {seconds:.0f} s")
