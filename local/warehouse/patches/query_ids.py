"""A statement's id is one, from its start, and results are kept for a while only.

Upstream (fakesnow 0.12.1) makes the id when a statement has ended, so that a running one can't be named, lacks
LAST_QUERY_ID(), and keeps the result of every statement for RESULT_SCAN as long as the server runs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from sqlglot import exp

from local.warehouse import hooks
from local.warehouse.sessions import Session

KEPT_RESULTS = 200
KEPT_BYTES = 8 * 1024 * 1024


class RecentResults(OrderedDict[str, tuple[Any, ...]]):
    """The newest KEPT_RESULTS results, each of at most KEPT_BYTES."""

    def __setitem__(self, query_id: str, result: tuple[Any, ...]) -> None:
        if result[0] is not None and result[0].nbytes > KEPT_BYTES:
            return
        super().__setitem__(query_id, result)
        while len(self) > KEPT_RESULTS:
            self.popitem(last=False)


def _one_id(call: hooks.Call, work: Callable[[], None]) -> None:
    work()
    cursor, session = call.cursor, call.session
    if session.run is not None:
        cache = cursor._conn.results_cache
        if (result := cache.pop(cursor._sfqid, None)) is not None:
            cache[session.run.query_id] = result
        cursor._sfqid = session.run.query_id
        session.run.rows = cursor._rowcount
    session.last_query_id = cursor._sfqid


def _last_query_id(tree: exp.Expr, session: Session) -> exp.Expr:
    def one(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Anonymous) and node.name.upper() == "LAST_QUERY_ID" and not node.expressions:
            return exp.Literal.string(session.last_query_id) if session.last_query_id else exp.null()
        return node

    return tree.transform(one, copy=False)


def apply() -> None:
    hooks.AROUND.append(_one_id)
    hooks.BEFORE.insert(0, _last_query_id)
