"""INFORMATION_SCHEMA.TABLES lists views too, as TABLE_TYPE says.

Upstream (fakesnow 0.12.1) lists DuckDB's tables only, each as a BASE TABLE.
"""

from __future__ import annotations

from string import Template

from fakesnow import info_schema

RELATIONS = """(
    select database_name, schema_name, table_name, estimated_size, 'BASE TABLE' as table_type from duckdb_tables
    union all
    select database_name, schema_name, view_name, null, 'VIEW' from duckdb_views where not internal
) tables"""


def apply() -> None:
    view = info_schema.SQL_CREATE_INFORMATION_SCHEMA_TABLES_VIEW.template
    view = view.replace("from duckdb_tables tables", f"from {RELATIONS}").replace(
        "'BASE TABLE' AS", "tables.table_type AS"
    )
    info_schema.SQL_CREATE_INFORMATION_SCHEMA_TABLES_VIEW = Template(view)
