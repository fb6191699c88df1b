"""A small company over two nights, written by hand, with the figures that a person would work out from it.

The account counts in Berlin. Ada's company upgrades a second before midnight there and again at midnight; Bo's company
is sold to Ada's in the second night, so that ChartMogul recomputes the past: its movements become Ada's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.dbt.warehouse import Load

FIRST = datetime(2026, 3, 10, 2, tzinfo=UTC)
SECOND = datetime(2026, 3, 11, 2, tzinfo=UTC)
BEGINNING = datetime(2025, 12, 1, tzinfo=UTC)

Record = dict[str, Any]


def activity(uuid: str, customer: str, kind: str, date: str, cents: int) -> Record:
    return {
        "uuid": uuid,
        "customer-uuid": customer,
        "type": kind,
        "date": date,
        "activity-mrr-movement": cents,
        "currency": "EUR",
    }


def customer(
    uuid: str, ids: list[str], cents: int, status: str = "Active", country: str = "DE", company: str = ""
) -> Record:
    return {
        "uuid": uuid,
        "external_id": ids[0],
        "external_ids": ids,
        "name": "5f0e",  # a hash
        "company": company,
        "status": status,
        "country": country,
        "mrr": float(cents),
        "customer-since": "2026-01-10T11:00:00+01:00",
        "lead_created_at": None,
        "attributes": {"tags": [], "custom": {}},
    }


def subscription(uuid: str, cents: int, status: str = "active") -> Record:
    return {"uuid": uuid, "plan": "Gold", "mrr": cents, "status": status, "quantity": 1, "billing-cycle": "month"}


def month(date: str, mrr: int, *parts: int) -> Record:
    """A month of the Metrics API: new business, expansion, contraction, churn, reactivation."""
    names = ("mrr-new-business", "mrr-expansion", "mrr-contraction", "mrr-churn", "mrr-reactivation")
    return {"date": date, "mrr": mrr, **dict(zip(names, parts, strict=True))}


def count(date: str, customers: int) -> Record:
    return {"date": date, "customers": customers}


def ticket(number: int, status: str, version: int, organization: int | None = 70, **more: Any) -> Record:
    record = {
        "id": number,
        "status": status,
        "generated_timestamp": version,
        "organization_id": organization,
        "created_at": "2026-01-31T23:30:00Z",
        "updated_at": "2026-02-02T10:00:00Z",
        "satisfaction_rating": None,
        "subject": None,
    }
    return record | more


def minutes(calendar: int | None) -> Record:
    return {"calendar": calendar, "business": None}


def first_night() -> list[Load]:
    """What the first run loaded, up to two o'clock UTC of March the tenth."""

    def load(stream: str, *records: Record, **more: Any) -> Load:
        return Load(stream=stream, name="first", at=FIRST, records=records, **more)

    return [
        load("chartmogul.account", {"id": "acct_1", "currency": "EUR", "time_zone": "Europe/Berlin"}),
        load(
            "chartmogul.customers",
            customer("cus_ada", ["007"], 3000),
            customer("cus_bo", ["008"], 500, country="US", company="Bo Ltd."),
            customer("cus_lead", ["009"], 0, "New_Lead"),
        ),
        load(
            "chartmogul.activities",
            activity("a1", "cus_ada", "new_biz", "2026-01-10T10:00:00+00:00", 1000),
            activity("a2", "cus_ada", "expansion", "2026-01-31T22:59:59+00:00", 500),  # still January in Berlin
            activity("a3", "cus_ada", "expansion", "2026-01-31T23:00:00+00:00", 1500),  # February
            activity("b1", "cus_bo", "new_biz", "2026-02-05T10:00:00+00:00", 700),
            activity("b2", "cus_bo", "contraction", "2026-03-09T10:00:00+00:00", -200),
            window=(BEGINNING, FIRST),
        ),
        load(
            "chartmogul.metrics_mrr",
            month("2025-12-31", 0, 0, 0, 0, 0, 0),
            month("2026-01-31", 1500, 1000, 500, 0, 0, 0),
            month("2026-02-28", 3700, 700, 1500, 0, 0, 0),
            month("2026-03-09", 3500, 0, 0, -200, 0, 0),
        ),
        load(
            "chartmogul.metrics_customer_count",
            count("2025-12-31", 0),
            count("2026-01-31", 1),
            count("2026-02-28", 2),
            count("2026-03-09", 2),
        ),
        load(
            "chartmogul.subscriptions",
            subscription("sub_a", 3000),
            subscription("sub_b", 500),
            subscription("sub_old", 900, "cancelled"),
            parents=[{"customer_uuid": "cus_ada"}, {"customer_uuid": "cus_bo"}, {"customer_uuid": "cus_bo"}],
        ),
        load(
            "chartmogul.invoices",
            {
                "uuid": "inv_1",
                "customer_uuid": "cus_ada",
                "date": "2026-02-01T00:00:00.000Z",
                "currency": "EUR",
                "status": "paid",
                "errors": {},
                "disabled": False,
                "line_items": [
                    {"uuid": "li_1", "type": "subscription", "amount_in_cents": 3570, "tax_amount_in_cents": 570},
                    {"uuid": "li_2", "type": "one_time", "amount_in_cents": 1, "account_code": "007"},
                ],
                "transactions": [
                    {"type": "payment", "result": "failed", "date": "2026-02-02T00:00:00Z", "amount_in_cents": 3571},
                    {
                        "type": "payment",
                        "result": "successful",
                        "date": "2026-02-03T00:00:00Z",
                        "amount_in_cents": 3571,
                    },
                ],
            },
            {"uuid": "inv_off", "customer_uuid": "cus_ada", "date": "2026-02-01T00:00:00.000Z", "disabled": True},
            {
                "uuid": "inv_bad",
                "customer_uuid": "cus_ada",
                "date": "2026-02-01T00:00:00.000Z",
                "disabled": False,
                "errors": {"line_items": ["overlap"]},
            },
        ),
        load(
            "zendesk.organizations",
            {"id": 70, "external_id": "007", "name": "Ada's", "updated_at": "2026-01-01T00:00:00Z", "deleted_at": None},
            {"id": 80, "external_id": "008", "name": "Bo's", "updated_at": "2026-01-01T00:00:00Z", "deleted_at": None},
            {"id": 70, "external_id": "007", "name": "Ada's", "updated_at": "2026-01-01T00:00:00Z", "deleted_at": None},
        ),
        load(
            "zendesk.tickets",
            ticket(1, "open", 100),
            ticket(2, "open", 100, 80),
            ticket(3, "new", 100, None),
            ticket(4, "open", 100),
        ),
        load(
            "google_sheets.account_owners",
            {"account_code": "007", "account_id": "007", "owner": "Çağla", "segment_override": "Mid-Market"},
        ),
        load(
            "google_sheets.team_targets",
            {"month": "2026-02", "team": "EMEA", "metric": "new_mrr", "target": "1,400.00", "owner": "Çağla"},
            {"month": "2026-02", "team": "Americas", "metric": "new_mrr", "target": "€ 14", "owner": "Bo"},
            {"month": "2026-02", "team": "APAC", "metric": "new_mrr", "target": "5", "owner": ""},
            {"month": "2027-02", "team": "APAC", "metric": "new_mrr", "target": "5", "owner": ""},
            {"month": "2026-02", "team": "All", "metric": "new_mrr", "target": "", "owner": ""},
        ),
        load(
            "google_sheets.feature_flags_by_segment", {"feature": "SSO", "segment": "mid-market", "since": "14.05.2024"}
        ),
    ]


