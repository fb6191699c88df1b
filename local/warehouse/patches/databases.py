"""CREATE DATABASE refuses what exists, and a session may follow it at once. A database is not dropped or replaced.

Upstream (fakesnow 0.12.1) passes DROP DATABASE to DuckDB, which has no such statement; CREATE OR REPLACE DATABASE
attaches the old file again, and CREATE DATABASE … CLONE makes an empty one.
"""

from __future__ import annotations

import re

import snowflake.connector.errors as sf
from fakesnow.expr import normalise_ident

from local.warehouse import errors, hooks

CREATE = re.compile(
    r"""create\s+(?:transient\s+)?database\s+(?P<lenient>if\s+not\s+exists\s+)?
        (?P<name>[\w$]+|"[^"]+")(?P<rest>.*)""",
    re.I | re.S | re.X,
)


def _create(call: hooks.Call) -> hooks.Answer:
    match = CREATE.match(call.text)
    if match is None or re.search(r"\b(clone|from\s+share|as\s+replica)\b", match["rest"], re.I):
        raise errors.unsupported(call.text)
    name = normalise_ident(match["name"])
    if call.duck("SELECT 1 FROM duckdb_databases() WHERE upper(database_name) = upper(?)", [name]):
        if match["lenient"]:
            return hooks.Answer(rows=((f"{name} already exists, statement succeeded.",),))
        raise sf.ProgrammingError(
            msg=f"SQL compilation error:\nObject '{name}' already exists.", errno=2002, sqlstate="42710"
        )
    call.run(f'CREATE DATABASE "{name}"')
    call.cursor._conn.database, call.cursor._conn.database_set = name, True
    call.duck(f'CREATE SCHEMA IF NOT EXISTS "{name}"."PUBLIC"')
    call.duck(f'USE "{name}"."PUBLIC"')
    call.cursor._conn._schema, call.cursor._conn.schema_set = "PUBLIC", True
    return hooks.Answer(rows=((f"Database {name} successfully created.",),))


def apply() -> None:
    hooks.handle(r"create\s+(?:or\s+replace\s+)?(?:transient\s+)?database\b(?!\s+role)", _create)
