"""dbt in this process, on the session's warehouse: parsed once, so that a run costs a second and not ten."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dbt.cli.main import dbtRunner

from catchment.dbt_project import TARGET, environment
from tests.dbt.project import PROJECT
from tests.dbt.warehouse import Warehouse


@pytest.fixture(scope="session")
def run_models(warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., None]]:
    """Runs models by their names; fails with what dbt says."""
    target: Path = tmp_path_factory.mktemp("in_process")
    kept = dict(os.environ)
    os.environ.update(environment(PROJECT, {}) | {"DBT_TARGET_PATH": str(target), "DBT_LOG_PATH": str(target)})
    os.environ.update(warehouse.environment())
    common = ["--quiet", "--project-dir", str(PROJECT), "--target", TARGET]
    parsed = dbtRunner().invoke(["parse", *common])
    assert parsed.success, parsed.exception
    runner = dbtRunner(manifest=parsed.result)

    def run(*models: str, full_refresh: bool = False) -> None:
        done = runner.invoke(["run", *common, "--select", *models, *(["--full-refresh"] if full_refresh else [])])
        failed = [r.message for r in getattr(done.result, "results", []) if r.status not in ("success", "no-op")]
        assert done.success, failed or done.exception

    yield run
    os.environ.clear()
    os.environ.update(kept)
