"""MRR movements: what the changes of a customer's subscriptions mean for its monthly revenue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from local.company.book import Change, Customer
from local.company.moments import FOREVER


class Movement(NamedTuple):
    """One step of a customer's MRR: `delta` cents, to `total` cents over all of its subscriptions."""

    at: int
    kind: str
    delta: int
    total: int
    sub: str
    plan: int


def movements(changes: Iterable[Change]) -> list[Movement]:
    """The steps that follow from changes in order of time.

    The first revenue is new business, revenue after none is a reactivation, none after some is churn; the rest is
    expansion or contraction. A change that is worth nothing makes no step.
    """
    worth: dict[str, int] = {}
    total = 0
    ever = False
    steps: list[Movement] = []
    for change in changes:
        delta = change.mrr - worth.get(change.sub, 0)
        worth[change.sub] = change.mrr
        if not delta:
            continue
        steps.append(Movement(change.at, _kind(total, delta, ever), delta, total + delta, change.sub, change.plan))
        total += delta
        ever = True
    return steps


def _kind(total: int, delta: int, ever: bool) -> str:
    if total == 0:
        return "reactivation" if ever else "new_biz"
    if total + delta == 0:
        return "churn"
    return "expansion" if delta > 0 else "contraction"


def shown(customer: Customer) -> list[tuple[Movement, int, int]]:
    """Each movement with the span in which the books show it: from its own moment until a revision drops it."""
    revisions = customer.revisions()
    ends = [*revisions[1:], customer.gone]
    spans: dict[Movement, list[list[int]]] = {}
    for revision, end in zip(revisions, ends, strict=True):
        for step in movements(customer.ledger(revision)):
            since = max(step.at, revision)
            if since >= end:
                continue
            known = spans.setdefault(step, [])
            if known and known[-1][1] == since:
                known[-1][1] = end
            else:
                known.append([since, end])
    return [(step, since, min(until, FOREVER)) for step, parts in spans.items() for since, until in parts]
