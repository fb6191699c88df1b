"""One text form for each type, the same on a shard and in the warehouse, so that rows of both can be compared as text.

Each function gives a SQL expression. The texts decide which rows are read: two equal rows may rarely differ in text
(they are compared again, in Python), but rows that differ always differ in text, save for what
docs/adr/0012 lists: a JSON document whose parts only changed places, and doubles beyond 2^±104 of the same sign.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum
from typing import Any

TWO_52 = 2**52
SPECIAL = "_SPECIAL"
_SPECIAL_TYPES = ("date", "timestamp", "timestamptz")
_ARRAY = re.compile(r".*\[\]")


class Dialect(Enum):
    """Whose SQL: a shard's Postgres, or the warehouse's Snowflake."""

    POSTGRES = "postgres"
    WAREHOUSE = "warehouse"


class ColumnKind(Enum):
    """How a column is compared. A type without a kind is not compared, and named in the result."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    FLOAT = "float"
    DATE = "date"
    TIMESTAMP = "timestamp"
    JSON = "json"
    ARRAY = "array"
    BINARY = "binary"


_KINDS = {
    "smallint": ColumnKind.NUMBER,
    "integer": ColumnKind.NUMBER,
    "bigint": ColumnKind.NUMBER,
    "real": ColumnKind.FLOAT,
    "double precision": ColumnKind.FLOAT,
    "boolean": ColumnKind.BOOLEAN,
    "text": ColumnKind.TEXT,
    "uuid": ColumnKind.TEXT,
    "enum": ColumnKind.TEXT,
    "date": ColumnKind.DATE,
    "timestamp": ColumnKind.TIMESTAMP,
    "timestamptz": ColumnKind.TIMESTAMP,
    "json": ColumnKind.JSON,
    "jsonb": ColumnKind.JSON,
    "bytea": ColumnKind.BINARY,
}


def kind_of(pg_type: str) -> ColumnKind | None:
    """How a declared Postgres type is compared; None for time, interval, inet and char(n), which are not."""
    if _ARRAY.fullmatch(pg_type):
        return ColumnKind.ARRAY
    base = pg_type.partition("(")[0]
    return {"numeric": ColumnKind.NUMBER, "varchar": ColumnKind.TEXT}.get(base) or _KINDS.get(pg_type)


def text_of(column: str, pg_type: str, dialect: Dialect) -> str:
    """The column's text form, to be digested."""
    kind = _known(column, pg_type)
    if kind is ColumnKind.FLOAT:
        return float_text(_double(column, pg_type, dialect))
    if kind is ColumnKind.JSON:
        return _pieces_of_json(column, dialect)
    if dialect is Dialect.POSTGRES:
        # Postgres keeps any number of digits where none is declared, the warehouse nine.
        value = f"ROUND({column}, 9)" if pg_type == "numeric" else column
        return _POSTGRES[kind].format(value)
    text = _WAREHOUSE[kind].format(column)
    return f"COALESCE({text}, {SPECIAL}:{column}::VARCHAR)" if can_be_special(pg_type) else text


def can_be_special(pg_type: str) -> bool:
    """Whether a value may stand in `_special` instead: NaN and infinity, which the column's type there can't hold."""
    return (pg_type.startswith("numeric") and kind_of(pg_type) is ColumnKind.NUMBER) or pg_type in _SPECIAL_TYPES


def value_of(column: str, pg_type: str, dialect: Dialect) -> str:
    """The column's value as text, to be fetched and compared by `alike`."""
    if _known(column, pg_type) is not ColumnKind.JSON:
        return text_of(column, pg_type, dialect)
    return f"CAST({column} AS VARCHAR)" if dialect is Dialect.POSTGRES else f"TO_JSON({column})"


_POSTGRES = {
    ColumnKind.TEXT: "CAST({0} AS VARCHAR)",
    ColumnKind.NUMBER: "CAST({0} AS VARCHAR)",
    ColumnKind.BOOLEAN: "CAST({0} AS VARCHAR)",
    ColumnKind.DATE: "CAST({0} AS VARCHAR)",
    ColumnKind.TIMESTAMP: (
        "CASE WHEN ISFINITE({0}) THEN CAST(CAST(EXTRACT(EPOCH FROM {0}) * 1000000 AS BIGINT) AS VARCHAR) "
        "ELSE CAST({0} AS VARCHAR) END"
    ),
    ColumnKind.ARRAY: "CAST(ARRAY_TO_JSON({0}) AS VARCHAR)",
    ColumnKind.BINARY: "ENCODE({0}, 'hex')",
}
_WAREHOUSE = {
    ColumnKind.TEXT: "{0}",
    ColumnKind.NUMBER: "TO_VARCHAR({0})",
    ColumnKind.BOOLEAN: "TO_VARCHAR({0})",
    ColumnKind.DATE: "TO_VARCHAR({0}, 'YYYY-MM-DD')",
    ColumnKind.TIMESTAMP: "TO_VARCHAR(DATE_PART(EPOCH_MICROSECOND, {0}))",
    ColumnKind.ARRAY: "TO_JSON({0})",
    ColumnKind.BINARY: "{0}",
}


