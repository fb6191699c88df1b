"""The whole project on a local warehouse: built from nothing, from one night, and from two."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from tests.dbt.history import first_night, month, second_night
from tests.dbt.project import Dbt
from tests.dbt.warehouse import Warehouse

pytestmark = pytest.mark.timeout(600)
WORKED = {"success", "pass", "no-op"}
MONTHLY = """SELECT MONTH, MRR_CENTS, NEW_BUSINESS_CENTS, EXPANSION_CENTS, CONTRACTION_CENTS, CHURN_CENTS, CUSTOMERS,
    IS_COMPLETE
    FROM ANALYTICS.MARTS.FCT_MRR_MONTHLY ORDER BY MONTH"""
JANUARY, FEBRUARY, MARCH = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)


def build(dbt: Dbt, *arguments: str) -> dict[str, str]:
    """Builds and tests everything; the unit tests' fixtures run once, in the first test."""
    return dbt.statuses("build", "--exclude-resource-type", "unit_test", *arguments)


def trouble(statuses: dict[str, str]) -> dict[str, str]:
    return {name: status for name, status in statuses.items() if status not in WORKED}


def test_nothing_loaded_yet_gives_empty_marts_and_no_error(warehouse: Warehouse, dbt: Dbt) -> None:
    warehouse.empty()
    statuses = dbt.statuses("build")
    assert trouble(statuses) == {}
    assert len(statuses) > 170
    assert warehouse.rows(MONTHLY) == []


def test_months_are_cut_in_the_accounts_time_zone_and_equal_the_metrics_api(warehouse: Warehouse, dbt: Dbt) -> None:
    warehouse.empty()
    warehouse.load(first_night())
    statuses = build(dbt)
    assert trouble(statuses) == {}
    assert statuses["mrr_equals_the_metrics_api"] == "pass"
    assert warehouse.rows(MONTHLY) == [
        (JANUARY, 1500, 1000, 500, 0, 0, 1, True),
        (FEBRUARY, 3700, 700, 1500, 0, 0, 2, True),
        (MARCH, 3500, 0, 0, -200, 0, 2, False),
    ]
    compared = "SELECT COUNT(*), COUNT_IF(IS_COMPARABLE) FROM ANALYTICS.MARTS.RPT_MRR_RECONCILIATION"
    assert warehouse.rows(compared) == [(3, 3)]
    invoices = "SELECT INVOICE_UUID, AMOUNT_CENTS, TAX_CENTS, PAID_CENTS, LINE_ITEMS FROM ANALYTICS.MARTS.FCT_INVOICES"
    assert warehouse.rows(invoices) == [("inv_1", 3571, 570, 3571, 2)]
    names = "SELECT CUSTOMER_UUID, CUSTOMER_NAME FROM ANALYTICS.MARTS.DIM_CUSTOMERS ORDER BY 1"
    assert warehouse.rows(names) == [("cus_ada", "Ada's"), ("cus_bo", "Bo Ltd."), ("cus_lead", None)]
    targets = "SELECT TEAM, TARGET, ACTUAL, ATTAINED_PERCENT FROM ANALYTICS.MARTS.RPT_TARGETS_VS_ACTUAL ORDER BY 1, 3"
    assert [tuple(None if v is None else str(v) for v in row) for row in warehouse.rows(targets)] == [
        ("all", None, "7.00", None),
        ("americas", "14.00", "7.00", "50.0"),
        ("apac", "5.00", "0.00", "0.0"),
        ("apac", "5.00", None, None),  # a month to come
        ("emea", "1400.00", "0.00", "0.0"),
    ]


def test_recomputed_history_merges_deletions_and_late_versions_are_applied(warehouse: Warehouse, dbt: Dbt) -> None:
    warehouse.empty()
    warehouse.load([*first_night(), *second_night()])
    assert trouble(build(dbt)) == {}
    assert warehouse.rows(MONTHLY) == [
        (JANUARY, 1500, 1000, 500, 0, 0, 1, True),
        (FEBRUARY, 3700, 0, 2200, 0, 0, 1, True),
        (MARCH, 3500, 0, 0, -200, 0, 1, False),
    ]
    tickets = """SELECT TICKET_ID, STATUS, ACCOUNT_ID, CUSTOMER_UUID, SEGMENT, CREATED_MONTH, FIRST_REPLY_MINUTES
        FROM ANALYTICS.MARTS.FCT_TICKETS ORDER BY TICKET_ID"""
    assert warehouse.rows(tickets) == [
        (1, "solved", "007", "cus_ada", "mid_market", FEBRUARY, 12),
        (4, "open", "007", "cus_ada", "mid_market", FEBRUARY, None),
    ]
    customers = "SELECT CUSTOMER_UUID, SEGMENT, OWNER, ACCOUNTS FROM ANALYTICS.MARTS.DIM_CUSTOMERS ORDER BY 1"
    assert warehouse.rows(customers) == [("cus_ada", "mid_market", "Çağla", 2), ("cus_lead", "small", None, 1)]
    assert warehouse.rows("SELECT COUNT(*) FROM ANALYTICS.MARTS.FCT_INVOICES") == [(0,)]


def test_a_cent_of_difference_from_the_metrics_api_fails(warehouse: Warehouse, dbt: Dbt) -> None:
    warehouse.empty()
    wrong = [month("2026-01-31", 1500, 1000, 500, 0, 0, 0), month("2026-02-28", 3701, 700, 1500, 0, 0, 0)]
    warehouse.load(replace(x, records=wrong) if x.stream == "chartmogul.metrics_mrr" else x for x in first_night())
    assert build(dbt, "--select", "+rpt_mrr_reconciliation")["mrr_equals_the_metrics_api"] == "fail"


def test_a_subscription_that_movements_do_not_know_is_told(warehouse: Warehouse, dbt: Dbt) -> None:
    warehouse.empty()
    loads = [x for x in first_night() if x.stream != "chartmogul.subscriptions"]
    warehouse.load(loads)
    statuses = build(dbt, "--select", "+fct_subscriptions", "+fct_mrr_movements")
    assert statuses["subscriptions_are_worth_what_movements_say"] == "warn"
