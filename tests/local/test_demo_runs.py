"""The demo's waits end, whatever else goes on in Airflow, and the marts it shows have seen what it loaded.

apache/airflow #56050: updates of assets that come while a run is under way may stay in the queue, and start no run
until another update comes. Right: what is waited for is a run that began after the load, never an empty queue.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from local.airflow.api import AirflowApi
from local.demo import runs, screen
from local.demo.runs import Run, loaded_at, wait, wait_for_run_after
from local.errors import LocalError

LOADED = datetime(2026, 11, 27, 17, 5, tzinfo=UTC)
MARTS = "customer_metrics"


class FakeAirflow:
    """Airflow with runs of one DAG. A run ends when it was looked at `looks` times; None: never.

    `follows` is made when an earlier run ends. What waits in the queue of asset updates stays there for ever.
    """

    def __init__(self, *begun: timedelta | None, looks: int | None = 2, follows: timedelta | None = None) -> None:
        self.rows: list[dict[str, Any]] = []
        self.looks, self.follows = looks, follows
        self.triggered: list[str] = []
        for offset in begun:
            self.add(offset)

    def add(self, offset: timedelta | None) -> str:
        began = None if offset is None else (LOADED + offset).isoformat()
        run_id = f"run {len(self.rows)}"
        state = "queued" if began is None else "running"
        self.rows.append({"dag_run_id": run_id, "start_date": began, "state": state, "looks": 0})
        return run_id

    def latest_runs(self, dag_id: str) -> list[dict[str, Any]]:
        return [dict(row) for row in self.rows]

    def runs_under_way(self, dag_id: str) -> list[dict[str, Any]]:
        return [dict(row) for row in self.rows if row["state"] == "running"]

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        [row] = [row for row in self.rows if row["dag_run_id"] == run_id]
        row["looks"] += 1
        if self.looks is not None and row["looks"] >= self.looks and row["state"] != "success":
            row["state"] = "success"
            if self.follows is not None:
                self.add(self.follows)
                self.follows = None
        return dict(row)

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return []

    def trigger(self, dag_id: str) -> str:
        self.triggered.append(dag_id)
        return self.add(None)

    def queued_asset_events(self, dag_id: str) -> int:
        return 1


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "POLL_SECONDS", 0.001)


def marts_run(airflow: FakeAirflow) -> str:
    seen = wait_for_run_after(cast(AirflowApi, airflow), MARTS, LOADED, lambda _: None, seconds=0.05)
    assert seen.state == "success"
    return seen.run_id


def test_an_update_that_stays_queued_for_ever_does_not_keep_the_demo_waiting() -> None:
    """A newcomer's report (Debian 12): the hourly sheets' run queued an update for marts that wait for three sources,
    while they were built; the marts were done at 17:11, the demo still waited at 17:17. Right: it ends with the run.
    """
    assert marts_run(FakeAirflow(timedelta(seconds=2))) == "run 0"


def test_a_run_that_waits_for_its_turn_is_the_one() -> None:
    assert marts_run(FakeAirflow(-timedelta(minutes=1), None)) == "run 1"


def test_a_run_that_began_before_the_last_load_is_let_finish_and_the_next_one_counts() -> None:
    airflow = FakeAirflow(-timedelta(seconds=1), follows=timedelta(seconds=9))
    assert marts_run(airflow) == "run 1"
    assert airflow.triggered == []


def test_when_an_earlier_run_took_the_updates_and_none_follows_the_demo_starts_one() -> None:
    """The hourly sheets' run, queued before, completes the set with the demo's first two sources: the marts' run begins
    before the demo's own sheets are loaded, and the sheets' update stays alone in the queue until the next night.
    """
    airflow = FakeAirflow(-timedelta(seconds=1))
    assert marts_run(airflow) == "run 1"
    assert airflow.triggered == [MARTS]


def test_a_run_that_was_failed_by_hand_before_it_began_is_not_waited_for() -> None:
    airflow = FakeAirflow(None)
    airflow.rows[0]["state"] = "failed"
    assert marts_run(airflow) == "run 1"


@pytest.mark.parametrize("begun", [timedelta(seconds=1), -timedelta(seconds=1)])
def test_a_run_that_never_ends_is_named_after_half_an_hour(begun: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "RUN_SECONDS", 0.05)
    airflow = cast(AirflowApi, FakeAirflow(begun, looks=None))
    with pytest.raises(LocalError, match=MARTS):
        wait_for_run_after(airflow, MARTS, LOADED, lambda _: None, seconds=0.05)


def test_the_last_picture_shown_is_of_the_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = io.StringIO()
    monkeypatch.setattr(screen, "OUT", Console(file=out, width=120))
    with screen.Progress(tmp_path) as progress:
        wait(cast(AirflowApi, FakeAirflow(timedelta(0))), {MARTS: "run 0"}, progress.show)
    assert out.getvalue().strip().splitlines()[-1].endswith(f"{MARTS}: success, 0 of 0 done")


def test_loaded_is_when_the_last_load_ended() -> None:
    assert loaded_at(_ended("17:04:00", "17:05:00")) == LOADED
    assert loaded_at(_ended()) is None


def _ended(*clocks: str) -> Iterable[Run]:
    """A source's run: a load that ended at each of these times, one that never began, and what came afterwards."""
    ends = [f"2026-11-27T{clock}+00:00" for clock in clocks]
    tasks = [{"task_id": f"s{n}.load", "end_date": end} for n, end in enumerate([*ends, None])]
    return [Run("zendesk", "r", "success", (*tasks, {"task_id": "announce", "end_date": "2026-11-27T18:00:00+00:00"}))]