def _known(column: str, pg_type: str) -> ColumnKind:
    kind = kind_of(pg_type)
    if kind is None:
        raise ValueError(f"{column} is a {pg_type}, which can't be compared as text")
    return kind


def _double(column: str, pg_type: str, dialect: Dialect) -> str:
    """A `real` has the double that its shortest text stands for, which is what arrives in the warehouse."""
    single = pg_type == "real" and dialect is Dialect.POSTGRES
    return f"CAST(CAST({column} AS VARCHAR) AS DOUBLE PRECISION)" if single else column


def _pieces_of_json(column: str, dialect: Dialect) -> str:
    """A document's `"key":value` pieces, sorted: databases order keys in their own ways.

    Zeros at the end of a fraction, which Postgres keeps and others may not, are cut off on both contents.
    """
    postgres = dialect is Dialect.POSTGRES
    both = r"\1\2" if postgres else r"\\1\\2"
    every = ", 'g'" if postgres else ""
    text = f"CAST({column} AS VARCHAR)" if postgres else f"TO_JSON({column})"
    text = f"REGEXP_REPLACE({text}, '([.][0-9]*[1-9])0+([],}}]|$)', '{both}'{every})"
    text = f"REGEXP_REPLACE({text}, '([0-9])[.]0*([],}}]|$)', '{both}'{every})"
    text = f"TRANSLATE(REPLACE({text}, ' ', ''), '{{}}[]', ',,,,')"
    if postgres:
        pieces = f"UNNEST(STRING_TO_ARRAY({text}, ','))"
        return f"(SELECT STRING_AGG(piece, ',' ORDER BY piece COLLATE \"C\") FROM {pieces} AS piece)"
    return f"ARRAY_TO_STRING(ARRAY_SORT(SPLIT({text}, ',')), ',')"


def row_digest(texts: Iterable[str]) -> str:
    """A number of up to 18 digits for a row, from the text expressions of its columns; NULL is unlike any text.

    The first 18 digits of the MD5 in hexadecimal with a–f read as 0–5: arithmetic that every database has. Sums of it
    do not depend on order. Each column is digested first: its expression then appears once, and Postgres would
    evaluate it as often as it appears.
    """
    joined = " || ".join(f"COALESCE(MD5({text}), '-')" for text in texts)
    return f"CAST(TRANSLATE(SUBSTR(MD5({joined}), 1, 18), 'abcdef', '012345') AS BIGINT)"


def float_text(value: str) -> str:
    """A double as two whole numbers: exact for 0 and for magnitudes from 2^-52 to 2^104, by its sign beyond.

    Every database prints doubles in its own way, but all multiply by powers of two alike.
    """
    size = f"ABS({value})"
    return (
        f"CASE WHEN {value} IS NULL THEN NULL WHEN {value} = 0 THEN '0' "
        f"WHEN {value} = CAST('NaN' AS DOUBLE PRECISION) THEN 'NaN' "
        f"WHEN {size} < 1 THEN 'a' || {_halves(f'({value} * {TWO_52})')} "
        f"WHEN {size} < {TWO_52} THEN 'b' || {_halves(value)} "
        f"WHEN {size} < {TWO_52 * TWO_52}.0 THEN 'c' || {_halves(f'({value} / {TWO_52})')} "
        f"WHEN {value} > 0 THEN 'large' ELSE '-large' END"
    )


def _halves(value: str) -> str:
    whole = f"FLOOR({value})"
    return (
        f"CAST(CAST({whole} AS BIGINT) AS VARCHAR) || '.' || "
        f"CAST(CAST(FLOOR(({value} - {whole}) * {TWO_52}) AS BIGINT) AS VARCHAR)"
    )


def alike(kind: ColumnKind, one: str | None, other: str | None) -> bool:
    """Whether two fetched values mean the same: the last word, after digests differed."""
    if one is None or other is None or one == other:
        return one == other
    try:
        match kind:
            case ColumnKind.JSON | ColumnKind.ARRAY:
                return bool(_parsed(one) == _parsed(other))
            case ColumnKind.NUMBER:
                return Decimal(one) == Decimal(other)
            case _:
                return False
    except (ValueError, ArithmeticError):
        return False


def _parsed(text: str) -> Any:
    """JSON with exact numbers. Duplicate keys and key order do not matter, as in jsonb."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)
