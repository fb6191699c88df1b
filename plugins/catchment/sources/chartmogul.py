"""ChartMogul: customers, invoices, MRR movements and the Metrics API.

Why it is read this way: nothing but activities has a date filter, so lists are read whole and deletions (merged or
removed customers) show as absences. Activities and metrics are derived: ChartMogul recomputes them when invoices,
merges or settings change, ids included, and a merge or a deletion rewrites a customer's whole past. So both are read
from the start every time: metrics for one request each, activities for one per 200 movements, in slices side by side;
a backfill re-reads, and replaces, its own window of them. Lists end when
`has_more` is false; a cursor comes with the last page too. 429 has no Retry-After; more than 20 connections at a time
earn 503. Source: ChartMogul API reference, "Rate Limits", "Pagination", "Metrics".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catchment.http.auth import BasicKey
from catchment.http.client import HttpApi
from catchment.http.limits import RateLimit
from catchment.http.paginators import CursorPages
from catchment.reads.http_list import NONE, Dates, HttpList, Window
from catchment.spec import Parent, SourceSpec, Stream
from catchment.times import SECOND, days, hours

LIST = CursorPages()
DATES = Dates("start-date", "end-date")
DAILY = hours(26)


def _list(
    name: str,
    records: str = "entries",
    key: str = "uuid",
    *,
    path: str | None = None,
    params: Mapping[str, Any] = NONE,
    parent: Parent | None = None,
    personal: tuple[str, ...] = (),
    description: str,
) -> Stream:
    """A list that has no filter by date, read whole."""
    return Stream(
        name=name,
        key=(key,),
        read=HttpList(path=path or name, records=records, paginator=LIST, params=params, parent=parent),
        personal=personal,
        fresh_within=DAILY,
        description=description,
    )


def _metric(name: str, path: str, *, monthly: bool = True, description: str) -> Stream:
    """A figure per month, from the start of history to the batch's end; the last month is to date."""
    return Stream(
        name=name,
        key=("date",),
        read=HttpList(
            path=f"metrics/{path}", records="entries", params={"interval": "month"} if monthly else NONE, dates=DATES
        ),
        fresh_within=DAILY,
        description=description,
    )


CHARTMOGUL = SourceSpec(
    name="chartmogul",
    title="ChartMogul",
    api=HttpApi(
        base_url="https://api.chartmogul.com/v1", auth=BasicKey(), limits=(RateLimit(40, per=SECOND),), parallel=8
    ),
    version=2,
    streams=(
        Stream(
            name="data_sources",
            key=("uuid",),
            read=HttpList(path="data_sources", records="data_sources", params={"with_processing_status": "true"}),
            fresh_within=DAILY,
            description="Billing systems and import APIs that feed ChartMogul.",
        ),
        _list(
            "customers",
            personal=(
                "name",
                "email",
                "city",
                "state",
                "zip",
                "address.address_zip",
                "address.city",
                "address.state",
                "chartmogul-url",
                "attributes.clearbit",
            ),
            description="Customers; a merged one lives on under several external ids, a deleted one vanishes.",
        ),
        _list("plans", "plans", description="Plans and their billing interval."),
        _list("plan_groups", "plan_groups", description="Groups of plans."),
        _list(
            "plan_group_plans",
            "plans",
            path="plan_groups/{plan_group_uuid}/plans",
            parent=Parent("plan_groups", field="uuid", param="plan_group_uuid"),
            description="Which plans are in which group.",
        ),
        _list(
            "subscriptions",
            path="customers/{customer_uuid}/subscriptions",
            parent=Parent("customers", field="uuid", param="customer_uuid"),
            description="Subscriptions of each customer: one call per customer, for there is no list of all.",
        ),
        _list(
            "invoices",
            "invoices",
            params={"validation_type": "all", "with_disabled": "true"},
            personal=tuple(
                f"{place}{field}"
                for place in ("", "line_items.", "transactions.")
                for field in ("disabled_by", "edit_history_summary.latest_edit_author")
            ),
            description="Invoices with line items and transactions, the invalid and disabled ones too.",
        ),
        Stream(
            name="activities",
            key=("uuid",),
            read=HttpList(
                path="activities",
                records="entries",
                paginator=LIST,
                dates=DATES,
                window=Window("date", slice=days(60), margin=days(1)),
            ),
            personal=("customer-name",),
            fresh_within=DAILY,
            description="MRR movements: new business, expansion, contraction, churn, reactivation.",
        ),
        _list(
            "subscription_events", "subscription_events", key="id", description="Events that subscriptions are made of."
        ),
        _list(
            "contacts",
            personal=("first_name", "last_name", "email", "phone", "linked_in", "twitter", "notes", "custom"),
            description="People at customers.",
        ),
        _list("opportunities", personal=("owner",), description="Deals in the sales pipeline."),
        _list("customer_notes", personal=("author", "text"), description="Notes and call logs on customers."),
        _list("tasks", key="task_uuid", personal=("assignee", "task_details"), description="Tasks on customers."),
        Stream(
            name="account",
            key=("id",),
            read=HttpList(path="account", records=""),
            fresh_within=DAILY,
            description="The account's currency, time zone and first day of the week, which metrics depend on.",
        ),
        _metric("metrics_all", "all", description="All metrics per month."),
        _metric("metrics_mrr", "mrr", description="MRR per month with its movements."),
        _metric("metrics_arr", "arr", description="ARR per month."),
        _metric("metrics_arpa", "arpa", description="Average revenue per account, per month."),
        _metric("metrics_asp", "asp", description="Average sale price per month."),
        _metric("metrics_customer_count", "customer-count", description="Customers at each month's end."),
        _metric("metrics_customer_churn_rate", "customer-churn-rate", description="Customer churn, percent a month."),
        _metric("metrics_mrr_churn_rate", "mrr-churn-rate", description="Net MRR churn, percent a month."),
        _metric("metrics_ltv", "ltv", monthly=False, description="Customer lifetime value per month."),
    ),
)
