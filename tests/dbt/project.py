"""The dbt project as these tests run it: in its own folder, with its files below a temporary target."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catchment.dbt_project import DBT, TARGET, environment

PROJECT = Path(__file__).parents[2] / "include" / "dbt"


@dataclass(frozen=True)
class Dbt:
    """Runs dbt against one warehouse; `target` holds what it writes."""

    target: Path
    settings: dict[str, str]
    dbt_target: str = TARGET

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(DBT), "--no-use-colors", *arguments, "--target", self.dbt_target],
            cwd=PROJECT,
            env=environment(PROJECT, os.environ)
            | {"DBT_TARGET_PATH": str(self.target), "DBT_LOG_PATH": str(self.target)}
            | self.settings,
            capture_output=True,
            text=True,
            check=False,
        )

    def statuses(self, *arguments: str) -> dict[str, str]:
        """The status of each node that the command ran, by the node's name."""
        done = self.run(*arguments)
        results = self.target / "run_results.json"
        assert results.exists(), done.stdout[-6000:] + done.stderr[-3000:]
        found = {r["unique_id"].split(".")[2]: r["status"] for r in json.loads(results.read_text())["results"]}
        results.unlink()
        return found

    def manifest(self) -> dict[str, Any]:
        done = self.run("--quiet", "parse")
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads((self.target / "manifest.json").read_text())
        return found
