"""The current state of a shard put into staging by hand, in the types of dbt's models: for tests that need no Kafka."""

from __future__ import annotations

import json
from typing import Any

from catchment.cdc.compare.warehouse import relation
from catchment.cdc.declared import Shard, Table

_TYPES = {
    "smallint": "NUMBER(38, 0)",
    "integer": "NUMBER(38, 0)",
    "bigint": "NUMBER(38, 0)",
    "double precision": "FLOAT",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP_NTZ",
    "timestamptz": "TIMESTAMP_TZ",
    "jsonb": "VARIANT",
}
# Postgres's values as texts that the warehouse casts.
_AS_TEXT = {
    "jsonb": '"{0}"::text',
    "bytea": "encode(\"{0}\", 'hex')",
    "timestamp": 'CASE WHEN isfinite("{0}") THEN to_char("{0}", \'YYYY-MM-DD HH24:MI:SS.US\') END',
    "timestamptz": (
        'CASE WHEN isfinite("{0}") THEN '
        "to_char(\"{0}\" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00:00' END"
    ),
    "date": 'CASE WHEN isfinite("{0}") THEN "{0}"::text END',
}


def snowflake_type(kind: str) -> str:
    if kind.endswith("[]"):
        return "ARRAY"
    return kind.replace("numeric", "NUMBER") if kind.startswith("numeric") else _TYPES.get(kind, "VARCHAR")


def make(warehouse: Any, shard: Shard, table: Table) -> str:
    """An empty staging table; its name."""
    name = relation(shard, table)
    columns = ", ".join(f"{column} {snowflake_type(kind)}" for column, kind in table.columns.items())
    warehouse.execute(
        f"CREATE OR REPLACE TABLE {name} ({columns}, _SPECIAL VARIANT, _SHARD VARCHAR, _IS_DELETED BOOLEAN, "
        "_LSN NUMBER(38, 0))"
    )
    return name


def fill(warehouse: Any, shard_cursor: Any, shard: Shard, table: Table, lsn: int = 1) -> None:
    """Every row that the shard has, as of its LSN `lsn`."""
    name = relation(shard, table)
    texts = ", ".join(_text(column, kind) for column, kind in table.columns.items())
    shard_cursor.execute(f"SELECT {texts}, {_special(table)} FROM public.{table.name}")
    rows = [dict(zip((*table.columns, "special"), row, strict=True)) for row in shard_cursor.fetchall()]
    cast = ", ".join(_cast(column, kind) for column, kind in table.columns.items())
    for start in range(0, len(rows), 2000):
        warehouse.execute(
            f"INSERT INTO {name} SELECT {cast}, TRY_PARSE_JSON(VALUE:special::VARCHAR), %s, FALSE, %s "
            "FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s)))",
            (shard.name, lsn, json.dumps(rows[start : start + 2000])),
        )


def _text(column: str, kind: str) -> str:
    if kind.endswith("[]"):
        return f'array_to_json("{column}")::text'
    if kind.startswith("numeric"):
        return f'CASE WHEN "{column}" NOT IN (\'NaN\') THEN "{column}"::text END'
    return _AS_TEXT.get(kind, '"{0}"::text').format(column)


def _special(table: Table) -> str:
    kinds = ("numeric", "date", "timestamp")
    special = [column for column, kind in table.columns.items() if kind.startswith(kinds)]
    pairs = ", ".join(
        f"'{c}', CASE WHEN \"{c}\"::text IN ('NaN', 'infinity', '-infinity') THEN \"{c}\"::text END" for c in special
    )
    return f"jsonb_strip_nulls(jsonb_build_object({pairs}))::text"


def _cast(column: str, kind: str) -> str:
    text = f'VALUE:"{column}"::VARCHAR'
    if kind == "jsonb":
        return f"TRY_PARSE_JSON({text})"
    if kind.endswith("[]"):
        return f"AS_ARRAY(TRY_PARSE_JSON({text}))"
    wanted = snowflake_type(kind)
    return text if wanted == "VARCHAR" else f"TRY_CAST({text} AS {wanted})"
