"""MERGE is one atomic statement, alone on its table.

Upstream (fakesnow 0.12.1, `transforms.merge`) splits MERGE into several statements over a temporary table: inside BEGIN
it fails, two at once duplicate rows, and an INSERT with unqualified columns is ambiguous. DuckDB's own MERGE INTO does
it in one; the table's lock makes the second of two wait, as Snowflake's does.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from fakesnow.transforms.merge import operations
from sqlglot import exp

from local.warehouse import hooks, locks, prepared

ACTIONS = {"inserted": "INSERT", "updated": "UPDATE", "deleted": "DELETE"}


def _unqualify_targets(merge: exp.Merge) -> None:
    """DuckDB wants bare column names on the left of SET and in the INSERT's list."""
    for when in merge.args["whens"].expressions:
        then = when.args.get("then")
        if isinstance(then, exp.Update):
            for assignment in then.expressions:
                assignment.this.set("table", None)
        elif isinstance(then, exp.Insert) and then.this is not None:
            for column in then.this.find_all(exp.Column):
                column.set("table", None)


@dataclass(frozen=True)
class _Plan:
    """A MERGE as DuckDB runs it: the table that is locked, and the kinds of rows that are counted."""

    sql: str
    table: tuple[str | None, str | None, str]
    counted: tuple[str, ...]


def _plan(call: hooks.Call) -> _Plan | None:
    merge = call.expression
    if not isinstance(merge, exp.Merge):
        return None
    cursor, connection = call.cursor, call.cursor._conn
    cursor.check_db_and_schema(merge)
    merge = cursor._transform(merge, list(call.params) if call.params else None)
    counted = tuple(name for name, clauses in operations(merge).items() if clauses)
    _unqualify_targets(merge)
    target = merge.this
    table = (target.catalog or connection.database, target.db or connection.schema, target.name)
    return _Plan(f"{merge.sql(dialect='duckdb')} RETURNING merge_action", table, counted)


def _merge(call: hooks.Call) -> hooks.Answer | None:
    plan = prepared.compiled(call, _plan)
    if plan is None:
        return None
    connection = call.cursor._conn
    with locks.hold(plan.table, call.session):
        if not connection._autocommit and not connection._in_transaction:
            call.cursor._duck_conn.begin()
            connection._in_transaction = True
        rows = call.duck(plan.sql, list(call.params) if call.params else None)
    done = Counter(action for (action, *_) in rows)
    counts = tuple(done[ACTIONS[name]] for name in plan.counted)
    return hooks.Answer(tuple(f"number of rows {name}" for name in plan.counted), (counts,), rowcount=sum(counts))


def apply() -> None:
    hooks.handle(r"(?:with\b.*?\b)?merge\s+into\b", _merge)
