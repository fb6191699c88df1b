"""INFORMATION_SCHEMA.QUERY_HISTORY() lists what ran, with tag, user, rows and seconds.

Upstream (fakesnow 0.12.1) keeps no history. Here each statement is a line of `query_history.jsonl`; the table function
reads it, without arguments, over all sessions.
"""

# ruff: noqa: S608 (names in the SQL are quoted and values bound or written as literals)
from __future__ import annotations

import sqlglot
from sqlglot import exp

from local.warehouse import errors, history, hooks, running
from local.warehouse.sessions import Session

NAMES = ("QUERY_HISTORY", "QUERY_HISTORY_BY_SESSION", "QUERY_HISTORY_BY_USER")


def _rows(session: Session) -> str:
    """The ended statements from the file and, before them, those that run now (but the asking one)."""
    kinds = ", ".join(f"'{name}': '{kind}'" for name, kind in history.COLUMNS.items())
    parts = [f"SELECT * FROM read_json('{history.path()}', format='newline_delimited', columns={{{kinds}}})"]
    for run in running.active():
        if run is not session.run:
            values = zip(history.record(run).values(), history.COLUMNS.items(), strict=True)
            parts.append(
                "SELECT " + ", ".join(f"CAST({hooks.literal(v)} AS {kind}) AS {name}" for v, (name, kind) in values)
            )
    return " UNION ALL ".join(reversed(parts))


def _as_view(tree: exp.Expr, session: Session) -> exp.Expr:
    def one(node: exp.Expr) -> exp.Expr:
        if not (isinstance(node, exp.TableFromRows) and isinstance(node.this, exp.Dot)):
            return node
        function = node.this.find(exp.Anonymous)
        if function is None or function.name.upper() not in NAMES:
            return node
        if function.name.upper() != NAMES[0] or function.expressions:
            raise errors.unsupported(f"{function.name.upper()} with arguments: use QUERY_HISTORY() and a WHERE")
        alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier("HISTORY"))
        return exp.Subquery(this=sqlglot.parse_one(_rows(session), read="duckdb"), alias=alias)

    return hooks.from_leaves(tree, one)


def apply() -> None:
    hooks.AFTER.append(_as_view)
