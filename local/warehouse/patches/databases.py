"""DROP DATABASE drops, CREATE DATABASE refuses what exists, and both may be followed by a session at once.

Upstream (fakesnow 0.12.1) passes DROP DATABASE to DuckDB, which has no such statement; CREATE OR REPLACE DATABASE
attaches the old file again, and CREATE DATABASE … CLONE makes an empty one.
"""

# ruff: noqa: S608 (names in the SQL are quoted and values bound or written as literals)
from __future__ import annotations

import re
from pathlib import Path

import snowflake.connector.errors as sf
from fakesnow.expr import normalise_ident
from fakesnow.instance import GLOBAL_DATABASE_NAME

from local.warehouse import errors, hooks
from local.warehouse.sessions import all_sessions

NAME = r'(?P<name>[\w$]+|"[^"]+")'
METADATA = {
    "_fs_stages": "database_name",
    "_fs_file_formats": "database_name",
    "_fs_tables_ext": "ext_table_catalog",
    "_fs_columns_ext": "ext_table_catalog",
}


def _exists(call: hooks.Call, name: str) -> bool:
    return bool(call.duck("SELECT 1 FROM duckdb_databases() WHERE upper(database_name) = upper(?)", [name]))


def _parts(pattern: str, call: hooks.Call) -> re.Match[str]:
    match = re.match(pattern, call.text, re.I | re.S)
    if match is None:
        raise errors.unsupported(call.text)
    return match


def _drop(call: hooks.Call) -> hooks.Answer:
    match = _parts(rf"drop\s+database\s+(?P<lenient>if\s+exists\s+)?{NAME}", call)
    name = normalise_ident(match["name"])
    if not _exists(call, name):
        if match["lenient"]:
            return hooks.Answer(rows=((f"Drop statement executed successfully ({name} already dropped).",),))
        raise sf.ProgrammingError(
            msg=f"SQL compilation error:\nDatabase '{name}' does not exist or not authorized.",
            errno=2003,
            sqlstate="02000",
        )
    drop(call, name)
    return hooks.Answer(rows=((f"{name} successfully dropped.",),))


def drop(call: hooks.Call, name: str) -> None:
    """Detach the database, delete its file and what is known of it; sessions that used it use none."""
    for session in all_sessions():
        connection = session.connection
        if connection.database == name and not connection.is_closed():
            connection._duck_conn.execute("USE memory.main")
            connection.database = connection._schema = None
            connection.database_set = connection.schema_set = False
    call.duck(f'DETACH "{name}"')
    for table, column in METADATA.items():
        call.duck(f"DELETE FROM {GLOBAL_DATABASE_NAME}._fs_information_schema.{table} WHERE {column} = ?", [name])
    if directory := call.session.connection.db_path:
        for suffix in (".db", ".db.wal"):
            Path(directory, name + suffix).unlink(missing_ok=True)


def _create(call: hooks.Call) -> hooks.Answer | None:
    match = _parts(
        r"create\s+(?P<replace>or\s+replace\s+)?(?:transient\s+)?database\s+"
        rf"(?P<lenient>if\s+not\s+exists\s+)?{NAME}(?P<rest>.*)",
        call,
    )
    name = normalise_ident(match["name"])
    if re.search(r"\b(clone|from\s+share|as\s+replica)\b", match["rest"], re.I):
        raise errors.unsupported(f"CREATE DATABASE {match['rest'].strip()}")
    if _exists(call, name):
        if match["lenient"]:
            return hooks.Answer(rows=((f"{name} already exists, statement succeeded.",),))
        if not match["replace"]:
            raise sf.ProgrammingError(
                msg=f"SQL compilation error:\nObject '{name}' already exists.", errno=2002, sqlstate="42710"
            )
        drop(call, name)
    call.run(f'CREATE DATABASE "{name}"')
    call.cursor._conn.database, call.cursor._conn.database_set = name, True
    call.duck(f'CREATE SCHEMA IF NOT EXISTS "{name}"."PUBLIC"')
    call.duck(f'USE "{name}"."PUBLIC"')
    call.cursor._conn._schema, call.cursor._conn.schema_set = "PUBLIC", True
    return hooks.Answer(rows=((f"Database {name} successfully created.",),))


def apply() -> None:
    hooks.handle(r"drop\s+database\b", _drop)
    hooks.handle(r"create\s+(?:or\s+replace\s+)?(?:transient\s+)?database\b(?!\s+role)", _create)
