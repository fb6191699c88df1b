"""ChartMogul's API, read side: Basic key, cursor pages, activities, metrics.

Behaviour after the vendor's reference and its official clients: `per_page` at most 200 (more is 200), the end of a list
is `has_more: false`, 40 requests a second and then 429 without Retry-After, 503 beyond 20 at once. Bounds of activities
are inclusive; one without an offset is in the account's time zone, or in UTC: see `Settings.chartmogul_dates`.
`/metrics/*` answers for every interval asked for, zeros included, up to the current one.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

import msgspec

from local.company import metrics
from local.company.book import PLANS
from local.company.moments import FOREVER, ZONE
from local.company.table import Position, Row, Table
from local.company.truth import is_enabled, is_valid
from local.sandbox.http import Refused, Reply, Request, as_json, envelope
from local.sandbox.limits import AccountLimit
from local.sandbox.settings import Credentials, Settings
from local.sandbox.world import World

LISTS = {
    "customers": "entries",
    "plans": "plans",
    "plan_groups": "plan_groups",
    "invoices": "invoices",
    "activities": "entries",
    "subscription_events": "subscription_events",
    "contacts": "entries",
    "opportunities": "entries",
    "customer_notes": "entries",
    "tasks": "entries",
}
METRICS = {
    "mrr": "mrr",
    "arr": "arr",
    "arpa": "arpa",
    "asp": "asp",
    "customer-count": "customers",
    "customer-churn-rate": "customer-churn-rate",
    "mrr-churn-rate": "mrr-churn-rate",
    "ltv": "ltv",
}
FILTERS = (
    "data_source_uuid", "external_id", "status", "system", "customer_uuid", "email", "type", "event_type", "assignee",
    "customer_external_id", "owner", "pipeline",
)  # fmt: skip
INTERVALS = ("day", "week", "month", "quarter", "year")
OF_CUSTOMER = re.compile(r"(?:/import)?/customers/([^/]+)/(subscriptions|activities|contacts|invoices)")
Accept = Callable[[Row], bool]


def error(status: int, message: str, param: str | None = None) -> Reply:
    """The vendor's error body: code, message and, where one is at fault, the parameter."""
    return as_json({"code": status, "message": message, **({"param": param} if param else {})}, status)


