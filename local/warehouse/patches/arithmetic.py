"""Sums are exact, a count of nothing is 0, and a division by zero is an error.

Upstream (fakesnow 0.12.1, `transforms.numeric_agg_implicit_cast`) casts what SUM, AVG and others get to DOUBLE with
TRY_CAST: money loses cents beyond 2^53 and text that is no number vanishes. DuckDB gives infinity for 1/0, and NULL for
COUNT_IF over no rows.
"""

from __future__ import annotations

import fakesnow.transforms as upstream
from fakesnow.transforms import transforms as upstream_transforms
from sqlglot import exp

from local.warehouse import hooks, macros

DIVIDE = """
CREATE OR REPLACE MACRO ${catalog}._fs_divide(a, b) AS
    CASE WHEN b = 0 THEN error('Division by zero') ELSE a / b END
"""
REMAINDER = """
CREATE OR REPLACE MACRO ${catalog}._fs_remainder(a, b) AS
    CASE WHEN b = 0 THEN error('Division by zero') ELSE a % b END
"""


def exact_aggregate(node: exp.Expr) -> exp.Expr:
    """Keep upstream's column names (`SUM(AMOUNT)`), not its casts."""
    selected = isinstance(node, upstream_transforms._NUMERIC_ONLY_AGGS) and isinstance(node.parent, exp.Select)
    name = upstream_transforms._numeric_agg_col_name(node, node.this) if selected else None
    return exp.alias_(node, name, quoted=True) if name else node


def _checked_division(node: exp.Expr) -> exp.Expr:
    macro = {exp.Div: "_fs_divide", exp.Mod: "_fs_remainder"}.get(type(node))
    if macro is None or (node.expression.is_number and float(node.expression.this) != 0):
        return node
    return exp.Anonymous(this=macro, expressions=[node.this, node.expression])


def _count_if(node: exp.Expr) -> exp.Expr:
    if not isinstance(node, exp.CountIf):
        return node
    return exp.Count(this=exp.Case(ifs=[exp.If(this=node.this, true=exp.Literal.number(1))]))


def apply() -> None:
    macros.add(DIVIDE)
    macros.add(REMAINDER)
    upstream.numeric_agg_implicit_cast = exact_aggregate
    hooks.rewrite_node(hooks.AFTER, _checked_division)
    hooks.rewrite_node(hooks.AFTER, _count_if)
