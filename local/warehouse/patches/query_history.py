"""INFORMATION_SCHEMA.QUERY_HISTORY() lists what has ended, with tag, user and session.

Upstream (fakesnow 0.12.1) keeps no history. Here each statement is a line of `query_history.jsonl`; the table function
reads it, without arguments, over all sessions.
"""

# ruff: noqa: S608 (names in the SQL are quoted and values bound or written as literals)
from __future__ import annotations

import sqlglot
from sqlglot import exp

from local.warehouse import errors, history, hooks

NAMES = ("QUERY_HISTORY", "QUERY_HISTORY_BY_SESSION", "QUERY_HISTORY_BY_USER")


def _as_view(node: exp.Expr) -> exp.Expr:
    if not (isinstance(node, exp.TableFromRows) and isinstance(node.this, exp.Dot)):
        return node
    function = node.this.find(exp.Anonymous)
    if function is None or function.name.upper() not in NAMES:
        return node
    if function.name.upper() != NAMES[0] or function.expressions:
        raise errors.unsupported(f"{function.name.upper()} with arguments: use QUERY_HISTORY() and a WHERE")
    kinds = ", ".join(f"'{name}': '{kind}'" for name, kind in history.COLUMNS.items())
    rows = f"SELECT * FROM read_json('{history.PATH[0]}', format='newline_delimited', columns={{{kinds}}})"
    alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier("HISTORY"))
    return exp.Subquery(this=sqlglot.parse_one(rows, read="duckdb"), alias=alias)


def apply() -> None:
    hooks.rewrite_node(hooks.AFTER, _as_view)
