"""Rows into a table by COPY, in its text format."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg2 import sql

Value = None | bool | int | float | Decimal | str | bytes | date | datetime | dict[str, Any] | list[int]

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def copy(cursor: Any, table: str, columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> None:
    """Append the rows. A dict is jsonb, a list an array of integers, bytes are bytea."""
    text = io.StringIO("".join("\t".join(map(field, row)) + "\n" for row in rows))
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    cursor.copy_expert(sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names), text)


def field(value: Value) -> str:
    """One value as COPY's text format has it."""
    match value:
        case None:
            return "\\N"
        case bool():
            return "t" if value else "f"
        case dict():
            return json.dumps(value, ensure_ascii=False).translate(_ESCAPES)
        case list():
            return "{" + ",".join(map(str, value)) + "}"
        case bytes():
            return "\\\\x" + value.hex()
        case date():
            return value.isoformat()
        case _:
            return str(value).translate(_ESCAPES)
