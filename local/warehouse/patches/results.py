"""Whole numbers are fetched as int and records as they came; a type that Snowflake lacks fails the statement.

Upstream (fakesnow 0.12.1, `arrow.to_sf`, `rowtype.describe_as_rowtype`) sends a sum of integers (HUGEINT in DuckDB) as
decimals and answers other DuckDB types (lists, structs, intervals) with HTTP 500, which the connector retries. It also
describes each result on the server's event loop, where one slow statement stops the others.
"""

from __future__ import annotations

from typing import Any

import fakesnow.server as server
import pyarrow as pa
import pyarrow.compute as pc
from fakesnow import arrow, rowtype
from fakesnow.cursor import FakeSnowflakeCursor

from local.warehouse import errors, json_text

_to_sf = arrow.to_sf
_describe_as_rowtype = rowtype.describe_as_rowtype
_describe_last_sql = FakeSnowflakeCursor._describe_last_sql
PARKED = "[\U0010f800-\U0010ffff]"
MORE_TYPES = {
    "TINYINT": "fixed",
    "SMALLINT": "fixed",
    "UTINYINT": "fixed",
    "USMALLINT": "fixed",
    "UINTEGER": "fixed",
    "FLOAT": "real",
    "TIMESTAMP_S": "timestamp_ntz",
    "TIMESTAMP_MS": "timestamp_ntz",
}


def _whole_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not (pa.types.is_decimal(column.type) and column.type.scale == 0):
        return column
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:  # beyond 64 bits: stays a decimal, as from Snowflake
        return column


def _exact_text(column: pa.ChunkedArray, variant: bool) -> pa.ChunkedArray:
    """Halves of surrogate pairs that `json_text.park` replaced: as they came in a VARIANT, as U+FFFD in plain text."""
    if not pa.types.is_string(column.type):
        return column
    if variant:
        if not pc.any(pc.match_substring(column, "\\udb", ignore_case=True)).as_py():
            return column
        return pa.chunked_array([[v and json_text.unpark(v) for v in column.to_pylist()]], pa.string())
    if not pc.any(pc.match_substring_regex(column, PARKED)).as_py():
        return column
    return pc.replace_substring_regex(column, PARKED, "\ufffd")


def to_sf(table: pa.Table, columns: list[rowtype.ColumnInfo]) -> pa.Table:
    texts = [_exact_text(c, info["type"] == "variant") for c, info in zip(table.columns, columns, strict=True)]
    whole = [_whole_numbers(column) for column in texts]
    return _to_sf(pa.Table.from_arrays(whole, names=table.column_names), columns)


def describe_as_rowtype(described: list[Any]) -> list[rowtype.ColumnInfo]:
    with errors.as_sql_errors():
        return _describe_as_rowtype(described)


def describe_in_worker(call: Any, work: Any) -> None:
    """Describe the result in the statement's own thread, and keep it for the server's event loop."""
    cursor = call.cursor
    cursor.described = None
    work()
    if cursor._last_sql is not None:
        cursor.described = _described(cursor)


def _described(cursor: FakeSnowflakeCursor) -> list[Any]:
    """DuckDB's own description. (Upstream's parses and writes SQL that is DuckDB's already.)"""
    return cursor._duck_conn.execute(f"DESCRIBE {cursor._last_sql}", cursor._last_params).fetchall()


def apply() -> None:
    from local.warehouse import hooks

    rowtype.duckdb_to_sf_type.update(MORE_TYPES)
    server.to_sf = arrow.to_sf = to_sf
    server.describe_as_rowtype = describe_as_rowtype
    hooks.AROUND.append(describe_in_worker)
    FakeSnowflakeCursor._describe_last_sql = lambda self: getattr(self, "described", None) or _describe_last_sql(self)
