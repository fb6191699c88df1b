"""EXPLAIN gives a plan.

Upstream (fakesnow 0.12.1) sends EXPLAIN to DuckDB without translating the statement in it. Here the statement is
translated, so that an error in it is found, and the plan is DuckDB's, one row a line.
"""

from __future__ import annotations

import re

from fakesnow.dialect import parse_one

from local.warehouse import errors, hooks


def _explain(call: hooks.Call) -> hooks.Answer:
    form, statement = re.match(r"explain(?:\s+using\s+(\w+))?\s+(.*)\Z", call.text, re.I | re.S).groups()
    if form and form.upper() == "JSON":
        raise errors.unsupported("EXPLAIN USING JSON")
    translated = call.cursor._transform(parse_one(statement), None).sql(dialect="duckdb")
    ((_, plan),) = call.duck(f"EXPLAIN {translated}")
    return hooks.Answer(("content",), [(line,) for line in plan.splitlines()])


def apply() -> None:
    hooks.handle(r"explain\b", _explain)
