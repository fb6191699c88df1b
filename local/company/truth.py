"""What a perfect extraction holds as current: for each stream and moment, every key with its record.

The records are bytes, as the vendor sends them with no faults: no rounding of integers, no reordering. Zendesk's
incremental exports leave out the last minute, so their truth is that of a minute ago. Deletions that a stream tells
(a ticket's `status`, a user's `active`, an organization's `deleted_at`) are records like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec

from local.company import metrics
from local.company.company import Company
from local.company.moments import MINUTE, local_date
from local.company.sheets import PRODUCT, SALES, Grid
from local.company.table import Row, Table
from local.company.zendesk import metric_set

Key = tuple[Any, ...]
Truth = dict[Key, bytes]
HISTORY_START = date(2020, 1, 1)

METRICS = {
    "metrics_all": None,
    "metrics_mrr": "mrr",
    "metrics_arr": "arr",
    "metrics_arpa": "arpa",
    "metrics_asp": "asp",
    "metrics_customer_count": "customers",
    "metrics_customer_churn_rate": "customer-churn-rate",
    "metrics_mrr_churn_rate": "mrr-churn-rate",
    "metrics_ltv": "ltv",
}
EXPORTS = ("tickets", "users", "organizations", "ticket_events", "ticket_metric_events")
TABS = {
    "team_targets": (SALES, "Targets"),
    "account_owners": (SALES, "Owners"),
    "feature_flags_by_segment": (PRODUCT, "Features"),
}
CHARTMOGUL = (
    "data_sources", "customers", "plans", "plan_groups", "plan_group_plans", "subscriptions", "invoices", "activities",
    "subscription_events", "contacts", "opportunities", "customer_notes", "tasks", "account", *METRICS,
)  # fmt: skip
ZENDESK = (
    *EXPORTS, "satisfaction_ratings", "groups", "group_memberships", "organization_memberships", "ticket_fields",
    "ticket_forms", "brands", "tags", "macros", "sla_policies", "schedules", "deleted_tickets", "deleted_users",
)  # fmt: skip
STREAMS = {"chartmogul": CHARTMOGUL, "zendesk": ZENDESK, "google_sheets": tuple(TABS)}


def truth(company: Company, source: str, stream: str, at: int, **options: Any) -> Truth:
    """Every current record of a stream by its key.

    The key is the vendor's; that of a child stream begins with its parent's, a sheet's is the row number. Options:
    `everything=False` leaves out the invoices that the vendor's default filter hides; `start` and `end` are the first
    and last day of the metrics (2020-01-01 and today).
    """
    if stream not in STREAMS.get(source, ()):
        raise KeyError(f"The company has no stream {source}.{stream}.")
    if source == "google_sheets":
        spreadsheet, tab = TABS[stream]
        return dict(sheet_rows(tab_cells(company, spreadsheet, tab, at)))
    if stream in METRICS:
        days = options.get("start", HISTORY_START), options.get("end", local_date(at))
        return dict(_metrics(company, stream, at, *days))
    if source == "zendesk":
        return dict(_zendesk(company, stream, at))
    table = company.chartmogul.tables[stream]
    rows = table.live(at)
    if stream == "invoices" and not options.get("everything", True):
        rows = (r for r in rows if is_valid(r) and is_enabled(r))
    return {row.key: table.body(row) for row in rows}


def is_valid(row: Row) -> bool:
    """Whether the default list of invoices shows this one: `validation_type` is valid unless asked otherwise."""
    return not row.data[0].invalid


def is_enabled(row: Row) -> bool:
    """Whether the default list of invoices shows this one: disabled ones come `with_disabled` only."""
    return bool(row.data[1] < row.data[0].disabled)


def is_kept_group(row: Row) -> bool:
    """Whether the default list of groups shows this one: deleted ones come with `exclude_deleted=false` only.

    So found by people whose groups went missing (estuary/connectors PR 2007).
    """
    return not row.data["deleted"]


def ticket_body(table: Table, row: Row) -> bytes:
    """A ticket with its metric set beside its own fields, as the export sends it when asked for `metric_sets`."""
    return table.body(row)[:-1] + b',"metric_set":' + msgspec.json.encode(metric_set(row)) + b"}"


def tab_cells(company: Company, spreadsheet: str, tab: str, at: int) -> Grid:
    """A tab's cells as the company's teams keep them."""
    return next(t.cells(at) for t in company.spreadsheets[spreadsheet].tabs if t.title == tab)


def sheet_rows(grid: Grid) -> Iterator[tuple[Key, bytes]]:
    """Each row under the header that isn't empty, as texts by column."""
    header = grid[0] if grid else []
    for number, row in enumerate(grid[1:], 2):
        if any(cell for cell in row):
            padded = [*map(str, row), *[""] * (len(header) - len(row))]
            yield (number,), msgspec.json.encode(dict(zip(header, padded, strict=False)))


def _zendesk(company: Company, stream: str, at: int) -> Iterator[tuple[Key, bytes]]:
    table = company.zendesk.tables[stream]
    moment = at - MINUTE if stream in EXPORTS else at
    for row in table.live(moment):
        if stream == "groups" and not is_kept_group(row):
            continue
        yield row.key, ticket_body(table, row) if stream == "tickets" else table.body(row)


def _metrics(company: Company, stream: str, at: int, start: date, end: date) -> Iterator[tuple[Key, bytes]]:
    metric = METRICS[stream]
    found = metrics.points(company.chartmogul.tables["activities"], at, start, end, "month")
    entries = metrics.entries(found, metric) if metric else metrics.all_entries(found)
    for entry in entries:
        yield (entry["date"],), msgspec.json.encode(entry)