def second_night() -> list[Load]:
    """What changed: Bo's company was merged into Ada's, tickets were solved, deleted and came late."""

    def load(stream: str, *records: Record, **more: Any) -> Load:
        return Load(stream=stream, name="second", at=SECOND, records=records, **more)

    return [
        load("chartmogul.account", {"id": "acct_1", "currency": "EUR", "time_zone": "Europe/Berlin"}),
        load(
            "chartmogul.customers",
            customer("cus_ada", ["007", "008"], 3500),
            customer("cus_lead", ["009"], 0, "New_Lead"),
        ),
        load(  # read again from the first of February: the past before it stays as the first night read it
            "chartmogul.activities",
            activity("c1", "cus_ada", "expansion", "2026-01-31T23:00:00+00:00", 1500),
            activity("c2", "cus_ada", "expansion", "2026-02-05T10:00:00+00:00", 700),
            activity("c3", "cus_ada", "contraction", "2026-03-09T10:00:00+00:00", -200),
            window=(datetime(2026, 1, 31, 23, tzinfo=UTC), SECOND),
        ),
        load(
            "chartmogul.metrics_mrr",
            month("2026-01-31", 1500, 1000, 500, 0, 0, 0),
            month("2026-02-28", 3700, 0, 2200, 0, 0, 0),
            month("2026-03-10", 3500, 0, 0, -200, 0, 0),
        ),
        load(
            "chartmogul.metrics_customer_count", count("2026-01-31", 1), count("2026-02-28", 1), count("2026-03-10", 1)
        ),
        load(
            "chartmogul.subscriptions",
            subscription("sub_a", 3000),
            subscription("sub_b", 500),
            parents=[{"customer_uuid": "cus_ada"}, {"customer_uuid": "cus_ada"}],
        ),
        load("chartmogul.invoices"),
        load(
            "zendesk.tickets",
            ticket(1, "solved", 200, metric_set={"reply_time_in_minutes": minutes(12), "replies": 1}),
            ticket(2, "deleted", 200, 80),
            ticket(4, "hold", 99),  # an older version that comes late
        ),
        load("zendesk.deleted_tickets", {"id": 3, "deleted_at": "2026-03-10T12:00:00Z"}),
    ]
