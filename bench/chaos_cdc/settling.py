"""Waiting until all that was written has passed, and having dbt merge it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from catchment.cdc import pipeline
from catchment.cdc.declared import Application
from catchment.cdc.systems import Systems
from catchment.connection import Connection
from catchment.dbt_project import DBT, TARGET, environment
from catchment.errors import CatchmentError
from local.settings import ROOT

PROJECT = ROOT / "include" / "dbt"
BUILD = ("build", "--select", "path:models/staging/application", "--exclude", "resource_type:unit_test")
SETTLE_SECONDS = 300.0
SAY_SECONDS = 10.0

Report = Callable[[str], None]


def settle(systems: Systems, application: Application, report: Report) -> bool:
    """Until Debezium has confirmed each shard's WAL as of now, and the loader has loaded all that Kafka then has."""
    wanted = {}
    for shard in application.shards:
        with systems.owner(shard) as session:
            wanted[shard] = pipeline.lsn_now(session)

    def not_captured() -> str:
        behind = {}
        for shard, lsn in wanted.items():
            with systems.owner(shard) as session:
                behind[shard.name] = lsn - (pipeline.captured(session, shard) or 0)
        return ", ".join(f"{name} by {count} bytes of WAL" for name, count in behind.items() if count > 0)

    def not_loaded() -> str:
        topics = [shard.topic(table) for shard, table in application.replicated()]
        ends = pipeline.ends(systems.look_up("kafka"), topics)
        with systems.warehouse() as warehouse:
            behind = pipeline.not_loaded(warehouse.cursor(), ends)
        return f"{sum(behind.values())} offsets of {len(behind)} partitions" if behind else ""

    return _until_nothing("Debezium is behind", not_captured, report) and _until_nothing(
        "the loader is behind", not_loaded, report
    )


def _until_nothing(what: str, left: Callable[[], str], report: Report) -> bool:
    deadline, said = time.monotonic() + SETTLE_SECONDS, time.monotonic()
    while True:
        try:
            behind = left()
        except CatchmentError as error:
            behind = str(error)
        if not behind:
            return True
        if time.monotonic() > deadline:
            report(f"{what} still, after {SETTLE_SECONDS:.0f} s: {behind}")
            return False
        if time.monotonic() - said > SAY_SECONDS:
            report(f"{what}: {behind}")
            said = time.monotonic()
        time.sleep(0.5)


@dataclass(frozen=True)
class Dbt:
    """Builds the application's models as their DAG does; files go to `target`."""

    warehouse: Connection
    target: Path

    def build(self, tries: int, report: Report) -> bool:
        """Build, again when it fails, as Airflow would; whether it worked in the end."""
        for number in range(1, tries + 1):
            began = time.monotonic()
            done = subprocess.run(
                [str(DBT), "--no-use-colors", *BUILD, "--target", TARGET],
                cwd=PROJECT,
                env=environment(PROJECT, os.environ) | self._settings(),
                capture_output=True,
                text=True,
                check=False,
            )
            seconds = time.monotonic() - began
            if done.returncode == 0:
                report(f"dbt built the current state in {seconds:.0f} s")
                return True
            report(f"dbt's try {number} of {tries} failed after {seconds:.0f} s: {_errors(done.stdout + done.stderr)}")
        return False

    def _settings(self) -> dict[str, str]:
        extra = self.warehouse.extra
        return {
            "DBT_TARGET_PATH": str(self.target),
            "DBT_LOG_PATH": str(self.target),
            "SNOWFLAKE_ACCOUNT": str(extra["account"]),
            "SNOWFLAKE_USER": self.warehouse.login,
            "SNOWFLAKE_PASSWORD": self.warehouse.password,
            "SNOWFLAKE_HOST": str(extra["host"]),
            "SNOWFLAKE_PORT": str(extra["port"]),
            "SNOWFLAKE_PROTOCOL": str(extra["protocol"]),
            "SNOWFLAKE_INSECURE_MODE": "true",
        }


def _errors(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if "Error" in line or "ERROR" in line or "Failure" in line]
    return " / ".join(lines[-6:])[-900:] or said.strip()[-600:]
