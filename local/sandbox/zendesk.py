"""Zendesk Support's API, read side: incremental exports by cursor and by time, and lists.

Behaviour after the vendor's reference: exports leave out the last minute and refuse a `start_time` in it; cursor
exports go on exactly after the cursor; time exports have an inclusive bound, so that the rows of the border's second
come twice, and get stuck when a page's rows all share one second. Lists page by `page[size]` or, without it, by number.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from local.company.moments import FOREVER, MINUTE
from local.company.table import Position, Row, Table
from local.company.truth import is_kept_group, ticket_body
from local.company.zendesk import without_comments
from local.sandbox.http import Refused, Reply, Request, as_json, envelope, url
from local.sandbox.limits import AccountLimit
from local.sandbox.settings import Credentials, Settings
from local.sandbox.world import World

CURSOR_EXPORTS = ("tickets", "users")
TIME_EXPORTS = ("tickets", "users", "organizations", "ticket_events", "ticket_metric_events")
LISTS = {
    "satisfaction_ratings": "satisfaction_ratings",
    "organizations": "organizations",
    "groups": "groups",
    "group_memberships": "group_memberships",
    "organization_memberships": "organization_memberships",
    "ticket_fields": "ticket_fields",
    "ticket_forms": "ticket_forms",
    "brands": "brands",
    "tags": "tags",
    "macros": "macros",
    "slas/policies": "sla_policies",
    "business_hours/schedules": "schedules",
    "deleted_tickets": "deleted_tickets",
    "deleted_users": "deleted_users",
}
OFFSET_PAGES = 100
Accept = Callable[[Row], bool]


def error(status: int, name: str | dict[str, str], description: str | None = None) -> Reply:
    """The vendor's error body; `error` may be a word or an object."""
    return as_json({"error": name, **({"description": description} if description else {})}, status)


FORBIDDEN = {"title": "Forbidden", "message": "You do not have access to this page. Please contact the account owner."}


REFUSALS: dict[int, tuple[str | dict[str, str], str | None]] = {
    400: ("InvalidValue", "Invalid parameter"),
    401: ("Couldn't authenticate you", None),
    403: (FORBIDDEN, None),
    404: ("RecordNotFound", "Not found"),
    409: ("DatabaseConflict", "Database collision"),
    422: ("RecordInvalid", "Record validation errors"),
    429: ("APIRateLimitExceeded", "Number of allowed API requests per minute exceeded"),
    503: ("ServiceUnavailable", "Service is temporarily unavailable"),
}
DETAILS = {
    "email": [{"description": "Email: jo.doe@customer.example is already being used", "error": "DuplicateValue"}]
}


def refusal(status: int) -> Reply:
    """What the vendor sends with a status. 422 has details, which quote the record: personal data in an error."""
    reply = error(status, *REFUSALS.get(status, (f"Error{status}", None)))
    return as_json({**msgspec.json.decode(reply.body), "details": DETAILS}, 422) if status == 422 else reply


