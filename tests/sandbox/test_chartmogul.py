"""The sandbox's ChartMogul, read by the vendor's own client and by hand."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import chartmogul
import msgspec
import pytest
import requests

from local.company.truth import truth
from tests.sandbox.server import KEY, NOW, Server

LISTS = {
    "customers": chartmogul.Customer,
    "plans": chartmogul.Plan,
    "plan_groups": chartmogul.PlanGroup,
    "invoices": chartmogul.Invoice,
    "activities": chartmogul.Activity,
    "subscription_events": chartmogul.SubscriptionEvent,
    "contacts": chartmogul.Contact,
    "opportunities": chartmogul.Opportunity,
    "customer_notes": chartmogul.CustomerNote,
    "tasks": chartmogul.Task,
}


def config(server: Server) -> chartmogul.Config:
    """The client's configuration with nothing changed but the base URL."""

    class Local(chartmogul.Config):
        uri = f"{server.url}/chartmogul/v1"

    return Local(KEY)


def read_all(resource: Any, server: Server, **params: Any) -> Iterator[Any]:
    """Every record of a list, as the client's documentation pages through it."""
    cursor: dict[str, str] = {}
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            page = resource.all(config(server), **params, **cursor).get()
        yield from getattr(page, resource._root_key)
        if not page.has_more:
            return
        cursor = {"cursor": page.cursor}


def expected(server: Server, stream: str, **options: Any) -> list[dict[str, Any]]:
    return [msgspec.json.decode(body) for body in truth(server.company, "chartmogul", stream, NOW, **options).values()]


@pytest.mark.parametrize("stream", LISTS)
def test_the_vendor_s_client_reads_every_list_to_its_end(server: Server, stream: str) -> None:
    key = {"tasks": "task_uuid", "subscription_events": "id"}.get(stream, "uuid")
    found = [getattr(record, key) for record in read_all(LISTS[stream], server)]
    assert found == [record[key] for record in expected(server, stream, everything=False)]


def test_the_vendor_s_client_reads_what_the_records_say(server: Server) -> None:
    found = next(read_all(chartmogul.Customer, server))
    record = expected(server, "customers")[0]
    assert (found.name, found.mrr, found.external_ids) == (record["name"], record["mrr"], record["external_ids"])
    assert found.customer_since == datetime.fromisoformat(record["customer-since"])


def test_the_vendor_s_client_reads_subscriptions_of_each_customer(server: Server) -> None:
    found = []
    for customer in expected(server, "customers"):
        found += [
            s.uuid for s in chartmogul.Customer.subscriptions(config(server), uuid=customer["uuid"]).get().entries
        ]
    assert sorted(found) == sorted(s["uuid"] for s in expected(server, "subscriptions"))


def test_a_customer_s_own_lists_have_their_own_shapes(server: Server) -> None:
    customer = next(c for c in expected(server, "customers") if c["status"] == "Cancelled")
    mine = [a for a in expected(server, "activities") if a["customer-uuid"] == customer["uuid"]]
    activities = server.chartmogul(f"/customers/{customer['uuid']}/activities").json()["entries"]
    assert [a["date"] for a in activities] == [a["date"] for a in mine]
    assert all(isinstance(a["id"], int) and "uuid" not in a for a in activities)
    imported = server.chartmogul(f"/import/customers/{customer['uuid']}/subscriptions").json()["subscriptions"]
    assert all(s["cancellation_dates"] for s in imported)
    invoices = server.chartmogul(f"/import/customers/{customer['uuid']}/invoices").json()["invoices"]
    assert {i["customer_uuid"] for i in invoices} == {customer["uuid"]}


def test_the_vendor_s_client_reads_the_plans_of_each_group(server: Server) -> None:
    groups = [g.uuid for g in read_all(chartmogul.PlanGroup, server)]
    found = {(g, p.uuid) for g in groups for p in chartmogul.PlanGroup.all(config(server), uuid=g).get().plans}
    assert found == set(truth(server.company, "chartmogul", "plan_group_plans", NOW))


def test_the_vendor_s_client_reads_account_and_data_sources(server: Server) -> None:
    assert chartmogul.Account.retrieve(config(server)).get().time_zone == "Europe/Berlin"
    sources = chartmogul.DataSource.all(config(server), with_processing_status=True).get().data_sources
    assert [s.processing_status.pending for s in sources] == [0, 0]
    assert chartmogul.Ping.ping(config(server)).get().data == "pong!"


@pytest.mark.parametrize(
    "name", ["all", "mrr", "arr", "arpa", "asp", "customer_count", "customer_churn_rate", "mrr_churn_rate", "ltv"]
)
def test_the_vendor_s_client_reads_every_metric(server: Server, name: str) -> None:
    found = getattr(chartmogul.Metrics, name)(
        config(server), start_date="2020-01-01", end_date="2026-11-23", interval="month"
    ).get()
    wanted = expected(server, f"metrics_{name}")
    field = {"all": "mrr", "customer_count": "customers"}.get(name, name)
    assert [getattr(e, field) for e in found.entries] == [w[field.replace("_", "-")] for w in wanted]
    assert found.entries[-1].date.isoformat() == "2026-11-23"
    assert found.summary is not None


def test_pages_hold_200_at_most_whatever_is_asked_for(server: Server) -> None:
    page = server.chartmogul("/customers", per_page=5000).json()
    assert (len(page["entries"]), page["per_page"], page["total_pages"], page["has_more"]) == (200, 200, 2, True)


