"""A local warehouse of one's own, on a free port: for tests and benches that would not disturb the running one."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from collections.abc import Collection
from pathlib import Path
from typing import Any, Self

import snowflake.connector

from catchment.sources import SOURCES
from catchment.warehouse.provision import Settings, apply, render, select
from local.settings import ROOT

PYTHON = ROOT / ".venv-warehouse" / "bin" / "python"
TIMEOUT = 120.0


class ScratchWarehouse:
    """The server on the directory `data`, with what some steps of `snowflake-apply` make, while the block lasts."""

    def __init__(self, data: Path, steps: Collection[str]) -> None:
        self.data = data
        self._steps = steps

    def __enter__(self) -> Self:
        self.port = _free_port()
        command = [str(PYTHON), "-m", "local.warehouse", "--port", str(self.port), "--data", str(self.data)]
        self._process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            self._wait()
            with self.connect() as connection:
                apply(connection, select(render(Settings(), SOURCES.values()), self._steps))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(TIMEOUT)

    def connect(self) -> snowflake.connector.SnowflakeConnection:
        return snowflake.connector.connect(
            user="scratch",
            password="scratch",  # noqa: S106 - it lets everybody in
            account="local",
            host="127.0.0.1",
            port=self.port,
            protocol="http",
            session_parameters={"CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False},
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement; its rows."""
        with self.connect() as connection:
            return connection.cursor().execute(sql).fetchall()

    def environment(self) -> dict[str, str]:
        """What dbt's profiles.yml reads."""
        return {
            "SNOWFLAKE_ACCOUNT": "local",
            "SNOWFLAKE_USER": "scratch",
            "SNOWFLAKE_PASSWORD": "scratch",
            "SNOWFLAKE_HOST": "127.0.0.1",
            "SNOWFLAKE_PORT": str(self.port),
            "SNOWFLAKE_PROTOCOL": "http",
            "SNOWFLAKE_INSECURE_MODE": "true",
            "SNOWFLAKE_CONNECT_RETRIES": "0",
            "SNOWFLAKE_RETRY_ON_DATABASE_ERRORS": "false",
        }

    def _wait(self) -> None:
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(
                    f"the warehouse ended with status {self._process.returncode} while it started: run `make install`"
                )
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2).close()
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise RuntimeError(f"the warehouse on port {self.port} did not answer within {TIMEOUT:.0f} s")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
