"""What the DAG files make: exactly these DAGs, with what people on call rely on."""

from __future__ import annotations

from typing import Any

import pytest

from catchment import dbt_project
from catchment.sources import SOURCES
from tests.dags.conftest import DBT

HEAVY = {
    "boto3",
    "botocore",
    "snowflake.connector",
    "pandas",
    "numpy",
    "pyarrow",
    "duckdb",
    "google.auth",
    "dbt",
    "gspread",
}
OWNERS = {
    "chartmogul": "data",
    "zendesk": "support-ops",
    "google_sheets": "data",
    "customer_metrics": "data",
    "application_state": "data",
    "check_connections": "data",
    "source_freshness": "data",
    "cdc_audit": "data",
    "cdc_replay": "data",
    "cdc_add_table": "data",
    "cdc_approval": "data",
    "cdc_end_snapshot": "data",
    "cdc_snapshot_counts": "data",
    "cdc_connector_health": "data",
    "cdc_pause": "data",
    "cdc_rebuild_shard": "data",
    "cdc_reconcile": "data",
    "cdc_resnapshot": "data",
    "cdc_restart_topic": "data",
    "cdc_resume": "data",
}
FILES = {
    "chartmogul": "dags/sources/chartmogul.py",
    "zendesk": "dags/sources/zendesk.py",
    "google_sheets": "dags/sources/google_sheets.py",
    "customer_metrics": "dags/transform/customer_metrics.py",
    "application_state": "dags/transform/application_state.py",
    "check_connections": "dags/ops/check_connections.py",
    "source_freshness": "dags/transform/source_freshness.py",
    "cdc_audit": "dags/cdc/cdc_audit.py",
    "cdc_replay": "dags/cdc/cdc_replay.py",
    "cdc_add_table": "dags/cdc/cdc_add_table.py",
    "cdc_approval": "dags/cdc/cdc_approval.py",
    "cdc_end_snapshot": "dags/cdc/cdc_end_snapshot.py",
    "cdc_snapshot_counts": "dags/cdc/cdc_snapshot_counts.py",
    "cdc_connector_health": "dags/cdc/cdc_connector_health.py",
    "cdc_pause": "dags/cdc/cdc_pause.py",
    "cdc_rebuild_shard": "dags/cdc/cdc_rebuild_shard.py",
    "cdc_reconcile": "dags/cdc/cdc_reconcile.py",
    "cdc_resnapshot": "dags/cdc/cdc_resnapshot.py",
    "cdc_restart_topic": "dags/cdc/cdc_restart_topic.py",
    "cdc_resume": "dags/cdc/cdc_resume.py",
}
AT_ONCE = {
    "cdc_approval": 16,
    "cdc_rebuild_shard": 16,
}  # questions to a person, who may let one wait and answer another
SCHEDULES = {"chartmogul": "0 2 * * *", "zendesk": "30 1 * * *", "google_sheets": "5 * * * *"}
SECONDS = {"google_sheets": (1200, 600)}  # of extract and load, where they are not the default
INGEST = [pytest.param(name, id=name) for name in SOURCES]
ALL = [pytest.param(name, id=name) for name in FILES]
AT_THE_END = {"mark_source_loaded", "fail_if_any_stream_failed"}
Parsed = dict[str, Any]


def test_there_are_exactly_these_dags_and_no_import_errors(parsed: Parsed) -> None:
    assert parsed["errors"] == {}
    assert {name: dag["file"] for name, dag in parsed["dags"].items()} == FILES


@pytest.mark.parametrize("name", ALL)
def test_a_dag_has_an_owner_tags_and_a_page_for_the_one_on_call(parsed: Parsed, name: str) -> None:
    dag = parsed["dags"][name]
    assert dag["owner"] == OWNERS[name]
    assert f"owner:{OWNERS[name]}" in dag["tags"]
    assert any(kind <= set(dag["tags"]) for kind in ({"ingest", name}, {"transform", "dbt"}, {"cdc"}, {"ops"}))
    assert "docs/runbooks/" in dag["doc_md"]
    assert f"Owner: {OWNERS[name]}." in dag["doc_md"]


