"""`python -m local.query "SELECT …"`: ask the local warehouse, and see the answer as a table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from catchment.connection import Connection
from catchment.errors import CatchmentError
from catchment.warehouse import session
from local.errors import LocalError
from local.profile import Profile
from local.settings import Settings

ROWS = 200


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not arguments[0].strip():
        print('usage: make query Q="SELECT …"', file=sys.stderr)
        return 2
    try:
        columns, rows = ask(Profile(Settings.load()), arguments[0])
    except (LocalError, CatchmentError) as error:
        print(f"query failed: {error}", file=sys.stderr)
        return 1
    out = Console(highlight=False)
    out.print(as_table(columns, rows[:ROWS]))
    if len(rows) > ROWS:
        out.print(f"The first {ROWS} rows; there are more.")
    return 0


def ask(profile: Profile, sql: str) -> tuple[list[str], Sequence[Sequence[Any]]]:
    """The answer's columns and, at most one more than are shown, its rows.

    Raises:
        CatchmentError: the warehouse was not reached, or did not understand.
    """
    connection = Connection.from_env("snowflake_default", profile.platform_environment())
    opened = session.connect(connection, query_tag="query", database="ANALYTICS")
    try:
        with session.explained("answer the query"):
            cursor = opened.cursor()
            cursor.execute(sql)
            return [column[0] for column in cursor.description], cursor.fetchmany(ROWS + 1)
    finally:
        opened.close()


def as_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A table; NULL is an empty cell, and what a cell says is never taken for markup."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")  # narrow, but whole
    for row in rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
