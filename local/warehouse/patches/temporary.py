"""Temporary tables and views may have qualified names.

Upstream (fakesnow 0.12.1) hands them to DuckDB, which keeps temporary objects outside all schemas and refuses a
qualified name. dbt makes them for incremental models, snapshots and unit tests and drops them itself, so they are plain
tables and views here. An unqualified temporary table stays temporary.
"""

from __future__ import annotations

from sqlglot import exp

from local.warehouse import hooks


def _plain_if_qualified(node: exp.Expr) -> exp.Expr:
    if (
        isinstance(node, exp.Create)
        and node.kind in ("TABLE", "VIEW")
        and (properties := node.args.get("properties"))
        and (table := node.find(exp.Table))
        and table.args.get("db")
    ):
        kept = [p for p in properties.expressions if not isinstance(p, exp.TemporaryProperty)]
        properties.set("expressions", kept)
    return node


def apply() -> None:
    hooks.rewrite_node(hooks.BEFORE, _plain_if_qualified)
