"""dbt's sources and staging models are what the specs say: no stream is forgotten, no key is another one."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from catchment import dbt_application, dbt_sources
from catchment.cdc.declared import application
from catchment.sources import SOURCES
from catchment.spec import Current, SourceSpec, Stream
from tests.dbt.project import PROJECT

STREAMS = [
    pytest.param(spec, stream, id=f"{spec.name}.{stream.name}") for spec in SOURCES.values() for stream in spec.streams
]
MACROS = {
    Current.NEWEST_LIST: "current_snapshot",
    Current.NEWEST_WINDOW: "current_window",
    Current.NEWEST_VERSION: "newest_version",
}
CALL = re.compile(r"\{\{ (current_snapshot|current_window|newest_version)\('(\w+)', '(\w+)', (.*)\) \}\}")


def model(spec: SourceSpec, stream: Stream) -> str:
    path = PROJECT / "models/staging" / spec.name / f"stg_{spec.name}__{stream.name}.sql"
    return path.read_text(encoding="utf-8")


def arguments(spec: SourceSpec, stream: Stream) -> tuple[str, dict[str, str]]:
    (macro, source, name, rest) = CALL.findall(model(spec, stream))[0]
    assert (source, name) == (spec.name, stream.name)
    return macro, dict(re.findall(r"(\w+)=(\[[^\]]*\]|'[^']*'|\w+)", rest))


def test_the_committed_sources_are_what_the_specs_say() -> None:
    assert dbt_sources.differences(SOURCES.values(), PROJECT) == ()


def test_a_changed_spec_makes_a_difference_and_writing_removes_it(tmp_path: Path) -> None:
    spec = next(iter(SOURCES.values()))
    dbt_sources.write([spec], tmp_path)
    changed = replace(spec, streams=tuple(replace(s, fresh_within=timedelta(minutes=90)) for s in spec.streams))
    assert dbt_sources.differences([spec], tmp_path) == ()
    (sentence,) = dbt_sources.differences([changed], tmp_path)
    assert "differs from the specs" in sentence
    assert len(dbt_sources.write([changed], tmp_path)) == 1
    assert dbt_sources.differences([changed], tmp_path) == ()
    assert dbt_sources.write([changed], tmp_path) == ()


def test_freshness_is_what_the_spec_promises_and_asks_the_ledger() -> None:
    spec = SOURCES["zendesk"]
    (text,) = (text for path, text in dbt_sources.render([spec]).items() if "zendesk" in path.name)
    tables = {table["name"]: table["config"] for table in yaml.safe_load(text)["sources"][0]["tables"]}
    assert tables["tickets"]["freshness"]["warn_after"] == {"count": 26, "period": "hour"}
    assert "LEDGER where source = 'zendesk' and stream = 'tickets'" in tables["tickets"]["loaded_at_query"]
    assert tables["ticket_forms"]["freshness"] is None


@pytest.mark.parametrize(("spec", "stream"), STREAMS)
def test_a_staging_model_reads_its_stream_as_the_spec_says(spec: SourceSpec, stream: Stream) -> None:
    macro, given = arguments(spec, stream)
    assert macro == MACROS[stream.read.current]
    window = getattr(stream.read, "window", None)
    assert given.get("at") == (f"'{window.cursor_field}'" if window else None)
    versioned = stream.version and stream.read.current is not Current.NEWEST_LIST
    assert given.get("version") == (f"'{stream.version}'" if versioned else None)


@pytest.mark.parametrize(("spec", "stream"), STREAMS)
def test_a_staging_model_has_the_key_of_its_stream(spec: SourceSpec, stream: Stream) -> None:
    """A child stream's key may begin with its parent's."""
    _, given = arguments(spec, stream)
    key = re.findall(r"'([^']+)'", given["key"])
    parent = getattr(stream.read, "parent", None)
    assert tuple(field for field in key if not field.startswith("parent.")) == stream.key
    assert all(parent and field == f"parent.{parent.param}" for field in key[: -len(stream.key)])


@pytest.mark.parametrize(("spec", "stream"), STREAMS)
def test_columns_of_hashed_fields_are_marked_as_personal(spec: SourceSpec, stream: Stream) -> None:
    """A hash in a column that is called a name is taken for a name by whoever does not know."""
    fields = dict(re.findall(r"\{\{ \w+\('([\w.-]+)'\) \}\} as (\w+)", model(spec, stream)))
    below = tuple(f"{path}." for path in stream.personal)
    hashed = {name for field, name in fields.items() if field in stream.personal or field.startswith(below)}
    text = (PROJECT / "models/staging" / spec.name / f"_{spec.name}__models.yml").read_text(encoding="utf-8")
    described = {found["name"]: found for found in yaml.safe_load(text)["models"]}
    columns = described[f"stg_{spec.name}__{stream.name}"]["columns"]
    marked = {column["name"] for column in columns if "Hashed" in column["description"]}
    assert marked == hashed
    assert all(column["config"]["meta"]["personal"] for column in columns if column["name"] in hashed)


@pytest.mark.parametrize(("spec", "stream"), STREAMS)
def test_deletions_that_a_stream_tells_are_marked(spec: SourceSpec, stream: Stream) -> None:
    if stream.deleted:
        lines = [line for line in model(spec, stream).splitlines() if "as is_deleted" in line]
        assert any(f"'{stream.deleted.field}'" in line for line in lines)


def test_no_staging_model_is_left_of_a_stream_that_is_gone() -> None:
    expected = {f"stg_{spec.name}__{stream.name}" for spec in SOURCES.values() for stream in spec.streams}
    expected |= {path.stem for path in dbt_application.render(application()) if path.suffix == ".sql"} - {"declared"}
    assert {path.stem for path in (PROJECT / "models/staging").rglob("*.sql")} == expected
