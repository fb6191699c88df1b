"""The DAG files, parsed twice in processes of their own: two parses must not differ."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from catchment import dbt_project

REPOSITORY = Path(__file__).parents[2]
DBT = REPOSITORY / "include" / "dbt"


def parse(home: Path, *, seed: int, folder: str = "dags", **variables: str) -> dict[str, Any]:
    """What `tests/dags/parse.py` prints for a folder, with an Airflow of its own that knows no connection."""
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "CATCHMENT"))}
    environment = kept | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
        "AIRFLOW__COSMOS__ENABLE_CACHE": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONHASHSEED": str(seed),
        "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'plugins'}",
        **variables,
    }
    command = [sys.executable, str(Path(__file__).with_name("parse.py")), folder]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    value: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return value


@pytest.fixture(scope="session")
def manifest() -> None:
    """dbt's manifest, which the models are rendered from: made when it is missing or older than a model.

    One test process makes it and the others wait: half of it would be taken for the whole.
    """
    made = DBT / dbt_project.part_of("application_state")
    read = (Path(dbt_project.__file__), *DBT.glob("models/**/*"))
    newest = max(path.stat().st_mtime for path in read if path.is_file())
    lock = DBT / "target" / "manifest.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not made.exists() or made.stat().st_mtime < newest:
            dbt_project.write_manifest(DBT)


@pytest.fixture(scope="session")
def parsed(manifest: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return parse(tmp_path_factory.mktemp("airflow") / "one", seed=1)


@pytest.fixture(scope="session")
def parsed_again(parsed: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return parse(tmp_path_factory.mktemp("airflow") / "two", seed=2)


@pytest.fixture(scope="session")
def parsed_sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Only the source DAGs: the imports of Cosmos are not theirs."""
    return parse(tmp_path_factory.mktemp("airflow") / "three", seed=3, folder="dags/sources")
