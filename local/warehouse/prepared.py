"""What a statement with bindings compiles to is kept, for whoever sends the same text again.

To parse a statement and rewrite it for DuckDB costs 20 to 90 ms of this process's one interpreter, many times what
DuckDB needs to run it. A loader sends the same few texts several times a second: without this, a batch of changes costs
twice the CPU, and as much more time (`bench.cdc`). Kept are texts whose meaning depends on nothing but the session's
database and schema.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

import fakesnow.server as upstream
from fakesnow.dialect import parse_one
from sqlglot import exp

from local.warehouse import hooks

T = TypeVar("T")
KEPT = 500
LONGEST = 20_000
OF_THE_SESSION = re.compile(r"\$|\b(?:current_|last_query_id|query_history|identifier\b|result_scan)", re.I)

_LOCK = Lock()
_COMPILED: OrderedDict[tuple[Any, ...], Any] = OrderedDict()


def compiled(call: hooks.Call, compile_it: Callable[[hooks.Call], T]) -> T:
    """What `compile_it` makes of the statement, or made of the same text before. It must not be changed."""
    if not call.params or OF_THE_SESSION.search(call.text):
        return compile_it(call)
    connection = call.session.connection
    return _kept((compile_it, call.text, connection.database, connection.schema), lambda: compile_it(call))


def _plan(call: hooks.Call) -> exp.Expr | None:
    statement = call.expression
    if not isinstance(statement, exp.Select):
        return None
    call.cursor.check_db_and_schema(statement)
    return call.cursor._transform(statement, list(call.params))


def _select(call: hooks.Call) -> hooks.Answer | None:
    plan = compiled(call, _plan) if call.params else None
    if plan is None:
        return None
    call.cursor._execute(plan, list(call.params))
    return hooks.DONE


def _parse(sql: str) -> exp.Expr:
    """A statement's tree, from which the server reads only what kind of statement it is."""
    return _kept((parse_one, sql), lambda: parse_one(sql))


def _kept(key: tuple[Any, ...], make: Callable[[], T]) -> T:
    if len(key[1]) > LONGEST:
        return make()
    with _LOCK:
        if key in _COMPILED:
            _COMPILED.move_to_end(key)
            found: T = _COMPILED[key]
            return found
    made = make()
    with _LOCK:
        _COMPILED[key] = made
        while len(_COMPILED) > KEPT:
            _COMPILED.popitem(last=False)
    return made


def apply() -> None:
    hooks.handle(r"select\b", _select)
    upstream.parse_one = _parse
