"""INSERT, UPDATE and DELETE from Python values; a dict is jsonb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg2 import sql
from psycopg2.extras import Json

# Tables whose rows say when they were last changed: UTC, without a zone.
TOUCHED = {"accounts", "customers", "subscriptions", "invoices"}
NOW = sql.SQL("updated_at = clock_timestamp() AT TIME ZONE 'UTC'")


def insert(cursor: Any, table: str, **row: Any) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, row))
    places = sql.SQL(", ").join(sql.Placeholder() * len(row))
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier(table), columns, places)
    cursor.execute(statement, [_adapted(value) for value in row.values()])


def update(cursor: Any, table: str, where: Mapping[str, Any], **changes: Any) -> None:
    """Only the columns of `changes` are named, so that a long value beside them is not written again."""
    parts = [*map(_is, changes), *((NOW,) if table in TOUCHED else ())]
    statement = sql.SQL("UPDATE {} SET {} WHERE {}").format(
        sql.Identifier(table), sql.SQL(", ").join(parts), sql.SQL(" AND ").join(map(_is, where))
    )
    cursor.execute(statement, [*map(_adapted, changes.values()), *where.values()])


def delete(cursor: Any, table: str, **where: Any) -> None:
    statement = sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(table), sql.SQL(" AND ").join(map(_is, where)))
    cursor.execute(statement, list(where.values()))


def value(cursor: Any, statement: sql.Composable | str, *values: Any) -> Any:
    """The one value that a statement gives; None when it gives no row."""
    cursor.execute(statement, values)
    row = cursor.fetchone()
    return row[0] if row else None


def _is(column: str) -> sql.Composable:
    return sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder())


def _adapted(given: Any) -> Any:
    return Json(given) if isinstance(given, dict) else given
