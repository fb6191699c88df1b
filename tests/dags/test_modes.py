"""The documented switch from WATCHER to LOCAL: one dbt call a task, no task that builds for the others."""

from __future__ import annotations

from pathlib import Path

from tests.dags.conftest import DBT, parse


def test_in_local_mode_every_model_runs_by_itself(manifest: None, tmp_path: Path) -> None:
    parsed = parse(tmp_path / "local", seed=1, folder="dags/transform", CATCHMENT_DBT_EXECUTION_MODE="local")
    assert parsed["errors"] == {}
    tasks = [task_id for dag in parsed["dags"].values() for task_id in dag["tasks"]]
    assert not [task_id for task_id in tasks if "watcher" in task_id]
    models = {path.stem for path in DBT.glob("models/**/*.sql")}
    assert models
    assert not [model for model in models if not any(f".{model}" in task_id for task_id in tasks)]
