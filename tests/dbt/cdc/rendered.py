"""The SQL of the macros without dbt and without a warehouse: answers of the warehouse are given."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import jinja2

from catchment.dbt_application import merge_key
from tests.dbt.project import PROJECT

MODEL = "model.catchment.stg"
_MACRO = re.compile(r"{%-? macro (\w+).*?{%-? endmacro -?%}", re.DOTALL)
Rows = Sequence[Sequence[Any]]


class _Returned(Exception):
    """dbt's `return`: a macro's value is an object, not its text."""


def declaration(table: Any) -> dict[str, Any]:
    """One table on one shard, as `declared_tables` has it."""
    place = {"source": "application", "schema": "public", "name": table.name, "shards": ["s0"]}
    one = {"key": list(table.key), "merge_key": merge_key(table), "columns": dict(table.columns)}
    return {f"application.{table.name}": place | one}


class Refused(Exception):
    """The macros end the run with this sentence."""


def rendered(
    call: str,
    declared: Mapping[str, Any],
    answers: Mapping[str, Rows],
    *,
    incremental: bool = True,
    built: Sequence[str] = ("_key", "_rejected_offset"),
) -> str:
    """What a call of a macro gives. `answers`: rows by a word of the query; `built`: the columns that the table has."""

    def answered(sql: str) -> Rows:
        (rows,) = [rows for word, rows in answers.items() if word in sql]
        return rows

    this = Relation("analytics.staging.stg")
    macros = environment(declared, answered, this=this, columns=lambda: built, incremental=incremental)
    return macros.from_string("{{ " + call + " }}").render()


def environment(
    declared: Mapping[str, Any],
    answered: Callable[[str], Rows],
    *,
    this: Relation,
    columns: Callable[[], Sequence[str]],
    incremental: bool,
) -> jinja2.Environment:
    """The macros as one model's run has them. `answered`: what the warehouse answers; `columns`: those of `this`."""
    macros: dict[str, Any] = {}

    def give(value: Any) -> None:
        raise _Returned(value)

    def refuse(sentence: str) -> None:
        raise Refused(sentence)

    environment = jinja2.Environment(extensions=["jinja2.ext.do"], undefined=jinja2.StrictUndefined)
    environment.globals |= {
        "return": give,
        "execute": True,
        "flags": SimpleNamespace(INTROSPECT=True, WHICH="run"),
        "model": SimpleNamespace(resource_type="model", unique_id=MODEL),
        "graph": {},
        "this": this,
        "config": {"meta": SimpleNamespace(table=next(iter(declared)))},
        "is_incremental": lambda: incremental,
        "source": lambda schema, name: f"raw.{schema}.{name}",
        "run_query": lambda sql: SimpleNamespace(rows=answered(sql)),
        "adapter": SimpleNamespace(get_columns_in_relation=lambda _: names(*columns())),
        "exceptions": SimpleNamespace(raise_compiler_error=refuse),
        "log": lambda *_, **__: "",
        "snowflake_dml_explicit_transaction": lambda sql: sql,
    }
    files = [*(PROJECT / "macros" / "cdc").glob("*.sql"), PROJECT / "macros" / "names.sql"]
    texts = {m[1]: m[0] for file in files for m in _MACRO.finditer(file.read_text(encoding="utf-8"))}
    environment.globals |= {name: _with_return(macros, name) for name in texts}
    environment.globals["declared_tables"] = lambda: declared
    for name, text in texts.items():  # one by one, for a macro must not see the text of what another returns
        macros[name] = getattr(environment.from_string(text).module, name)
    return environment


class Relation(str):
    """A relation as dbt has it: database.schema.identifier."""

    __slots__ = ()
    database = property(lambda self: self.split(".")[0])
    schema = property(lambda self: self.split(".")[1])
    identifier = property(lambda self: self.split(".")[2])


def names(*names: str) -> list[Any]:
    return [SimpleNamespace(name=name, quoted=f'"{name.upper()}"') for name in names]


def _with_return(macros: Mapping[str, Any], name: str) -> Any:
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return macros[name](*arguments, **named)
        except _Returned as returned:
            return returned.args[0]

    return call
