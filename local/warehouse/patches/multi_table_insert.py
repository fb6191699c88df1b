"""INSERT ALL and INSERT FIRST put the rows of one query into several tables, at once.

Upstream (fakesnow 0.12.1) hands them to DuckDB, which has neither. The query's rows are kept in a temporary table for
as long as the inserts take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from local.warehouse import errors, hooks, prepared

ROWS = "_fs_rows_for_tables"


@dataclass(frozen=True)
class _Plan:
    """A multi-table INSERT as DuckDB runs it."""

    query: str
    inserts: tuple[str, ...]
    tables: tuple[str, ...]


def _plan(call: hooks.Call) -> _Plan | None:
    statement = call.expression
    if not isinstance(statement, exp.MultitableInserts):
        return None
    branches = statement.expressions
    if any(branch.args.get("else_") for branch in branches):
        raise errors.unsupported("ELSE in a multi-table INSERT")
    if call.text.split(None, 2)[1].upper() == "OVERWRITE":
        raise errors.unsupported("OVERWRITE in a multi-table INSERT")
    first_only = str(statement.args.get("kind") or "ALL").upper() == "FIRST"
    return _Plan(
        query=call.cursor._transform(statement.args["source"], call.params).sql(dialect="duckdb"),
        inserts=tuple(_branch(b, branches[:i] if first_only else [], call) for i, b in enumerate(branches)),
        tables=tuple(branch.this.find(exp.Table).name for branch in branches),
    )


def _insert(call: hooks.Call) -> hooks.Answer | None:
    plan = prepared.compiled(call, _plan)
    if plan is None:
        return None
    counts = _at_once(call, plan)
    names = tuple(f"number of rows inserted into {table}" for table in plan.tables)
    return hooks.Answer(names, (tuple(counts),), rowcount=sum(counts))


def _branch(branch: exp.ConditionalInsert, before: list[exp.Expr], call: hooks.Call) -> str:
    """One branch as an INSERT … SELECT over the kept rows; with FIRST, only those that no branch before took."""
    insert, condition = branch.this, branch.expression
    values = insert.expression
    expressions = values.expressions[0].expressions if isinstance(values, exp.Values) else [exp.Star()]
    select = exp.select(*(e.copy() for e in expressions)).from_(ROWS)
    conditions = [condition.copy()] if condition is not None else []
    conditions += [
        exp.not_(exp.func("COALESCE", exp.paren(b.expression.copy()), exp.false()))
        for b in before
        if b.expression is not None
    ]
    if conditions:
        select = select.where(*conditions)
    plain = exp.Insert(this=insert.this.copy(), expression=select)
    return call.cursor._transform(plain, None).sql(dialect="duckdb")


def _at_once(call: hooks.Call, plan: _Plan) -> list[int]:
    duck: Any = call.cursor._duck_conn
    connection: Any = call.cursor._conn
    own = not call.session.in_transaction
    if own:
        duck.begin()
    try:
        duck.execute(f"CREATE OR REPLACE TEMPORARY TABLE {ROWS} AS {plan.query}", call.params)
        counts = [duck.execute(insert).fetchall()[0][0] for insert in plan.inserts]
        duck.execute(f"DROP TABLE {ROWS}")
        if own and connection._autocommit:
            duck.commit()
        elif own:
            connection._in_transaction = True
    except BaseException:
        if own:
            duck.rollback()
        raise
    return counts


def apply() -> None:
    hooks.handle(r"insert\s+(?:overwrite\s+)?(?:all|first)\b", _insert)
