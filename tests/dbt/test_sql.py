"""All SQL of the project is Snowflake's: every compiled model, test and fixture parses in that dialect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlglot
import yaml
from sqlglot import exp

from catchment.cdc.declared import application
from catchment.sources import SOURCES
from tests.dbt.project import PROJECT, Dbt

FLOATS = {
    name
    for table in application().database("application").tables
    for name, kind in table.columns.items()
    if kind in ("real", "double precision")
}


@pytest.fixture(scope="module")
def compiled(offline: Dbt) -> list[Path]:
    """Every model and data test, compiled without a warehouse."""
    done = offline.run("--quiet", "compile", "--no-introspect", "--no-populate-cache", "--exclude", "test_type:unit")
    assert done.returncode == 0, done.stdout + done.stderr
    project = offline.target / "compiled" / "catchment"  # has a folder of other tests' inline queries, too
    return sorted(path for folder in ("models", "tests") for path in (project / folder).rglob("*.sql"))


def test_every_model_and_test_parses_as_snowflake(
    compiled: list[Path], manifest: dict[str, dict[str, dict[str, str]]]
) -> None:
    nodes = [n for n in manifest["nodes"].values() if n["resource_type"] in ("model", "test")]
    assert len(compiled) == len(nodes)
    for path in compiled:
        (query,) = sqlglot.parse(path.read_text(encoding="utf-8"), dialect="snowflake")
        assert isinstance(query, exp.Query), path.name


def test_money_is_never_a_float(compiled: list[Path]) -> None:
    floats = {exp.DataType.Type.FLOAT, exp.DataType.Type.DOUBLE}
    for path in compiled:
        query = sqlglot.parse_one(path.read_text(encoding="utf-8"), dialect="snowflake")
        found = [cast for cast in query.find_all(exp.Cast) if cast.to.this in floats]
        if "application" in path.parts:  # what is a float there stays one; `_special` only asks whether a text is one
            own = {*FLOATS, "_special"}
            found = [cast for cast in found if cast.find_ancestor(exp.Alias).alias.lower() not in own]
        assert not found, path.name


def test_fixtures_of_unit_tests_parse_as_snowflake() -> None:
    fixtures = [
        given["rows"]
        for path in PROJECT.rglob("_*unit_tests.yml")
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["unit_tests"]
        for given in test["given"]
        if given.get("format") == "sql"
    ]
    assert fixtures
    for rows in fixtures:
        assert isinstance(sqlglot.parse_one(rows, dialect="snowflake"), exp.Query)


def test_every_column_of_a_staging_model_is_described(
    compiled: list[Path], manifest: dict[str, dict[str, dict[str, Any]]]
) -> None:
    """What a model selects and what its YAML describes are the same columns: none is missing, none is left over."""
    described = {
        node["name"]: {name.lower() for name, column in node["columns"].items() if column["description"]}
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["fqn"][1] == "staging"
    }
    staging = {path.stem: path for path in compiled if path.stem in described and "application" not in path.parts}
    assert len(staging) == sum(len(spec.streams) for spec in SOURCES.values())
    for name, path in staging.items():
        query = sqlglot.parse_one(path.read_text(encoding="utf-8"), dialect="snowflake")
        assert set(query.named_selects) == described[name], name
