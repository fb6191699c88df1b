"""Zendesk Support's API, read side: incremental exports by cursor and by time, and lists.

Behaviour after the vendor's reference: exports leave out the last minute and refuse a `start_time` in it; cursor
exports go on exactly after the cursor; time exports have an inclusive bound, so that the rows of the border's second
come twice, and get stuck when a page's rows all share one second. Lists page by `page[size]` or, without it, by number.
"""

from __future__ import annotations

import base64
import re
from typing import Any

import msgspec

from local.company.moments import FOREVER, MINUTE
from local.company.table import Position, Row, Table
from local.company.truth import ticket_body
from local.company.zendesk import without_comments
from local.sandbox.http import Refused, Reply, Request, as_json, envelope, url
from local.sandbox.limits import RateLimit
from local.sandbox.settings import Credentials, Settings
from local.sandbox.world import World

CURSOR_EXPORTS = ("tickets", "users")
TIME_EXPORTS = ("tickets", "users", "organizations", "ticket_events", "ticket_metric_events")
LISTS = {
    "satisfaction_ratings": "satisfaction_ratings",
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


def error(status: int, name: str | dict[str, str], description: str | None = None) -> Reply:
    """The vendor's error body; `error` may be a word or an object."""
    return as_json({"error": name, **({"description": description} if description else {})}, status)


FORBIDDEN = {"title": "Forbidden", "message": "You do not have access to this page. Please contact the account owner."}


class ZendeskApi:
    """Answers requests under `/zendesk/api/v2`."""

    def __init__(self, world: World, credentials: Credentials) -> None:
        self.world = world
        self.credentials = credentials
        self.limit = RateLimit(60)
        self.exports = RateLimit(60)

    def handle(self, request: Request, settings: Settings, now: float) -> Reply:
        """One reply, with the account's rate headers; `now` is a monotonic clock for the limits."""
        reply = self._limited(request, settings, now)
        remaining = self.limit.remaining(settings.zendesk_per_minute, now)
        return reply.with_headers(
            ("X-Rate-Limit", str(settings.zendesk_per_minute)), ("X-Rate-Limit-Remaining", str(remaining))
        )

    def _limited(self, request: Request, settings: Settings, now: float) -> Reply:
        if not self._may_enter(request):
            return error(401, "Couldn't authenticate you")
        if not self.limit.take(settings.zendesk_per_minute, now):
            return _too_many(self.limit.wait(now))
        export = request.path.startswith("/incremental/")
        if export and not self.exports.take(settings.zendesk_exports_per_minute, now):
            return _too_many(self.exports.wait(now))
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
        path = re.sub(r"\.json$", "", request.path.rstrip("/")).removeprefix("/")
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

    def _start_time(self, request: Request, now: int) -> int:
        text = request.param("start_time")
        if not text or not text.isdigit():
            raise Refused(error(400, "InvalidValue", "start_time is missing or not a Unix time"))
        if int(text) > now - MINUTE:
            description = "Too recent start_time. Use a start_time older than 60 seconds"
            raise Refused(error(422, "StartTimeTooRecent", description))
        return int(text)

    def _cursor_export(self, request: Request, settings: Settings, stream: str) -> Reply:
        now = self.world.clock.now()
        size = request.number("per_page", settings.zendesk_export_page, settings.zendesk_export_page)
        given = request.param("cursor")
        after = _decode(given) if given else None
        since = None if given else (self._start_time(request, now),)
        hidden = request.param("exclude_deleted") == "true"
        rows, more = self._table(stream).page(
            now - MINUTE, size, after=after, since=since, accept=_not_deleted if hidden else None
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
        start = self._start_time(request, now)
        size = request.number("per_page", settings.zendesk_export_page, settings.zendesk_export_page)
        rows, more = self._table(stream).page(now - MINUTE, size, since=(start,))
        end = rows[-1].order[0] if rows else start
        link = url(request.base, request.path, start_time=end, include=request.param("include"))
        rest = {"count": len(rows), "end_of_stream": not more, "end_time": end, "next_page": link}
        return envelope(stream, self._bodies(request, stream, rows), rest)

    # --- lists ------------------------------------------------------------------------------------------------------

    def _list(self, request: Request, settings: Settings, stream: str) -> Reply:
        now = self.world.clock.now()
        since, before = None, None
        if stream == "ticket_metric_events":
            since, now = (self._start_time(request, now),), now - MINUTE
        if stream == "satisfaction_ratings":
            since = (int(start),) if (start := request.param("start_time")) and start.isdigit() else None
            before = (int(end) + 1,) if (end := request.param("end_time")) and end.isdigit() else None
        if stream == "schedules":
            return envelope(stream, [self._table(stream).body(row) for row in self._table(stream).live(now)], {})
        if "page[size]" in request.query or "page[after]" in request.query:
            return self._cursor_list(request, settings, stream, now, since, before)
        return self._numbered_list(request, settings, stream, now, since, before)

    def _cursor_list(
        self,
        request: Request,
        settings: Settings,
        stream: str,
        at: int,
        since: Position | None,
        before: Position | None,
    ) -> Reply:
        size = request.number("page[size]", settings.zendesk_list_page, settings.zendesk_list_page)
        given = request.param("page[after]")
        after = _decode(given) if given else None
        rows, more = self._table(stream).page(at, size, after=after, since=since, before=before)
        first, last = (_encode(rows[0]), _encode(rows[-1])) if rows else (None, None)
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
        before: Position | None,
    ) -> Reply:
        size = request.number("per_page", settings.zendesk_list_page, settings.zendesk_list_page)
        number = request.number("page", 1)
        if number > OFFSET_PAGES:
            return error(400, "InvalidPaginationDepth", "Pagination limit reached for offset model")
        table = self._table(stream)
        rows, _ = table.page(at, len(table.rows) + 1, since=since, before=before)
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
    description = "Number of allowed API requests per minute exceeded"
    return error(429, "APIRateLimitExceeded", description).with_headers(("Retry-After", str(seconds)))


def _not_deleted(row: Row) -> bool:
    ticket, at = row.data
    return bool(at < ticket.deleted)


def _encode(row: Row) -> str:
    """The vendor's cursors are `time||id|`, in base64."""
    return base64.b64encode(f"{row.order[0]}.0||{row.order[1]}|".encode()).decode()


def _encode_at(start: int) -> str:
    return base64.b64encode(f"{start}.0||0|".encode()).decode()


def _decode(cursor: str) -> Position:
    try:
        text = base64.b64decode(cursor.replace(" ", "+"), validate=True).decode()
        match = re.fullmatch(r"(\d+)\.0\|\|(\d+)\|", text)
    except ValueError:
        match = None
    if match is None:
        raise Refused(error(400, "InvalidCursor", "The cursor is not valid"))
    return int(match[1]), int(match[2]), FOREVER
