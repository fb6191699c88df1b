"""A replicated model run as dbt runs it, without dbt: the macros' SQL against a warehouse, bit by bit, in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from catchment.cdc.declared import application
from catchment.dbt_application import merge_key
from tests.dbt.cdc.rendered import Relation, Rows, environment, names


@dataclass(frozen=True)
class Model:
    """One model of a table. `macro` is `current_state` or `history`, `strategy` how a batch of it is merged."""

    relation: str
    macro: str
    strategy: str


def models(table: str) -> tuple[Model, Model]:
    return (
        Model(f"analytics.staging.stg_application__{table}", "current_state", "cdc_current"),
        Model(f"analytics.staging.hist_application__{table}", "history", "cdc_history"),
    )


def declaration(table: str) -> dict[str, Any]:
    """A table of the application on its two shards, as `declared_tables` has it."""
    declared = application().database("application").table(table)
    place = {"source": "application", "schema": "public", "name": table, "shards": ["s0", "s1"]}
    one = {"key": list(declared.key), "merge_key": merge_key(declared), "columns": dict(declared.columns)}
    return {f"application.{table}": place | one}


def run(cursor: Any, model: Model, declared: Mapping[str, Any]) -> None:
    """One run: the table is made, or a batch merged into it; then the watermarks move (docs of dbt's incremental)."""
    (table,) = declared

    def ask(sql: str) -> Rows:
        return [list(row) for row in cursor.execute(sql).fetchall()]

    def columns() -> list[str]:
        return [str(row[0]) for row in ask(f"DESCRIBE TABLE {model.relation}")]

    database, schema, name = model.relation.split(".")
    found = ask(f"SHOW TABLES LIKE '{name}' IN SCHEMA {database}.{schema}")
    exists = bool(found)
    macros = environment(declared, ask, this=Relation(model.relation), columns=columns, incremental=exists)

    def text(call: str, **given: Any) -> str:
        return macros.from_string("{{ " + call + " }}").render(**given)

    sql = text(f"{model.macro}('{table}')")
    if exists:
        temporary = f"{model.relation}__tmp"
        ask(f"CREATE OR REPLACE TABLE {temporary} AS ({sql})")
        given = SimpleNamespace(temp_relation=temporary, target_relation=model.relation, dest_columns=names(*columns()))
        merge = text(f"get_incremental_{model.strategy}_sql(given)", given=given)
        for statement in ("BEGIN", *merge.split(";\n\n"), "COMMIT"):
            ask(statement)
    else:
        ask(f"CREATE TABLE {model.relation} AS ({sql})")
    if advance := text(f"cdc_advance('{table}')").strip():
        ask(advance)