class ChartMogulApi:
    """Answers requests under `/chartmogul/v1`."""

    def __init__(self, world: World, credentials: Credentials) -> None:
        self.world = world
        self.credentials = credentials
        self.limit = AccountLimit(1)

    def handle(self, request: Request, settings: Settings, now: float, parallel: int) -> Reply:
        """One reply; `now` is a monotonic clock for the limits, `parallel` the number of requests being answered."""
        if parallel > settings.chartmogul_parallel:
            return error(503, "Too many parallel connections.")
        if not self.limit.by(settings.counting).take(settings.chartmogul_per_second, now):
            return error(429, "Your request rate has exceeded our rate limit.")
        if request.basic is None or request.basic[0] != self.credentials.chartmogul_key:
            return error(401, "No valid API key provided.")
        if request.method != "GET":
            return error(405, f"The sandbox is read only here: {request.method} is not supported.")
        try:
            return self._get(request, settings)
        except Refused as refused:
            return refused.reply

    def _get(self, request: Request, settings: Settings) -> Reply:
        at = self.world.clock.now()
        path = request.path.rstrip("/")
        name = path[1:]
        if name.partition("/")[0] in settings.gated or name.replace("/", "_").replace("-", "_") in settings.gated:
            return error(403, "This feature is not part of your plan.")
        if name == "ping":
            return as_json({"data": "pong!"})
        if name in ("account", "data_sources"):
            return self._whole(request, name, at)
        if name.startswith("metrics/"):
            return self._metrics(request, name.removeprefix("metrics/"), at)
        if name == "customers/search":
            return self._list(request, settings, "customers", at)
        if name in LISTS:
            return self._list(request, settings, name, at)
        if match := OF_CUSTOMER.fullmatch(path):
            return self._of_customer(request, settings, match[1], match[2], at)
        if name.startswith("plan_groups/") and name.endswith("/plans"):
            group = name.split("/")[1]
            self._known("plan_groups", group, at)
            return self._page(request, settings, self._tables["plan_group_plans"].of(group), "plans", at)
        kind, _, uuid = name.partition("/")
        if kind in LISTS and uuid:
            return Reply(200, self._tables[kind].body(self._known(kind, uuid, at)))
        return error(404, "Not found.")

    @property
    def _tables(self) -> dict[str, Table]:
        return self.world.company.chartmogul.tables

    def _known(self, kind: str, uuid: str, at: int) -> Row:
        row = self._tables[kind].find(uuid, at)
        if row is None:
            raise Refused(error(404, f"{kind[:-1].replace('_', ' ').capitalize()} not found."))
        return row

    def _whole(self, request: Request, name: str, at: int) -> Reply:
        table = self._tables[name]
        bodies = [table.body(row) for row in table.live(at)]
        if name == "account":
            return Reply(200, bodies[0])
        if request.param("with_processing_status") != "true":
            records = [msgspec.json.decode(body) for body in bodies]
            bodies = [msgspec.json.encode({k: v for k, v in r.items() if k != "processing_status"}) for r in records]
        return envelope("data_sources", bodies, {})

    # --- lists ------------------------------------------------------------------------------------------------------

    def _list(self, request: Request, settings: Settings, name: str, at: int) -> Reply:
        table = self._tables[name]
        accept = _matches(table, {f: v for f in FILTERS if (v := request.param(f))})
        if name == "invoices":
            accept = _invoice_filter(request, accept)
        if name == "activities":
            return self._activities(request, settings, accept, at)
        return self._page(request, settings, table, LISTS[name], at, accept=accept, paged=name == "customers")

    def _of_customer(self, request: Request, settings: Settings, uuid: str, kind: str, at: int) -> Reply:
        self._known("customers", uuid, at)
        table = self._tables[kind]
        if kind == "subscriptions" and request.path.startswith("/import"):
            return self._page(request, settings, table.of(uuid), "subscriptions", at, reshape=_imported)
        if kind == "subscriptions":
            return self._page(request, settings, table.of(uuid), "entries", at)
        if kind == "activities":
            accept = _matches(table, {"customer-uuid": uuid})
            return self._page(request, settings, table, "entries", at, accept=accept, reshape=_of_one_customer)
        accept = _matches(table, {"customer_uuid": uuid})
        if kind == "invoices":
            accept = _invoice_filter(request, accept)
        return self._page(request, settings, table, LISTS[kind], at, accept=accept)

    def _activities(self, request: Request, settings: Settings, accept: Accept | None, at: int) -> Reply:
        start, end = request.param("start-date"), request.param("end-date")
        if end and not start:
            raise Refused(error(400, 'Parameter "start-date" is missing', "start-date"))
        zone = ZONE if settings.chartmogul_dates == "account" else UTC
        since = (_moment(start, "start-date", zone),) if start else None
        before = (_moment(end, "end-date", zone, last=True) + 1,) if end else None
        backwards = request.param("order") == "-date"
        return self._page(
            request, settings, self._tables["activities"], "entries", at,
            accept=accept, since=since, before=before, backwards=backwards, extra=True,
        )  # fmt: skip

    def _page(
        self,
        request: Request,
        settings: Settings,
        table: Table,
        records: str,
        at: int,
        *,
        accept: Accept | None = None,
        since: Position | None = None,
        before: Position | None = None,
        backwards: bool = False,
        paged: bool = False,
        extra: bool = False,
        reshape: Callable[[bytes], bytes] | None = None,
    ) -> Reply:
        size = request.number("per_page", settings.chartmogul_page, settings.chartmogul_page)
        after = _position(request.param("cursor"), backwards)
        number = request.number("page", 1)
        if paged and after is None and number > 1:
            skipped, _ = table.page(at, size * (number - 1), accept=accept)
            after = (*skipped[-1].order[:2], FOREVER) if skipped else None
        rows, more = table.page(at, size, after=after, since=since, before=before, accept=accept, backwards=backwards)
        rest: dict[str, Any] = {"cursor": _cursor(rows[-1]) if rows else request.param("cursor"), "has_more": more}
        if paged:
            total = sum(1 for row in table.live(at) if accept is None or accept(row))
            rest |= {"per_page": size, "page": number, "current_page": number, "total_pages": -(-total // size)}
        if extra:
            rest["per_page"] = size
        bodies = [table.body(row) for row in rows]
        return envelope(records, [reshape(body) for body in bodies] if reshape else bodies, rest)

    # --- metrics ----------------------------------------------------------------------------------------------------

    def _metrics(self, request: Request, name: str, at: int) -> Reply:
        if name != "all" and name not in METRICS:
            return error(404, "Not found.")
        start, end = _day(request, "start-date"), _day(request, "end-date")
        interval = request.param("interval") or "month"
        if interval not in INTERVALS:
            return error(400, 'Parameter "interval" is invalid', "interval")
        if request.param("filters"):
            return error(422, "The sandbox does not know the filter language: use geo or plans.", "filters")
        activities = self._tables["activities"]
        found = metrics.points(activities, at, start, end, interval, self._metric_filter(request))
        metric = METRICS.get(name)
        entries = metrics.entries(found, metric) if metric else metrics.all_entries(found)
        return as_json({"entries": entries, "summary": metrics.summary(found, metric)}, records="entries")

    def _metric_filter(self, request: Request) -> Accept | None:
        places = set((request.param("geo") or "").split(",")) - {""}
        named = set((request.param("plans") or "").split(",")) - {""}
        plans = {n for n, plan in enumerate(PLANS) if {plan.name, plan.external_id} & named}
        if not places and not named:
            return None
        return lambda row: (not places or row.data[0].place[2] in places) and (not named or row.data[1].plan in plans)


def _matches(table: Table, wanted: dict[str, str]) -> Accept | None:
    """A test of rows for fields with these values."""
    if not wanted:
        return None

    def accept(row: Row) -> bool:
        record = msgspec.json.decode(table.body(row))
        return all(str(record.get(field)) == value for field, value in wanted.items())

    return accept


def _invoice_filter(request: Request, accept: Accept | None) -> Accept:
    """Only valid and enabled invoices, unless `validation_type` and `with_disabled` ask for others."""
    wanted = request.param("validation_type") or "valid"
    disabled = request.param("with_disabled") == "true"

    def kept(row: Row) -> bool:
        valid = wanted == "all" or is_valid(row) == (wanted == "valid")
        return valid and (disabled or is_enabled(row)) and (accept is None or accept(row))

    return kept


def _imported(body: bytes) -> bytes:
    """A subscription as the deprecated import endpoint shows it."""
    record = msgspec.json.decode(body)
    kept = ("uuid", "external_id", "subscription_set_external_id", "plan_uuid", "data_source_uuid")
    ended = record["end-date"]
    return msgspec.json.encode({**{k: record[k] for k in kept}, "cancellation_dates": [ended] if ended else []})


def _of_one_customer(body: bytes) -> bytes:
    """An activity as a customer's own list shows it: with a number for an id and without a UUID."""
    record = msgspec.json.decode(body)
    number = int(record.pop("uuid")[:8], 16)
    return msgspec.json.encode({"id": number, **record, "currency-sign": "€"})


def _cursor(row: Row) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(row.order[:2])).decode().rstrip("=")


def _position(cursor: str | None, backwards: bool) -> Position | None:
    """The place after which a cursor goes on: after all versions of its row, or before them when read backwards."""
    if cursor is None:
        return None
    try:
        order = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=list[int | str])
    except (ValueError, msgspec.DecodeError) as reason:
        raise Refused(error(400, 'Parameter "cursor" is invalid', "cursor")) from reason
    return tuple(order) if backwards else (*order, FOREVER)


def _moment(text: str, param: str, zone: tzinfo, last: bool = False) -> int:
    """A bound as a moment: a day means its first (or last) second, no offset means this zone."""
    try:
        if len(text) == 10:
            day = date.fromisoformat(text) + timedelta(days=last)
            return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) - last
        moment = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text))
    except ValueError as reason:
        raise Refused(error(400, f'Parameter "{param}" is invalid', param)) from reason
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    return int(seconds) if last else -int(-seconds // 1)


def _day(request: Request, param: str) -> date:
    text = request.param(param)
    if not text:
        raise Refused(error(400, f'Parameter "{param}" is missing', param))
    try:
        return date.fromisoformat(text[:10])
    except ValueError as reason:
        raise Refused(error(400, f'Parameter "{param}" is invalid', param)) from reason
