"""A stream that nothing keeps fresh is red, and a sentence says which and since when."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catchment.dbt_freshness import fail_if_stale, sentences
from catchment.errors import NeedsPerson
from tests.dbt.project import PROJECT, Dbt
from tests.dbt.warehouse import Load, Warehouse

pytestmark = pytest.mark.timeout(600)
NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(days=9)
TASK = """
import sys
from pathlib import Path
from catchment.operators.dbt import dbt_freshness

task = dbt_freshness("source_freshness", Path(sys.argv[1]))
task.dbt_cmd_global_flags = ["--no-use-colors"]
task.select = ["source:zendesk.tickets", "source:zendesk.groups"]
task.build_and_run_cmd(context={"run_id": "by hand"}, cmd_flags=[])
"""


def load(stream: str, at: datetime, name: str = "night", **more: object) -> Load:
    return Load(stream=stream, name=name, at=at, records=(), **more)  # type: ignore[arg-type]


def statuses(dbt: Dbt, *streams: str) -> dict[str, str]:
    dbt.run("source", "freshness", "--threads", "1", "--select", *(f"source:{stream}" for stream in streams))
    found = json.loads((dbt.target / "sources.json").read_text())["results"]
    return {result["unique_id"].removeprefix("source.catchment."): result["status"] for result in found}


def test_what_counts_is_up_to_when_a_stream_was_read_to_its_end(warehouse: Warehouse, dbt: Dbt) -> None:
    """A report (constructorfabric/insight 2413): a window that is read again looked fresh though its data was days old.

    None of these makes a stream fresh: a backfill, an unfinished reading, an old export that was cleared.
    """
    warehouse.empty()
    warehouse.load(
        [
            load("zendesk.users", NOW - timedelta(hours=30)),
            load("zendesk.tickets", LONG_AGO, asked=NOW),
            load("zendesk.organizations", LONG_AGO),
            load("zendesk.organizations", NOW, "backfill", kind="backfill"),
            load("zendesk.ticket_events", LONG_AGO),
            load("zendesk.ticket_events", NOW, "unfinished", complete=False),
            load("zendesk.groups", LONG_AGO, asked=NOW),  # a list is as of now, whichever run read it
            load("chartmogul.plans", NOW - timedelta(hours=25)),
        ]
    )
    assert (
        statuses(dbt, "zendesk", "chartmogul.plans").items()
        >= {
            "zendesk.users": "warn",
            "zendesk.tickets": "error",
            "zendesk.organizations": "error",
            "zendesk.ticket_events": "error",
            "zendesk.groups": "pass",
            "zendesk.brands": "error",  # never loaded
            "chartmogul.plans": "pass",
        }.items()
    )
    found = json.loads((dbt.target / "sources.json").read_text())
    assert "zendesk.brands was never loaded; it should never be older than 26 hours" in sentences(found, "error")
    (warning,) = sentences(found, "warn")
    assert warning.startswith("zendesk.users is loaded up to 20")
    assert warning.endswith(" UTC, 30 hours ago; it should never be older than 26 hours")


def test_the_task_is_red_while_a_stream_is_stale_and_green_once_it_is_loaded(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    warehouse.empty()
    warehouse.load([load("zendesk.tickets", LONG_AGO), load("zendesk.groups", NOW)])
    red = run_task(warehouse, tmp_path)
    assert red.returncode != 0
    assert f"zendesk.tickets is loaded up to {LONG_AGO:%Y-%m-%d %H:%M} UTC, 216 hours ago" in red.stderr
    assert "docs/runbooks/source_late.md" in red.stderr
    assert "zendesk.groups is loaded" not in red.stderr
    warehouse.load([load("zendesk.tickets", NOW)])
    green = run_task(warehouse, tmp_path)
    assert green.returncode == 0, green.stderr[-3000:]


def run_task(warehouse: Warehouse, home: Path) -> subprocess.CompletedProcess[str]:
    """The DAG's own task, with a connection to this warehouse."""
    extra = {
        "account": "local",
        "host": "127.0.0.1",
        "port": warehouse.port,
        "protocol": "http",
        "insecure_mode": True,
    }
    connection = {"conn_type": "snowflake", "login": "scratch", "password": "scratch", "extra": extra}
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_SNOWFLAKE_DEFAULT": json.dumps(connection),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
        "AIRFLOW__COSMOS__CACHE_DIR": str(home / "cosmos"),  # else one of the machine, which another user may own
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-c", TASK, str(PROJECT)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_run_that_ended_before_it_found_anything_tells_nothing_of_freshness(tmp_path: Path) -> None:
    fail_if_stale(tmp_path)


def test_every_stale_stream_is_named(tmp_path: Path) -> None:
    def result(stream: str, status: str) -> dict[str, object]:
        return {
            "unique_id": f"source.catchment.{stream}",
            "status": status,
            "max_loaded_at": "2026-03-10T02:00:00+00:00",
            "max_loaded_at_time_ago_in_s": 190800.0,
            "criteria": {"warn_after": {"count": 26, "period": "hour"}},
        }

    (tmp_path / "target").mkdir()
    found = {"results": [result("b.two", "error"), result("a.one", "error"), result("c.three", "warn")]}
    (tmp_path / "target/sources.json").write_text(json.dumps(found))
    with pytest.raises(NeedsPerson) as error:
        fail_if_stale(tmp_path)
    assert str(error.value) == (
        "a.one is loaded up to 2026-03-10 02:00 UTC, 53 hours ago; it should never be older than 26 hours; "
        "b.two is loaded up to 2026-03-10 02:00 UTC, 53 hours ago; it should never be older than 26 hours. "
        "See docs/runbooks/source_late.md."
    )
