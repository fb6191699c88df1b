"""What this warehouse can't do is refused with a sentence.

Upstream (fakesnow 0.12.1) hands statements that sqlglot does not parse, and functions that it does not know, to DuckDB
as they stand, and drops clauses such as AT(…) silently: either may do something else than Snowflake does.
"""

from __future__ import annotations

import re

import duckdb
from sqlglot import exp

from local.warehouse import errors, hooks
from local.warehouse.sessions import Session

STATEMENTS = {
    r"begin\s+(?!transaction\b|work\b|name\b)\w|declare\b": "Snowflake Scripting blocks",
    r"execute\s+immediate\b": "EXECUTE IMMEDIATE",
    r"call\b": "stored procedures (CALL)",
    r"undrop\b": "UNDROP",
    r"drop\s+database\b(?!\s+role)": "DROP DATABASE",
    r"alter\s+table\b.*\bswap\s+with\b": "SWAP WITH",
    r"explain\b": "EXPLAIN",
    r"(?:list|ls)\b": "LIST",
    r"select\s+system\$cancel_query\b": "SYSTEM$CANCEL_QUERY",
    r"(?:create|alter|drop|execute)\s+(?:or\s+replace\s+)?(?:secure\s+)?"
    r"(?:procedure|function|aggregate\s+function)\b": "procedures and functions",
    r"(?:create|alter|drop|execute)\s+(?:or\s+replace\s+)?(?:task|stream|pipe|alert|dynamic\s+table|external\s+table|"
    r"iceberg\s+table|event\s+table|hybrid\s+table|materialized\s+view)\b": (
        "tasks, streams, pipes, alerts and tables that keep themselves"
    ),
    r"create\s+(?:or\s+replace\s+)?(?:transient\s+)?schema\b.*\bclone\b": "CREATE SCHEMA … CLONE",
    r"(?:get|remove|rm)\s+@": "GET and REMOVE of staged files",
    r"(?:pragma|attach|detach|install|load|checkpoint|vacuum|export|import)\b": "DuckDB's own statements",
}


SNOWFLAKES_TOO = {"HASH", "GETVARIABLE", "TO_TIMESTAMP"}
DUCKDBS_OWN: set[str] = set()


def _refuse(what: str) -> hooks.Handler:
    def handler(call: hooks.Call) -> hooks.Answer:
        raise errors.unsupported(what)

    return handler


def _refuse_clauses(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Table) and (node.args.get("when") or node.args.get("version")):
        raise errors.unsupported("time travel (AT, BEFORE)")
    if isinstance(node, exp.Clone) and node.args.get("when"):
        raise errors.unsupported("CLONE … AT")
    if isinstance(node, exp.Anonymous) and re.match(
        r"(infer_schema|validate|copy_history|result_scan_async)\Z", node.name, re.I
    ):
        raise errors.unsupported(node.name.upper())
    if isinstance(node, exp.Anonymous) and node.name.upper() in DUCKDBS_OWN:
        raise errors.unsupported(f"{node.name.upper()}(), which is DuckDB's and not Snowflake's")
    if isinstance(node, exp.Table) and node.db.upper() == "ACCOUNT_USAGE":
        raise errors.unsupported("SNOWFLAKE.ACCOUNT_USAGE")
    return node


def _refuse_commands(tree: exp.Expr, session: Session) -> exp.Expr:
    if isinstance(tree, exp.Command) and tree.name.upper() not in ("SHOW", "SET", "UNSET", "ALTER", "CREATE", "PUT"):
        raise errors.unsupported(f"the statement {tree.name.upper()}")
    return tree


def apply() -> None:
    with duckdb.connect() as duck:
        names = duck.execute("SELECT upper(function_name) FROM duckdb_functions()").fetchall()
    DUCKDBS_OWN.update({name for (name,) in names} - SNOWFLAKES_TOO)
    for pattern, what in STATEMENTS.items():
        hooks.handle(pattern, _refuse(what))
    hooks.rewrite_node(hooks.BEFORE, _refuse_clauses)
    hooks.BEFORE.append(_refuse_commands)