@pytest.mark.parametrize("name", ALL)
def test_runs_never_overlap_and_missed_ones_are_not_caught_up(parsed: Parsed, name: str) -> None:
    assert parsed["dags"][name]["catchup"] is False
    assert parsed["dags"][name]["max_active_runs"] == AT_ONCE.get(name, 1)


@pytest.mark.parametrize("name", ALL)
def test_what_a_person_or_another_dag_starts_is_never_paused_at_first(parsed: Parsed, name: str) -> None:
    dag = parsed["dags"][name]
    starts_itself = "NullTimetable" not in dag["timetable"]
    assert dag["paused_at_first"] is (None if starts_itself else False)


@pytest.mark.parametrize("name", INGEST)
def test_a_source_runs_on_its_schedule_with_data_intervals_in_utc(parsed: Parsed, name: str) -> None:
    timetable = parsed["dags"][name]["timetable"]
    assert timetable.startswith("CronDataIntervalTimetable")
    assert f"expression='{SCHEDULES[name]}'" in timetable
    assert "timezone='UTC'" in timetable


def test_dbt_runs_when_every_source_has_news_and_at_six(parsed: Parsed) -> None:
    timetable = parsed["dags"]["customer_metrics"]["timetable"]
    assert timetable.startswith("AssetOrTimeSchedule")
    assert "0 6 * * *" in timetable
    assert all(f"raw.{name}" in timetable for name in SOURCES)


def test_freshness_is_asked_when_every_source_has_news_and_twice_a_day(parsed: Parsed) -> None:
    """A report (constructorfabric/insight 2413): thresholds stood in every source's YAML, and nothing ever asked."""
    dag = parsed["dags"]["source_freshness"]
    assert set(dag["tasks"]) == {"freshness"}
    assert dag["timetable"].startswith("AssetOrTimeSchedule")
    assert "0 7,19 * * *" in dag["timetable"]
    assert all(f"raw.{name}" in dag["timetable"] for name in SOURCES)


@pytest.mark.parametrize("name", INGEST)
def test_a_source_has_two_tasks_a_stream_and_says_when_it_is_over(parsed: Parsed, name: str) -> None:
    streams = [stream.name for stream in SOURCES[name].streams]
    expected = {f"{stream}.{task}" for stream in streams for task in ("extract", "load")} | AT_THE_END
    assert set(parsed["dags"][name]["tasks"]) == expected


@pytest.mark.parametrize("name", INGEST)
def test_tasks_of_a_source_wait_for_no_sibling(parsed: Parsed, name: str) -> None:
    tasks = parsed["dags"][name]["tasks"]
    loads = sorted(f"{stream.name}.load" for stream in SOURCES[name].streams)
    for stream in SOURCES[name].streams:
        parent = [f"{stream.read.parent.stream}.extract"] if stream.read.parent else []
        assert tasks[f"{stream.name}.extract"]["upstream"] == parent
        assert tasks[f"{stream.name}.load"]["upstream"] == [f"{stream.name}.extract"]
    assert all(tasks[name]["upstream"] == loads for name in AT_THE_END)
    assert tasks["mark_source_loaded"]["trigger_rule"] == "all_done"
    assert tasks["fail_if_any_stream_failed"]["trigger_rule"] == "one_failed"


@pytest.mark.parametrize("name", INGEST)
def test_tasks_of_a_source_have_a_pool_a_time_limit_and_retries_by_kind(parsed: Parsed, name: str) -> None:
    for task_id, task in parsed["dags"][name]["tasks"].items():
        assert task["owner"] == OWNERS[name]
        assert task["retry_policy"] == "RetryByKind"
        assert task["doc_md"]
        match task_id.rpartition(".")[2]:
            case "extract":
                assert (task["pool"], task["timeout"], task["retries"]) == (name, SECONDS.get(name, (7200, 0))[0], 4)
            case "load":
                seconds = SECONDS.get(name, (0, 1800))[1]
                assert (task["pool"], task["timeout"], task["retries"]) == ("warehouse", seconds, 4)
            case "mark_source_loaded":
                assert task["retries"] == 4
            case "fail_if_any_stream_failed":
                assert task["retries"] == 0


