"""Trouble on demand: rules that say which requests go wrong, and how.

A rule counts the requests that match it; it lets `after` of them through and then spoils `times` (0: for ever). What is
spoiled is a pure function of the rule, the request and the replies, so the same requests meet the same trouble.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from local.sandbox.edits import Edit
from local.sandbox.http import Reply, Request

Kind = Literal[
    "status", "retry_after", "no_retry_after", "cut_body", "truncated_json", "invalid_json", "timeout",
    "slow", "repeat_page", "cursor_loop", "shift_rows", "drop_field", "string_for_object", "extra_field", "revoke",
    "html", "redirect", "empty_list", "edit",
]  # fmt: skip
BEFORE = ("status", "retry_after", "no_retry_after", "timeout", "revoke", "html", "redirect")
CURSORS = ("cursor", "after_cursor", "end_time", "nextPageToken")
HTML = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>We'll be back soon</h1></body></html>"


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of trouble.

    `match` is a prefix of the path with its mount (`/zendesk/api/v2/incremental`), or with `^` in front a regular
    expression for "METHOD path?query". `status` is for the kinds `status`, `revoke`, `html` and `redirect`, `seconds`
    for `retry_after`, `timeout` and `slow`, `field` for the kinds that change one, `keep` is the share of the body that
    `cut_body` and `truncated_json` let through. `body` is a JSON body for `status` in place of the vendor's usual one.

    `edit` is applied just before the request is answered, whatever the kind; the kind `edit` does nothing else.
    `html` is a page of maintenance, which comes with 200 as well as with 503. `redirect` sends to the same path of
    `to`, as an account that has moved does (301, 302). `empty_list` is a 200 with no records and the end of the list.
    """

    match: str
    kind: Kind
    after: int = 0
    times: int = 1
    status: int = 500
    seconds: float = 1.0
    body: Any = None
    to: str = ""
    edit: Edit | None = None
    field: str | None = None
    keep: float = 0.5

    def meets(self, mounted: str, request: Request) -> bool:
        if not self.match.startswith("^"):
            return mounted.startswith(self.match)
        query = f"?{request.query_string}" if request.query_string else ""
        return re.search(self.match, f"{request.method} {mounted}{query}") is not None


@dataclass
class Active:
    """A rule with its count of matching requests."""

    rule: Rule
    seen: int = 0


@dataclass(frozen=True)
class Delivery:
    """How a reply goes out: after `delay` seconds; with `cut`, only that many bytes of the body and then the end."""

    reply: Reply
    delay: float = 0.0
    cut: int | None = None


class Faults:
    """The rules in force. `decide` counts a request; `spoil` changes its reply."""

    def __init__(self) -> None:
        self.active: list[Active] = []
        self._last: dict[str, Reply] = {}

    def add(self, rule: Rule) -> None:
        self.active.append(Active(rule))

    def clear(self) -> None:
        self.active.clear()

    def decide(self, mounted: str, request: Request) -> Rule | None:
        """The first rule that spoils this request. Every rule that matches counts it."""
        chosen: Rule | None = None
        for active in self.active:
            rule = active.rule
            if rule.meets(mounted, request):
                active.seen += 1
                over = rule.times and active.seen > rule.after + rule.times
                if chosen is None and active.seen > rule.after and not over:
                    chosen = rule
        return chosen

    def spoil(self, rule: Rule | None, mounted: str, request: Request, reply: Reply) -> Delivery:
        """The reply as it goes out. Pages are remembered by path, for the kinds that repeat one."""
        before = self._last.get(mounted)
        if reply.status == 200 and reply.records:
            self._last[mounted] = reply
        if rule is None or rule.kind == "edit":
            return Delivery(reply)
        if rule.kind in ("slow", "cut_body"):
            cut = int(len(reply.body) * rule.keep) if rule.kind == "cut_body" else None
            return Delivery(reply, rule.seconds if rule.kind == "slow" else 0.0, cut)
        if reply.status != 200:
            return Delivery(reply)
        if rule.kind == "truncated_json":
            return Delivery(replace(reply, body=reply.body[: int(len(reply.body) * rule.keep)]))
        if rule.kind == "invalid_json":
            return Delivery(replace(reply, body=reply.body[:-1] + b',"oops":,}'))
        if rule.kind == "repeat_page":
            return Delivery(before or reply)
        value = msgspec.json.decode(reply.body)
        _change(rule, request, reply, before, value)
        return Delivery(replace(reply, body=msgspec.json.encode(value)))


def _change(rule: Rule, request: Request, reply: Reply, before: Reply | None, value: Any) -> None:
    """Change a page's value in place."""
    records = value.get(reply.records) if reply.records else [value]
    if rule.kind in ENVELOPE:
        ENVELOPE[rule.kind](request, reply.records, value)
    elif rule.kind == "shift_rows" and before is not None:
        records[:0] = msgspec.json.decode(before.body)[before.records][-1:]
    elif rule.kind == "drop_field":
        for record in (value, *records):
            record.pop(rule.field, None)
    elif rule.kind == "extra_field":
        for record in records:
            record[rule.field or "surprise"] = {"added": "by the vendor", "nested": [1, {"größe": None}]}
    elif rule.kind == "string_for_object":
        for record in records:
            field = rule.field or next((k for k, v in record.items() if isinstance(v, dict)), None)
            if field in record:
                record[field] = "an object was here"


def _empty(request: Request, records: str | None, value: dict[str, Any]) -> None:
    """No records, and the end of the list in whichever words the page has for it."""
    end = {"has_more": False, "end_of_stream": True, "count": 0, "next_page": None}
    value.update({field: said for field, said in end.items() if field in value})
    if records:
        value[records] = []
    if "meta" in value:
        value["meta"] = {"has_more": False, "after_cursor": None, "before_cursor": None}
        value["links"] = {"next": None, "prev": None}


def _loop(request: Request, records: str | None, value: dict[str, Any]) -> None:
    """Point the page at itself and say that there is more."""
    given = {"cursor": "cursor", "after_cursor": "cursor", "end_time": "start_time"}
    for field in CURSORS:
        if field in value and (text := request.param(given.get(field, field))) is not None:
            value[field] = int(text) if field == "end_time" else text
    if "has_more" in value:
        value["has_more"] = True
    if "end_of_stream" in value:
        value["end_of_stream"] = False
    if "meta" in value:
        value["meta"] |= {
            "has_more": True,
            "after_cursor": request.param("page[after]") or value["meta"]["after_cursor"],
        }
        value["links"]["next"] = f"{request.base}{request.path}?{request.query_string}"


ENVELOPE = {"cursor_loop": _loop, "empty_list": _empty}
