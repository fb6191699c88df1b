"""Running models quickly, on the session's warehouse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catchment.dbt_project import TARGET, environment
from tests.dbt.project import PROJECT
from tests.dbt.warehouse import Warehouse

WORKER = Path(__file__).with_name("dbt_worker.py")


@pytest.fixture(scope="session")
def run_models(warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., None]]:
    """Runs models by their names; fails with what dbt says."""
    target = tmp_path_factory.mktemp("worker")
    settings = {"DBT_TARGET_PATH": str(target), "DBT_LOG_PATH": str(target), **warehouse.environment()}
    with subprocess.Popen(
        [sys.executable, str(WORKER), str(PROJECT), TARGET],
        cwd=PROJECT,
        env=environment(PROJECT, os.environ) | settings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        asked, answered = worker.stdin, worker.stdout
        assert asked
        assert answered

        def run(*models: str, full_refresh: bool = False) -> None:
            command = ["run", "--select", *models, *(["--full-refresh"] if full_refresh else [])]
            print(json.dumps(command), file=asked, flush=True)
            answer = answered.readline()
            assert answer, "dbt's process has ended"
            assert json.loads(answer) == []

        yield run
        asked.close()
