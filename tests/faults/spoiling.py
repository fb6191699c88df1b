"""What goes wrong: a stream for each way of reading, and what becomes of the n-th page's reply."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from catchment.batch import Batch
from tests.faults.vendors import healthy
from tests.support.make import moment
from tests.support.vendor import Reply, Request


@dataclass(frozen=True)
class Way:
    """A stream that stands for its way of reading. `path` ends its pages' addresses or range; `hit` is the page."""

    stream: str
    path: str
    records: str = ""
    hit: int = 2
    sibling: str = "account"
    parent: str | None = None

    @property
    def source(self) -> str:
        return self.stream.partition(".")[0]

    def batch(self, stream: str | None = None) -> Batch:
        source, _, name = (stream or self.stream).partition(".")
        return Batch(source=source, stream=name, start=moment(1), end=moment(2))


LIST = Way("chartmogul.plans", "/plans", "plans", sibling="chartmogul.account")
WINDOW = Way("chartmogul.activities", "/activities", "entries", sibling="chartmogul.plans")
RECORD = Way("chartmogul.account", "/account", hit=1, sibling="chartmogul.plans")
METRIC = Way("chartmogul.metrics_mrr", "/metrics/mrr", "entries", hit=1, sibling="chartmogul.plans")
CHILD = Way(
    "chartmogul.plan_group_plans",
    "/plan_groups/plan_groups_1/plans",
    "plans",
    sibling="chartmogul.plans",
    parent="chartmogul.plan_groups",
)
CURSOR = Way("zendesk.tickets", "/tickets/cursor.json", "tickets", sibling="zendesk.groups")
EXPORT = Way("zendesk.organizations", "/organizations.json", "organizations", sibling="zendesk.groups")
GROUPS = Way("zendesk.groups", "/groups.json", "groups", sibling="zendesk.organizations")
RATINGS = Way(
    "zendesk.satisfaction_ratings", "/satisfaction_ratings.json", "satisfaction_ratings", sibling="zendesk.groups"
)
SHEET = Way("google_sheets.team_targets", "'Targets'!1:1000", "sheets", hit=1, sibling="google_sheets.account_owners")

PAGED = (LIST, WINDOW, CHILD, CURSOR, EXPORT, GROUPS, RATINGS)
JSON_RECORDS = (*PAGED, RECORD, METRIC)
WAYS = (*JSON_RECORDS, SHEET)


# --- faults: what becomes of the n-th page's reply ---

Fault = Callable[[Way, int, Request, Reply], Reply]


def once(spoil: Callable[[Reply], Reply]) -> Fault:
    """The page to hit is spoilt the first time that it is asked for."""
    return lambda way, number, request, reply: spoil(reply) if number == way.hit else reply


def always(spoil: Callable[[Reply], Reply]) -> Fault:
    """The page to hit is spoilt whenever it is asked for, and so are those after it."""
    return lambda way, number, request, reply: spoil(reply) if number >= way.hit else reply


def page(change: Callable[[Way, Any], Any]) -> Fault:
    """The page to hit carries something else, always."""

    def fault(way: Way, number: int, request: Request, reply: Reply) -> Reply:
        if number != way.hit:
            return reply
        return replace(reply, body=json.dumps(change(way, json.loads(reply.body))).encode())

    return fault


def swapped(old: bytes, new: bytes) -> Fault:
    return once(lambda reply: replace(reply, body=reply.body.replace(old, new, 1)))


def says(status: int, body: bytes = b"", **headers: str) -> Callable[[Reply], Reply]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda reply: Reply(body, status, named)


def body(change: Callable[[bytes], bytes]) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, body=change(reply.body))


def cut(reply: Reply) -> Reply:
    """The connection breaks in the middle of the body."""
    return replace(reply, cut=len(reply.body) // 2)


def silent(reply: Reply) -> Reply:
    """Nothing comes for longer than we wait."""
    return replace(reply, silent=0.4)


truncated = body(lambda text: text[: len(text) // 2])
invalid = body(lambda text: text.replace(b":", b"=", 1))
html = says(200, b"<html><head><title>Back soon</title></head></html>", Content_Type="text/html")
empty = says(200, b"")


def repeated(way: Way, number: int, request: Request, reply: Reply) -> Reply:
    """The page before comes again, once."""
    return _first_page(request) if number == way.hit else reply


def repeated_always(way: Way, number: int, request: Request, reply: Reply) -> Reply:
    return _first_page(request) if number >= way.hit else reply


def _first_page(request: Request) -> Reply:
    first = {name: value for name, value in request.query.items() if name not in ("cursor", "page[after]")}
    if "start_time" in first or "incremental" in request.path:
        first["start_time"] = "1577836800"
    return healthy(replace(request, query=first))


def circling(way: Way, number: int, request: Request, reply: Reply) -> Reply:
    """Cursors lead p2 → p4 → p2 …, the records are new each time; an export's time goes back."""
    value = json.loads(reply.body)
    cursor = "p4" if "p2" in request.query.values() else "p2"
    value |= {"cursor": cursor, "after_cursor": cursor, "has_more": True, "end_of_stream": False}
    value |= {"meta": {"has_more": True, "after_cursor": cursor}}
    value |= {"end_time": 946_684_799} if "end_time" in value else {}
    return Reply.json(value)


def _with_first(way: Way, value: Any, change: Callable[[Any], Any]) -> Any:
    """The reply with its first record changed."""
    if not way.records:
        return change(value)
    first, *others = value[way.records]
    return {**value, way.records: [change(first), *others]}


def without_key(way: Way, value: Any) -> Any:
    return _with_first(way, value, lambda record: {"note": "no key"})


def a_string(way: Way, value: Any) -> Any:
    return _with_first(way, value, lambda record: "a string where an object was")


def no_list(way: Way, value: Any) -> Any:
    return {**value, way.records: "a string where a list was"}


def shifted(way: Way, number: int, request: Request, reply: Reply) -> Reply:
    """A row went from the first page before the second was asked for: the row at the border comes again."""
    if number != way.hit:
        return reply
    value = json.loads(reply.body)
    border = json.loads(_first_page(request).body)[way.records][-1]
    return Reply.json({**value, way.records: [border, *value[way.records]]})
