"""Names that only DuckDB reserves are quoted, such as a column AT.

Upstream (fakesnow 0.12.1) sends unquoted identifiers to DuckDB, which has reserved words that Snowflake has not.
"""

from __future__ import annotations

import duckdb
from sqlglot import exp

from local.warehouse import hooks

NO_NAMES = {"DEFAULT", "TRUE", "FALSE", "NULL", "ALL"}


def _reserved() -> frozenset[str]:
    sql = "SELECT upper(keyword_name) FROM duckdb_keywords() WHERE keyword_category IN ('reserved', 'type_function')"
    with duckdb.connect() as duck:
        return frozenset(word for (word,) in duck.execute(sql).fetchall()) - NO_NAMES


def apply() -> None:
    reserved = _reserved()

    def quote(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Identifier) and not node.quoted and str(node.this).upper() in reserved:
            node.set("quoted", True)
        return node

    hooks.rewrite_node(hooks.AFTER, quote)