class ZendeskApi:
    """Answers requests under `/zendesk/api/v2`."""

    def __init__(self, world: World, credentials: Credentials) -> None:
        self.world = world
        self.credentials = credentials
        self.account = AccountLimit(60)
        self.exports = AccountLimit(60)

    def handle(self, request: Request, settings: Settings, now: float) -> Reply:
        """One reply, with the account's rate headers; `now` is a monotonic clock for the limits."""
        reply = self._limited(request, settings, now)
        limit, account = settings.zendesk_per_minute, self.account.by(settings.counting)
        left = str(account.remaining(limit, now))
        reply = reply.with_headers(("X-Rate-Limit", str(limit)), ("X-Rate-Limit-Remaining", left))
        if _path(request) in LISTS:  # lists of the ticketing API alone have these: "Best practices … rate limiting"
            rest = ("ratelimit-remaining", left), ("ratelimit-reset", str(account.wait(limit, now)))
            reply = reply.with_headers(("ratelimit-limit", str(limit)), *rest)
        return _reshaped(reply, settings.zendesk_errors)

    def _limited(self, request: Request, settings: Settings, now: float) -> Reply:
        if not self._may_enter(request):
            return error(401, "Couldn't authenticate you")
        limits = [(self.account.by(settings.counting), settings.zendesk_per_minute)]
        if request.path.startswith("/incremental/"):
            limits.append((self.exports.by(settings.counting), settings.zendesk_exports_per_minute))
        for limit, calls in limits:
            if not limit.take(calls, now):
                return _too_many(limit.wait(calls, now))
        if request.method != "GET":
            return error(405, "MethodNotAllowed", f"The sandbox is read only here: {request.method} is not supported.")
        try:
            return self._get(request, settings)
        except Refused as refused:
            return refused.reply

    def _may_enter(self, request: Request) -> bool:
        wanted = (f"{self.credentials.zendesk_email}/token", self.credentials.zendesk_token)
        return request.basic == wanted or request.bearer == self.credentials.zendesk_token

    def _get(self, request: Request, settings: Settings) -> Reply:
        path = _path(request)
        export = path.removeprefix("incremental/") if path.startswith("incremental/") else None
        stream = (export.removesuffix("/cursor") if export else LISTS.get(path, path)).partition("?")[0]
        if stream in settings.gated:
            return error(403, FORBIDDEN)
        if export and export.endswith("/cursor") and stream in CURSOR_EXPORTS:
            return self._cursor_export(request, settings, stream)
        if export and stream in TIME_EXPORTS and export == stream:
            if stream == "ticket_metric_events" and "page[size]" in request.query:
                return self._list(request, settings, stream)
            return self._time_export(request, settings, stream)
        if path in LISTS:
            return self._list(request, settings, stream)
        return error(404, "InvalidEndpoint", "Not found")

    def _table(self, stream: str) -> Table:
        return self.world.company.zendesk.tables[stream]

    def _bodies(self, request: Request, stream: str, rows: list[Row]) -> list[bytes]:
        """The records' bytes, with the sideloads that were asked for."""
        table, include = self._table(stream), (request.param("include") or "").split(",")
        if stream == "tickets" and "metric_sets" in include:
            return [ticket_body(table, row) for row in rows]
        if stream == "ticket_events" and "comment_events" not in include:
            events = (msgspec.json.decode(table.body(row)) for row in rows)
            return [msgspec.json.encode(without_comments(event)) for event in events]
        return [table.body(row) for row in rows]

    # --- exports ----------------------------------------------------------------------------------------------------

    def _start_time(self, request: Request, settings: Settings, now: int) -> int:
        text = request.param("start_time")
        if not text or not text.isdigit():
            raise Refused(error(400, "InvalidValue", "start_time is missing or not a Unix time"))
        if int(text) > now - MINUTE:
            description = "Too recent start_time. Use a start_time older than 60 seconds"
            raise Refused(error(settings.zendesk_too_recent, "StartTimeTooRecent", description))
        return int(text)

    def _cursor_export(self, request: Request, settings: Settings, stream: str) -> Reply:
        now = self.world.clock.now()
        size = request.number("per_page", settings.zendesk_export_page, settings.zendesk_export_page)
        given = request.param("cursor")
        after = _decode(given) if given else None
        since = None if given else (self._start_time(request, settings, now),)
        table = self._table(stream)
        hidden = request.param("exclude_deleted") == "true"
        rows, more = table.page(
            now - MINUTE, size, after=after, since=since, accept=_not_deleted(table) if hidden else None
        )
        cursor = _encode(rows[-1]) if rows else given or _encode_at(int(request.param("start_time") or 0))
        link = url(request.base, request.path, cursor=cursor, include=request.param("include"))
        rest = {
            "after_url": link,
            "after_cursor": cursor,
            "before_url": None,
            "before_cursor": None,
            "end_of_stream": not more,
        }
        return envelope(stream, self._bodies(request, stream, rows), rest)

    def _time_export(self, request: Request, settings: Settings, stream: str) -> Reply:
        now = self.world.clock.now()
        start = self._start_time(request, settings, now)
        size = request.number("per_page", settings.zendesk_export_page, settings.zendesk_export_page)
        rows, more = self._table(stream).page(now - MINUTE, size, since=(start,))
        end = rows[-1].order[0] if rows else start
        link = url(request.base, request.path, start_time=end, include=request.param("include"))
        rest = {"count": len(rows), "end_of_stream": not more, "end_time": end, "next_page": link}
        return envelope(stream, self._bodies(request, stream, rows), rest)

    # --- lists ------------------------------------------------------------------------------------------------------

    def _list(self, request: Request, settings: Settings, stream: str) -> Reply:
        now = self.world.clock.now()
        since, accept = None, None
        if stream == "ticket_metric_events":
            since, now = (self._start_time(request, settings, now),), now - MINUTE
        if stream == "satisfaction_ratings":
            accept = _rated_between(request, settings.zendesk_ratings_by)
        if stream == "groups" and request.param("exclude_deleted") != "false":
            accept = is_kept_group
        if stream == "organizations":  # deleted ones are in the incremental export alone
            accept = self._is_kept_organization
        if stream == "schedules":
            return envelope(stream, [self._table(stream).body(row) for row in self._table(stream).live(now)], {})
        if "page[size]" in request.query or "page[after]" in request.query:
            return self._cursor_list(request, settings, stream, now, since, accept)
        return self._numbered_list(request, settings, stream, now, since, accept)

    def _is_kept_organization(self, row: Row) -> bool:
        record: dict[str, Any] = msgspec.json.decode(self._table("organizations").body(row))
        return record["deleted_at"] is None

    def _cursor_list(
        self,
        request: Request,
        settings: Settings,
        stream: str,
        at: int,
        since: Position | None,
        accept: Accept | None,
    ) -> Reply:
        size = request.number("page[size]", settings.zendesk_list_page, settings.zendesk_list_page)
        given = request.param("page[after]")
        after = _decode_listed(given) if given else None
        rows, more = self._table(stream).page(at, size, after=after, since=since, accept=accept)
        first, last = (_encode_listed(rows[0]), _encode_listed(rows[-1])) if rows else (None, None)
        kept = {name: request.param(name) for name in ("start_time", "end_time", "include")}
        link = url(request.base, request.path, **{"page[after]": last, "page[size]": size}, **kept) if more else None
        rest: dict[str, Any] = {
            "meta": {"has_more": more, "after_cursor": last, "before_cursor": first},
            "links": {"next": link, "prev": None},
        }
        return envelope(stream, self._bodies(request, stream, rows), rest)

    def _numbered_list(
        self,
        request: Request,
        settings: Settings,
        stream: str,
        at: int,
        since: Position | None,
        accept: Accept | None,
    ) -> Reply:
        size = request.number("per_page", settings.zendesk_list_page, settings.zendesk_list_page)
        number = request.number("page", 1)
        if number > OFFSET_PAGES:
            return error(400, "InvalidPaginationDepth", "Pagination limit reached for offset model")
        table = self._table(stream)
        rows, _ = table.page(at, len(table.rows) + 1, since=since, accept=accept)
        shown = rows[size * (number - 1) : size * number]

        def link(page: int) -> str:
            return url(request.base, request.path, page=page, per_page=size)

        rest = {
            "count": len(rows),
            "next_page": link(number + 1) if size * number < len(rows) else None,
            "previous_page": link(number - 1) if number > 1 else None,
        }
        return envelope(stream, self._bodies(request, stream, shown), rest)