@pytest.mark.parametrize("name", INGEST)
def test_waits_between_tries_grow(parsed: Parsed, name: str) -> None:
    waits = {task["backoff"] for task in parsed["dags"][name]["tasks"].values()}
    assert all(float(multiplier) >= 2 for multiplier in waits)


@pytest.mark.parametrize("name", INGEST)
def test_each_load_updates_its_streams_asset(parsed: Parsed, name: str) -> None:
    tasks = parsed["dags"][name]["tasks"]
    outlets = {task_id: task["outlets"] for task_id, task in tasks.items() if task["outlets"]}
    loads = {f"{stream.name}.load": [f"raw.{name}.{stream.name}"] for stream in SOURCES[name].streams}
    assert outlets == {**loads, "mark_source_loaded": [f"raw.{name}"]}


@pytest.mark.parametrize("name", INGEST)
def test_the_form_offers_every_stream_a_window_and_a_mode(parsed: Parsed, name: str) -> None:
    form = parsed["dags"][name]["params"]
    assert list(form) == ["streams", "from", "to", "mode", "accept_smaller"]
    assert form["streams"]["items"]["enum"] == [stream.name for stream in SOURCES[name].streams]
    assert form["mode"]["enum"] == ["incremental", "full"]
    assert all(field["title"] for field in form.values())


@pytest.mark.parametrize("name", dbt_project.PARTS)
def test_every_model_of_dbt_has_a_task_in_one_dag_alone_and_builds_never_wait_for_watchers(
    parsed: Parsed, name: str
) -> None:
    dag = parsed["dags"][name]
    application = set((DBT / dbt_project.APPLICATION).glob("*.sql"))
    models = {
        path.stem for path in set(DBT.glob("models/**/*.sql")) if (path in application) is dbt_project.PARTS[name]
    }
    runs = [task_id for task_id in dag["tasks"] if task_id.endswith(("_run", ".run"))]
    assert models
    assert {task_id[:-4].rpartition(".")[2] for task_id in runs} == models
    assert all(task["timeout"] == 3600 and task["retries"] >= 0 for task in dag["tasks"].values())
    pools = {task_id: task["pool"] for task_id, task in dag["tasks"].items() if not task_id.endswith("watcher_done")}
    assert pools.pop("dbt.dbt_producer_watcher") == "dbt"
    assert set(pools.values()) == {f"{name}_watch"}


def test_parsing_asks_for_no_host_no_connection_and_no_variable(parsed: Parsed, parsed_sources: Parsed) -> None:
    assert parsed["asked"] == parsed_sources["asked"] == []


def test_a_source_file_imports_nothing_heavy(parsed_sources: Parsed) -> None:
    assert set(parsed_sources["dags"]) == set(SOURCES)
    assert HEAVY & set(parsed_sources["modules"]) == set()


def test_the_dbt_file_imports_no_warehouse_and_no_dbt(parsed: Parsed) -> None:
    """boto3 is Cosmos's own."""
    assert (HEAVY - {"boto3", "botocore"}) & set(parsed["modules"]) == set()


@pytest.mark.parametrize("name", ALL)
def test_two_parses_serialize_the_same(parsed: Parsed, parsed_again: Parsed, name: str) -> None:
    assert parsed["serialized"][name] == parsed_again["serialized"][name]


@pytest.mark.parametrize("name", ALL)
def test_the_scheduler_gets_every_task_back(parsed: Parsed, name: str) -> None:
    assert parsed["scheduled"][name] == sorted(parsed["dags"][name]["tasks"])
