"""A column may not have a name that Snowflake reserves; a name that only DuckDB reserves is quoted, such as AT.

Upstream (fakesnow 0.12.1) makes a column ORDER, for sqlglot's parser lets it through; and it sends unquoted identifiers
to DuckDB, which has reserved words that Snowflake has not.
"""

from __future__ import annotations

import duckdb
import snowflake.connector.errors as sf
from sqlglot import exp

from local.warehouse import hooks

NO_NAMES = {"DEFAULT", "TRUE", "FALSE", "NULL", "ALL"}
# Snowflake's reference, "Reserved & limited keywords": what is reserved, and what can't name a column.
_RESERVED = """
    ALL ALTER AND ANY AS BETWEEN BY CHECK COLUMN CONNECT CREATE CURRENT DELETE DISTINCT DROP ELSE EXISTS FOLLOWING FOR
    FROM GRANT GROUP HAVING IN INSERT INTERSECT INTO IS LIKE NOT NULL OF ON OR ORDER REVOKE ROW ROWS SAMPLE SELECT SET
    START TABLE TABLESAMPLE THEN TO TRIGGER UNION UNIQUE UPDATE VALUES WHENEVER WHERE WITH
    ILIKE INCREMENT ISSUE MINUS QUALIFY REGEXP RLIKE SOME
    CONSTRAINT CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER LOCALTIME LOCALTIMESTAMP
"""
RESERVED = frozenset(_RESERVED.split())


def _refuse(node: exp.Expr) -> exp.Expr:
    name = node.this if isinstance(node, exp.ColumnDef) else None
    if isinstance(name, exp.Identifier) and not name.quoted:
        word = name.name.upper()
    elif isinstance(name, exp.Func):  # CURRENT_DATE and the like
        word = name.sql_names()[0]
    else:
        return node
    if word in RESERVED:
        raise sf.ProgrammingError(
            msg=f"SQL compilation error:\nsyntax error unexpected '{word}': it is a reserved word. Give the column "
            "another name, or quote it wherever it is used.",
            errno=1003,
            sqlstate="42000",
        )
    return node


def _reserved_by_duckdb() -> frozenset[str]:
    sql = "SELECT upper(keyword_name) FROM duckdb_keywords() WHERE keyword_category IN ('reserved', 'type_function')"
    with duckdb.connect() as duck:
        return frozenset(word for (word,) in duck.execute(sql).fetchall()) - NO_NAMES


def apply() -> None:
    reserved = _reserved_by_duckdb()

    def quote(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Identifier) and not node.quoted and str(node.this).upper() in reserved:
            node.set("quoted", True)
        return node

    hooks.rewrite_node(hooks.BEFORE, _refuse)
    hooks.rewrite_node(hooks.AFTER, quote)
