"""Every run has an end: a run that is never over holds back all that come after it, where runs never overlap."""

from __future__ import annotations

from typing import Any

import pytest

Parsed = dict[str, Any]
HOUR = 3600.0
MOST = 48 * HOUR


def test_every_dag_has_a_run_timeout(parsed: Parsed) -> None:
    """A deferral begins a task's `execution_timeout` again (apache/airflow #69678): only the run's own time is sure."""
    found = {name: dag["run_timeout"] for name, dag in parsed["dags"].items()}
    assert found
    assert {name: seconds for name, seconds in found.items() if not seconds or seconds > MOST} == {}


def test_a_run_lasts_longer_than_each_of_its_tasks_may(parsed: Parsed) -> None:
    """A run timeout shorter than a task's retry delay ended runs without a second try (apache/airflow #11100)."""
    short = {
        f"{name}.{task_id}": (task["timeout"], dag["run_timeout"])
        for name, dag in parsed["dags"].items()
        for task_id, task in dag["tasks"].items()
        if (task["timeout"] or 0) + task["retry_delay"] >= dag["run_timeout"]
    }
    assert short == {}


@pytest.mark.parametrize(("name", "seconds"), [("google_sheets", HOUR), ("chartmogul", 24 * HOUR)])
def test_a_source_is_through_before_its_next_run(parsed: Parsed, name: str, seconds: float) -> None:
    assert parsed["dags"][name]["run_timeout"] < seconds
