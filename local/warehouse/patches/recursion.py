"""A common table expression that names itself recurses without the word RECURSIVE.

Upstream (fakesnow 0.12.1) keeps the WITH as written; DuckDB calls it a circular reference.
"""

from __future__ import annotations

from sqlglot import exp

from local.warehouse import hooks


def _recursive(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.With) and any(
        table.name.upper() == cte.alias.upper() and not table.db
        for cte in node.expressions
        for table in cte.this.find_all(exp.Table)
    ):
        node.set("recursive", True)
    return node


def apply() -> None:
    hooks.rewrite_node(hooks.BEFORE, _recursive)
