"""Upstream's information schema, patched: its global views made again at every start with what they lack."""

from __future__ import annotations

from fakesnow import info_schema

_INTEGERS = "('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT')"


def global_sql() -> str:
    """The columns view with every integer type of DuckDB as NUMBER(38,0).

    Upstream knows BIGINT only; the sum of integers is HUGEINT in DuckDB, and a table made from it would have a column
    of a type that Snowflake does not have.
    """
    view = info_schema.SQL_CREATE_GLOBAL_INFORMATION_SCHEMA_COLUMNS_VIEW
    return (
        view.replace("create view if not exists", "create or replace view")
        .replace("or columns.data_type='BIGINT' then 'NUMBER'", f"or columns.data_type in {_INTEGERS} then 'NUMBER'")
        .replace("columns.data_type='BIGINT' then 38", f"columns.data_type in {_INTEGERS} then 38")
        .replace("columns.data_type='BIGINT' then 10", f"columns.data_type in {_INTEGERS} then 10")
        .replace(
            "else columns.numeric_scale end",
            f"when columns.data_type in {_INTEGERS} then 0 else columns.numeric_scale end",
        )
    )
