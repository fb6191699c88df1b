"""The two shapes of dbt's DAGs: one build that tasks watch (WATCHER), or one dbt call a task (LOCAL)."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from catchment import dbt_project
from tests.dags.conftest import DBT, parse

Parsed = dict[str, Any]


def test_in_local_mode_every_model_runs_by_itself(manifest: None, tmp_path: Path) -> None:
    parsed = parse(tmp_path / "local", seed=1, folder="dags/transform", CATCHMENT_DBT_EXECUTION_MODE="local")
    assert parsed["errors"] == {}
    tasks = [task_id for dag in parsed["dags"].values() for task_id in dag["tasks"]]
    assert not [task_id for task_id in tasks if "watcher" in task_id]
    models = {path.stem for path in DBT.glob("models/**/*.sql")}
    assert models
    assert not [model for model in models if not any(f".{model}" in task_id for task_id in tasks)]


def test_marts_show_their_tests_and_staging_models_are_one_task_each(parsed: Parsed) -> None:
    """A newcomer's measurement: 125 watchers were most of a warm demo's time; 44 of them watched tests of staging."""
    tested = {task_id for task_id in parsed["dags"]["customer_metrics"]["tasks"] if task_id.endswith(".test")}
    assert {task_id.split(".")[2] for task_id in tested} == {"marts", "intermediate"}
    assert "dbt.models.marts.finance.fct_mrr_monthly.test" in tested


def test_every_test_of_the_project_runs_in_one_build_whether_it_has_a_task_or_not(parsed: Parsed) -> None:
    """Asked of dbt itself: what do the producers' own flags select?"""
    run = Counter(test for name in dbt_project.PARTS for test in dbt_list(*flags_of_the_build(parsed, name)))
    assert run == Counter(dbt_list())
    assert len(run) > 100


def flags_of_the_build(parsed: Parsed, name: str) -> list[str]:
    [build] = [
        task["__var"]
        for task in parsed["serialized"][name]["dag"]["tasks"]
        if task["__var"]["task_id"] == "dbt.dbt_producer_watcher"
    ]
    flags: list[str] = build["dbt_cmd_flags"]
    return flags


def dbt_list(*flags: str) -> list[str]:
    """The ids of the data tests that dbt selects with these flags."""
    command = [str(dbt_project.DBT), "--quiet", "list", "--resource-type", "test", "--output", "json"]
    listed = subprocess.run(
        [*command, "--output-keys", "unique_id", "--target", dbt_project.TARGET, *flags],
        cwd=DBT,
        env=dbt_project.environment(DBT, os.environ),
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    return [json.loads(line)["unique_id"] for line in listed.stdout.splitlines()]