def test_the_last_page_carries_a_cursor_too(server: Server) -> None:
    page = server.chartmogul("/plans").json()
    assert page["has_more"] is False
    assert page["cursor"]


def test_the_deprecated_page_number_still_works(server: Server) -> None:
    pages = [server.chartmogul("/customers", page=n, per_page=150).json()["entries"] for n in (1, 2)]
    assert [c["uuid"] for page in pages for c in page] == [c["uuid"] for c in expected(server, "customers")]


def test_invoices_that_are_invalid_or_disabled_come_only_when_asked_for(server: Server) -> None:
    def count(**params: str) -> int:
        found = 0
        cursor: dict[str, str] = {}
        while True:
            page = server.chartmogul("/invoices", **params, **cursor).json()
            found += len(page["invoices"])
            if not page["has_more"]:
                return found
            cursor = {"cursor": page["cursor"]}

    assert count() == len(expected(server, "invoices", everything=False))
    assert count(validation_type="all", with_disabled="true") == len(expected(server, "invoices"))
    assert count() < count(validation_type="all") < count(validation_type="all", with_disabled="true")


def test_activities_are_bounded_on_both_sides_inclusively(server: Server) -> None:
    activities = expected(server, "activities")
    first, last = activities[10]["date"], activities[20]["date"]
    page = server.chartmogul("/activities", **{"start-date": first, "end-date": last}).json()
    assert [a["uuid"] for a in page["entries"]] == [a["uuid"] for a in activities[10:21]]


def test_a_bound_without_an_offset_is_in_the_account_s_time_zone(server: Server) -> None:
    found = server.chartmogul("/activities", **{"start-date": "2026-06-01", "end-date": "2026-06-30"}).json()["entries"]
    begin, end = (datetime(2026, m, d, 22, tzinfo=UTC) for m, d in ((5, 31), (6, 30)))
    inside = [a["uuid"] for a in expected(server, "activities") if begin <= datetime.fromisoformat(a["date"]) < end]
    assert [a["uuid"] for a in found] == inside
    assert inside


def test_activities_come_newest_first_when_asked_to(server: Server) -> None:
    pages: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        page = server.chartmogul("/activities", order="-date", per_page=50, **cursor).json()
        pages += [a["uuid"] for a in page["entries"]]
        cursor = {"cursor": page["cursor"]}
    assert pages == [a["uuid"] for a in reversed(expected(server, "activities"))][:150]


def test_an_end_needs_a_start(server: Server) -> None:
    reply = server.chartmogul("/activities", **{"end-date": "2026-06-30"})
    assert (reply.status_code, reply.json()["param"]) == (400, "start-date")


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("/metrics/mrr", {}, 400),
        ("/metrics/mrr", {"start-date": "soon", "end-date": "2026-01-01"}, 400),
        ("/customers", {"cursor": "!!!"}, 400),
        ("/customers/cus_unknown/subscriptions", {}, 404),
        ("/sheep", {}, 404),
    ],
)
def test_mistakes_come_back_in_the_vendor_s_envelope(server: Server, path: str, params: Any, status: int) -> None:
    reply = server.chartmogul(path, **params)
    assert (reply.status_code, reply.json()["code"]) == (status, status)


def test_the_password_is_ignored_and_a_wrong_key_refused(server: Server) -> None:
    url = f"{server.url}/chartmogul/v1/account"
    assert requests.get(url, auth=(KEY, KEY), timeout=10).status_code == 200
    assert requests.get(url, auth=("wrong", ""), timeout=10).status_code == 401


def test_the_41st_request_of_a_second_is_refused_without_retry_after(server: Server) -> None:
    server.settings(chartmogul_per_second=5)
    replies = [server.chartmogul("/ping") for _ in range(8)]
    refused = [r for r in replies if r.status_code == 429]
    assert refused
    assert refused[0].json()["message"] == "Your request rate has exceeded our rate limit."
    assert "Retry-After" not in refused[0].headers


def test_more_than_twenty_requests_at_once_are_refused(server: Server) -> None:
    server.settings(latency=3)  # long enough for thirty threads to begin, however busy the machine
    with ThreadPoolExecutor(30) as pool:
        statuses = list(pool.map(lambda _: server.chartmogul("/ping").status_code, range(30)))
    assert set(statuses) == {200, 503}


def test_a_record_keeps_its_place_when_it_changes_between_pages(server: Server) -> None:
    first = server.chartmogul("/customers", per_page=100).json()
    server.control("POST", "/clock", {"advance": timedelta(days=30).total_seconds()})
    rest, cursor = [c["uuid"] for c in first["entries"]], first["cursor"]
    more = True
    while more:
        page = server.chartmogul("/customers", per_page=100, cursor=cursor).json()
        rest += [c["uuid"] for c in page["entries"]]
        cursor, more = page["cursor"], page["has_more"]
    assert len(rest) == len(set(rest))


@pytest.mark.parametrize(("zone", "offset"), [("account", "+01:00"), ("utc", "+00:00")])
def test_a_bound_without_an_offset_is_in_the_zone_that_is_set(server: Server, zone: str, offset: str) -> None:
    """Nobody says in which zone such a bound of activities is; metrics are cut in the account's."""
    server.settings(chartmogul_dates=zone)
    plain, spelled = (
        server.chartmogul("/activities", **{"start-date": f"2026-01-01{a}", "end-date": f"2026-02-01{b}"}).json()
        for a, b in (("", "T00:00:00"), (f"T00:00:00{offset}", f"T00:00:00{offset}"))
    )
    assert plain["entries"] == spelled["entries"] != []