def _too_many(seconds: int) -> Reply:
    return refusal(429).with_headers(("Retry-After", str(seconds)))


def _not_deleted(table: Table) -> Accept:
    return lambda row: b'"status":"deleted"' not in table.body(row)


def _path(request: Request) -> str:
    """The endpoint without its leading slash; the suffix `.json` is optional."""
    return re.sub(r"\.json$", "", request.path.rstrip("/")).removeprefix("/")


def _reshaped(reply: Reply, shape: str) -> Reply:
    """A refusal in another of the vendor's shapes for errors."""
    if reply.status < 400 or shape == "word":
        return reply
    body = msgspec.json.decode(reply.body)
    if isinstance(body["error"], dict):
        return reply
    code, text = body["error"], body.get("description", body["error"])
    shaped: dict[str, Any] = {"error": {"title": code, "message": text}}
    if shape == "list":
        shaped = {"errors": [{"code": code, "title": text}]}
    return replace(reply, body=msgspec.json.encode(shaped))


def _encode(row: Row) -> str:
    """The vendor's cursors are `time||id|`, in base64."""
    return base64.b64encode(f"{row.order[0]}.0||{row.order[1]}|".encode()).decode()


def _encode_at(start: int) -> str:
    return base64.b64encode(f"{start}.0||0|".encode()).decode()


def _decode(cursor: str, begin: str = "", word: str = "InvalidCursor") -> Position:
    try:
        text = base64.b64decode(cursor, validate=True).decode()
        match = re.fullmatch(re.escape(begin) + r"(\d+)\.0\|\|(\d+)\|", text)
    except ValueError:
        match = None
    if match is None:
        raise Refused(error(400, word, "The cursor is not valid"))
    return int(match[1]), int(match[2]), FOREVER


def _encode_listed(row: Row) -> str:
    """Cursors of lists may have a `+` in them: a client that does not encode it sends a space (dust PR 8702)."""
    return base64.b64encode(f"xo>{row.order[0]}.0||{row.order[1]}|".encode()).decode()


def _decode_listed(cursor: str) -> Position:
    return _decode(cursor, "xo>", "InvalidPaginationParameter")


def _rated_between(request: Request, field: str) -> Accept:
    """A test of ratings for `start_time` and `end_time`, both included, in the time that the filter is about."""
    start, end = (request.param(name) or "" for name in ("start_time", "end_time"))
    first, last = int(start) if start.isdigit() else 0, int(end) if end.isdigit() else FOREVER

    def inside(row: Row) -> bool:
        return first <= (row.order[0] if field == "created_at" else row.since) <= last

    return inside
