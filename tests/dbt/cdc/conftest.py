"""Running models quickly, on the session's warehouse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from catchment.dbt_project import TARGET, environment
from tests.dbt.cdc import raw
from tests.dbt.cdc.records import Message
from tests.dbt.project import PROJECT
from tests.dbt.warehouse import Warehouse

WORKER = Path(__file__).with_name("dbt_worker.py")


@pytest.fixture(scope="session")
def run_models(warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., None]]:
    """Runs models by their names as production; fails with what dbt says."""
    with models_of(warehouse, tmp_path_factory.mktemp("worker")) as run:
        yield run


@contextmanager
def models_of(
    warehouse: Warehouse, files: Path, dbt_target: str = TARGET, **variables: str
) -> Iterator[Callable[..., None]]:
    """What runs models as a target, with these environment variables; dbt writes its files to `files`."""
    settings = {"DBT_TARGET_PATH": str(files), "DBT_LOG_PATH": str(files), **warehouse.environment(), **variables}
    with subprocess.Popen(
        [sys.executable, str(WORKER), str(PROJECT), dbt_target],
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


@pytest.fixture
def merged(warehouse: Warehouse, run_models: Callable[..., None]) -> Callable[..., list[tuple[Any, ...]]]:
    """Loads records batch by batch, merging after each; gives columns of the current state."""
    raw.begin_again(warehouse, "customers")

    def merge(*batches: list[Message], columns: str = "_SHARD, ID, EMAIL, _IS_DELETED") -> list[tuple[Any, ...]]:
        for batch in batches:
            raw.put(warehouse, batch)
            run_models("stg_application__customers")
        return warehouse.rows(f"SELECT {columns} FROM ANALYTICS.STAGING.STG_APPLICATION__CUSTOMERS ORDER BY 1, 2")

    return merge
