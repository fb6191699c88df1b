"""Where patches attach to fakesnow's cursor: one list of handlers and two of rewrites.

A *handler* answers a whole statement in upstream's place. A *rewrite* changes the syntax tree before or after
upstream's own transforms. Patches register what they need in `apply()`; `install()` puts the hooks into the cursor.
"""

# ruff: noqa: S608 (names in the SQL are quoted and values bound or written as literals)
from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlglot
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.dialect import parse_one
from sqlglot import exp

from local.warehouse import errors
from local.warehouse.sessions import Session, session_of

COMMENTS = re.compile(r"\A(?:\s+|/\*.*?\*/|--[^\n]*(?:\n|\Z)|//[^\n]*(?:\n|\Z))*", re.S)


@dataclass(frozen=True)
class Answer:
    """The result of a handled statement: column names, rows of literals and the rows affected."""

    columns: tuple[str, ...] = ("status",)
    rows: Sequence[tuple[Any, ...]] = (("Statement executed successfully.",),)
    rowcount: int | None = None

    def sql(self) -> str:
        """The answer as a DuckDB query, so that upstream can describe and cache it like any other."""
        names = ", ".join(f'"{c}"' for c in self.columns)
        values = ", ".join(f"({', '.join(literal(v) for v in row)})" for row in self.rows)
        if not self.rows:
            nulls = ", ".join("NULL" for _ in self.columns)
            return f"SELECT * FROM (VALUES ({nulls})) AS t({names}) WHERE false"
        return f"SELECT * FROM (VALUES {values}) AS t({names})"


DONE = Answer()
"""What a handler says that has put the result into the cursor itself."""


def literal(value: Any) -> str:
    """A value as DuckDB SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool | int):
        return str(value)
    return exp.Literal.string(str(value)).sql(dialect="duckdb")


@dataclass(frozen=True)
class Call:
    """One statement of one session. `text` has no leading comments; `params` are the client's bindings."""

    cursor: FakeSnowflakeCursor
    session: Session
    text: str
    params: Any

    @property
    def expression(self) -> exp.Expr:
        return parse_one(self.text)

    def duck(self, sql: str, params: Any = None) -> list[tuple[Any, ...]]:
        """Run DuckDB SQL on this session's connection."""
        return self.cursor._duck_conn.execute(sql, params).fetchall()

    def run(self, sql: str) -> None:
        """Run a Snowflake statement as upstream would, in place of the one called."""
        UPSTREAM_EXECUTE(self.cursor, sql, server=True)


Handler = Callable[[Call], Answer | None]
Rewrite = Callable[[exp.Expr, Session], exp.Expr]
Around = Callable[[Call, Callable[[], None]], None]

HANDLERS: list[tuple[re.Pattern[str], Handler]] = []
BEFORE: list[Rewrite] = []
AFTER: list[Rewrite] = []
AROUND: list[Around] = []
UPSTREAM_EXECUTE = FakeSnowflakeCursor.execute
UPSTREAM_TRANSFORM = FakeSnowflakeCursor._transform


def handle(pattern: str, handler: Handler) -> None:
    """Offer statements that start with `pattern` (after comments) to `handler`; None passes them on."""
    HANDLERS.append((re.compile(pattern, re.I | re.S), handler))


def rewrite_node(rewrites: list[Rewrite], rule: Callable[[exp.Expr], exp.Expr]) -> None:
    """Add a rewrite that looks at each node of the tree by itself."""
    rewrites.append(lambda tree, session: from_leaves(tree, rule))


def from_leaves(tree: exp.Expr, rule: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """Apply a rule to every node, children first. (sqlglot's own `transform` does not go into what a rule replaced.)"""
    for node in reversed(list(tree.dfs())):
        new = rule(node)
        if new is not node:
            if node is tree:
                return new
            node.replace(new)
    return tree


def strip_comments(sql: str) -> str:
    """The statement without comments and semicolons before and after it (dbt puts its own there)."""
    text = sql[COMMENTS.match(sql).end() :].rstrip("; \t\r\n")
    while text.endswith("*/") and (start := text.rfind("/*")) >= 0:
        text = text[:start].rstrip("; \t\r\n")
    return text


def _execute(self: FakeSnowflakeCursor, command: str, params: Any = None, *args: Any, **kwargs: Any) -> Any:
    session = session_of(self._conn)
    call = Call(self, session, strip_comments(command), kwargs.get("binding_params") or params)

    def work() -> None:
        for pattern, handler in HANDLERS:
            if pattern.match(call.text) and (answer := handler(call)) is not None:
                if answer is not DONE:
                    self._execute(sqlglot.parse_one(answer.sql(), read="duckdb"))
                    self._rowcount = answer.rowcount if answer.rowcount is not None else self._rowcount
                return
        UPSTREAM_EXECUTE(self, command, params, *args, **kwargs)

    try:
        with errors.as_sql_errors():
            _wrapped(call, work, AROUND)
    except Exception as error:
        if session.run is not None:
            session.run.error = str(error)
        raise
    return self


def _wrapped(call: Call, work: Callable[[], None], around: Sequence[Around]) -> None:
    if not around:
        return work()
    outer, *inner = around
    return outer(call, lambda: _wrapped(call, work, inner))


def _transform(self: FakeSnowflakeCursor, expression: exp.Expr, params: Any) -> exp.Expr:
    session = session_of(self._conn)
    for rewrite in BEFORE:
        expression = rewrite(expression, session)
    expression = UPSTREAM_TRANSFORM(self, expression, params)
    for rewrite in AFTER:
        expression = rewrite(expression, session)
    return expression


def install() -> None:
    """Put the hooks into fakesnow's cursor, once."""
    FakeSnowflakeCursor.execute = _execute
    FakeSnowflakeCursor._transform = _transform
