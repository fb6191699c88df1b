"""The company agrees with itself, at every moment."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import msgspec
import pytest

from local.company.company import Company
from local.company.moments import DAY, FOUNDED, HOUR, MINUTE, border_after, local_date, midnight
from local.company.movements import movements
from local.company.truth import STREAMS, truth

NOW = int(datetime(2026, 11, 23, 9, 30, tzinfo=UTC).timestamp())
MOMENTS = [FOUNDED + 90 * DAY, FOUNDED + 500 * DAY + 3 * HOUR, FOUNDED + 905 * DAY, NOW, NOW + 200 * DAY]


@cache
def company(seed: int = 7) -> Company:
    return Company.around(seed, 1.0, NOW)


def records(source: str, stream: str, at: int = NOW, of: Company | None = None) -> list[dict[str, Any]]:
    return [msgspec.json.decode(body) for body in truth(of or company(), source, stream, at).values()]


def everything(of: Company, at: int) -> dict[str, dict[Any, bytes]]:
    return {f"{source}.{s}": truth(of, source, s, at) for source, streams in STREAMS.items() for s in streams}


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert everything(Company.around(7, 1.0, NOW), NOW) == everything(Company.around(7, 1.0, NOW), NOW)


def test_another_seed_gives_another_company() -> None:
    assert truth(company(7), "chartmogul", "customers", NOW) != truth(company(8), "chartmogul", "customers", NOW)


@pytest.mark.parametrize("at", MOMENTS[:4])
def test_the_past_does_not_depend_on_how_far_ahead_the_company_was_built(at: int) -> None:
    near, far = Company(7, 1.0, at + DAY), company()
    assert everything(near, at) == everything(far, at)


def test_a_company_of_scale_one_is_built_and_shown_in_two_seconds() -> None:
    begun = time.process_time()
    everything(Company.around(3, 1.0, NOW), NOW)
    assert time.process_time() - begun < 2


def test_a_bigger_scale_gives_proportionally_more() -> None:
    small, big = (len(truth(Company.around(7, s, NOW), "zendesk", "tickets", NOW)) for s in (1.0, 4.0))
    assert 3.5 < big / small < 4.5


def test_the_demo_is_as_big_as_planned() -> None:
    sizes = {name: len(rows) for name, rows in everything(company(), NOW).items()}
    assert 250 < sizes["chartmogul.customers"] < 350
    assert 700 < sizes["zendesk.tickets"] < 900
    assert 2000 < sizes["zendesk.ticket_events"] < 3000
    assert sizes["zendesk.ticket_metric_events"] < 4000
    exports = ("tickets", "users", "organizations", "ticket_events", "ticket_metric_events")
    assert sum(sizes[f"zendesk.{name}"] // 1000 + 1 for name in exports) <= 10


@pytest.mark.parametrize("at", MOMENTS)
def test_the_mrr_of_each_month_is_the_sum_of_all_movements_until_its_end_in_the_account_s_time_zone(at: int) -> None:
    steps = [
        (datetime.fromisoformat(a["date"]), a["type"], a["activity-mrr-movement"])
        for a in records("chartmogul", "activities", at)
    ]
    parts = {"new-business": "new_biz", "expansion": "expansion", "contraction": "contraction"}
    parts |= {"churn": "churn", "reactivation": "reactivation"}
    for month in records("chartmogul", "metrics_mrr", at):
        begin = midnight(date.fromisoformat(month["date"]).replace(day=1))
        border = border_after(begin)
        assert month["mrr"] == sum(delta for when, _, delta in steps if when.timestamp() < border)
        for name, kind in parts.items():
            inside = [delta for when, k, delta in steps if k == kind and begin <= when.timestamp() < border]
            assert month[f"mrr-{name}"] == sum(inside)


@pytest.mark.parametrize("at", MOMENTS)
def test_customers_subscriptions_and_metrics_agree_on_today_s_mrr(at: int) -> None:
    mrr = records("chartmogul", "metrics_mrr", at)[-1]["mrr"]
    customers = records("chartmogul", "customers", at)
    assert sum(c["mrr"] for c in customers) == mrr
    assert sum(s["mrr"] for s in records("chartmogul", "subscriptions", at)) == mrr
    assert sum(c["mrr"] > 0 for c in customers) == records("chartmogul", "metrics_customer_count", at)[-1]["customers"]


def test_each_subscription_belongs_to_the_customer_that_lists_it() -> None:
    per_customer: dict[str, int] = defaultdict(int)
    for subscription in records("chartmogul", "subscriptions"):
        per_customer[subscription["customer_uuid"]] += subscription["mrr"]
    assert {c["uuid"]: c["mrr"] for c in records("chartmogul", "customers") if c["mrr"]} == {
        uuid: mrr for uuid, mrr in per_customer.items() if mrr
    }


def test_the_metrics_follow_from_one_another() -> None:
    before: dict[str, Any] | None = None
    churned: dict[str, int] = defaultdict(int)
    fresh: dict[str, int] = defaultdict(int)
    for activity in records("chartmogul", "activities"):
        month = f"{local_date(int(datetime.fromisoformat(activity['date']).timestamp())):%Y-%m}"
        churned[month] += activity["type"] == "churn"
        fresh[month] += activity["type"] == "new_biz"
    parts = {m["date"]: m for m in records("chartmogul", "metrics_mrr")}
    for point in records("chartmogul", "metrics_all"):
        month, customers = point["date"][:7], point["customers"]
        assert point["arr"] == 12 * point["mrr"]
        assert point["arpa"] == (round(point["mrr"] / customers) if customers else 0)
        if before and before["customers"]:
            assert point["customer-churn-rate"] == round(100 * churned[month] / before["customers"], 2)
            lost = -sum(parts[point["date"]][f"mrr-{k}"] for k in ("churn", "contraction", "expansion", "reactivation"))
            assert point["mrr-churn-rate"] == round(100 * lost / before["mrr"], 2)
        if fresh[month]:
            assert point["asp"] == round(12 * parts[point["date"]]["mrr-new-business"] / fresh[month])
        rate = point["customer-churn-rate"]
        assert point["ltv"] == (round(100 * point["arpa"] / rate, 2) if rate else 0)
        before = point


def test_an_invoice_s_subscription_line_is_worth_the_mrr_of_its_period() -> None:
    months = {
        p["uuid"]: 12 if p["interval_unit"] == "year" else p["interval_count"] for p in records("chartmogul", "plans")
    }
    customers = {c.external_id: c for c in company().book}
    invoices = records("chartmogul", "invoices")
    assert {i["currency"] for i in invoices} == {"EUR", "JPY", "KWD", "USD"}
    for invoice in (i for i in invoices if i["currency"] == "EUR"):
        line = invoice["line_items"][0]
        begin = datetime.fromisoformat(line["service_period_start"]).timestamp()
        changes = customers[invoice["customer_external_id"]].known(NOW)
        price = [c.mrr for c in changes if c.sub == line["subscription_external_id"] and c.at <= begin][-1]
        assert line["amount_in_cents"] - line["tax_amount_in_cents"] == price * months[line["plan_uuid"]]
    assert len(invoices) > 1000


def test_lines_are_negative_zero_and_prorated_and_an_upgrade_is_charged_and_credited() -> None:
    lines = [line for invoice in records("chartmogul", "invoices") for line in invoice["line_items"]]
    prorated = [line for line in lines if line.get("prorated")]
    assert {line["amount_in_cents"] > 0 for line in prorated} == {True, False}
    assert sum(line["amount_in_cents"] < 0 for line in prorated) == len(prorated) / 2
    assert any(line["amount_in_cents"] == 0 for line in lines)
    assert len({line["uuid"] for line in lines}) == len(lines)


def test_two_movements_of_one_customer_happen_in_one_second() -> None:
    """Nothing then says which came first: `activity-mrr` alone, and it may not be in the order of the list."""
    moments = Counter((a["customer-uuid"], a["date"]) for a in records("chartmogul", "activities"))
    assert sum(many > 1 for many in moments.values()) > 10


def test_the_help_desk_holds_records_that_nothing_has_touched_since_before_2020() -> None:
    for stream, field in (("organizations", "updated_at"), ("users", "updated_at"), ("tickets", "updated_at")):
        old = [r for r in records("zendesk", stream) if r[field] < "2019"]
        assert len(old) > 5, stream
        assert all(r.get("generated_timestamp", 0) < FOUNDED for r in old)
    assert any(e["created_at"] < "2019" for e in records("zendesk", "ticket_events"))


def test_a_user_deleted_for_good_is_a_name_and_an_id() -> None:
    erased = [u for u in records("zendesk", "deleted_users") if u["name"] == "Permanently Deleted User"]
    assert erased
    assert all(u.get(field) is None for u in erased for field in ("email", "phone", "created_at"))


def test_some_movements_happen_within_minutes_of_a_month_border_on_either_side() -> None:
    sides = set()
    for activity in records("chartmogul", "activities"):
        at = int(datetime.fromisoformat(activity["date"]).timestamp())
        if border_after(at) - at < 10 * MINUTE:
            sides.add("before")
        if at - midnight(local_date(at).replace(day=1)) < 10 * MINUTE:
            sides.add("after")
    assert sides == {"before", "after"}


def test_a_correction_replaces_movements_of_the_last_sixty_days_by_others_with_other_ids() -> None:
    customer = next(c for c in company().book if c.fixes and min(f.known for f in c.fixes.values()) < NOW)
    known = min(f.known for f in customer.fixes.values())

    def shown(at: int) -> dict[Any, Any]:
        found = truth(company(), "chartmogul", "activities", at)
        return {k: v for k, v in found.items() if f'"customer-external-id":"{customer.external_id}"'.encode() in v}

    gone = shown(known - 1).keys() - shown(known).keys()
    assert gone
    assert shown(known).keys() - shown(known - 1).keys()
    assert all(known - 61 * DAY < _date(shown(known - 1)[key]) for key in gone)


def _date(activity: bytes) -> float:
    return datetime.fromisoformat(msgspec.json.decode(activity)["date"]).timestamp()


def test_a_merged_customer_vanishes_and_lives_on_in_another_with_its_subscriptions_and_revenue() -> None:
    loser = next(c for c in company().book if c.merged_into is not None and c.changes and c.gone < NOW)
    before, after = (records("chartmogul", "customers", at) for at in (loser.gone - 1, loser.gone))
    assert loser.external_id in {c["external_id"] for c in before}
    assert loser.external_id not in {c["external_id"] for c in after}
    winner = next(c for c in after if loser.external_id in c["external_ids"])
    listed = {
        s["customer_uuid"]
        for s in records("chartmogul", "subscriptions", loser.gone)
        if s["external_id"] == loser.subs[0].external_id
    }
    assert listed == {winner["uuid"]}
    assert records("chartmogul", "metrics_mrr", loser.gone)[-1]["mrr"] == sum(c["mrr"] for c in after)


def test_a_deleted_customer_vanishes_with_all_it_had_and_its_organization_is_marked() -> None:
    gone = next(c for c in company().book if c.deleted < NOW and c.changes)
    for stream in ("customers", "subscriptions", "invoices", "activities", "contacts"):
        found = b"".join(truth(company(), "chartmogul", stream, gone.deleted).values())
        assert f"{gone.external_id}".encode() not in found
    organization = next(o for o in records("zendesk", "organizations") if o["external_id"] == gone.external_id)
    assert organization["deleted_at"] is not None


def test_a_gap_between_two_lives_is_a_reactivation_and_the_first_revenue_is_new_business() -> None:
    kinds = [step.kind for step in movements(max(company().book, key=lambda c: len(c.changes)).changes)]
    assert kinds[0] == "new_biz"
    assert "new_biz" not in kinds[1:]


def test_vendors_agree_on_accounts_and_people() -> None:
    an_hour_later = NOW + 2 * HOUR  # organizations and users are made within the hour
    organizations = {o["external_id"] for o in records("zendesk", "organizations", an_hour_later)}
    users = {u["email"] for u in records("zendesk", "users", an_hour_later)}
    assert {c["external_id"] for c in records("chartmogul", "customers")} <= organizations
    assert {c["email"] for c in records("chartmogul", "contacts")} <= users
    known = {o["id"] for o in records("zendesk", "organizations")}
    assert {t["organization_id"] for t in records("zendesk", "tickets")} <= known


def test_tickets_go_through_every_kind_of_trouble() -> None:
    tickets = records("zendesk", "tickets")
    assert {"new", "open", "pending", "solved", "closed", "deleted"} >= {t["status"] for t in tickets} > {"deleted"}
    assert any(t["subject"] == "SCRUBBED" for t in tickets)
    moved = [t for t in tickets if datetime.fromisoformat(t["updated_at"]).timestamp() < t["generated_timestamp"]]
    assert moved
    assert all(t["custom_fields"][2]["value"] > 2**53 for t in tickets)
    assert any("\x00" in c.get("body", "") for e in records("zendesk", "ticket_events") for c in e["child_events"])
    assert any(not u["active"] for u in records("zendesk", "users"))


def test_a_ticket_s_metric_events_agree_with_its_metric_set_and_its_rating_with_the_list_of_ratings() -> None:
    tickets = {t["id"]: t for t in records("zendesk", "tickets")}
    names = {"reply_time": "reply_time_in_minutes", "requester_wait_time": "requester_wait_time_in_minutes"}
    for event in records("zendesk", "ticket_metric_events"):
        if event["type"] == "update_status":
            assert event["status"] == tickets[event["ticket_id"]]["metric_set"][names[event["metric"]]]
    ratings = records("zendesk", "satisfaction_ratings", NOW - MINUTE)
    assert all(tickets[r["ticket_id"]]["satisfaction_rating"]["score"] == r["score"] for r in ratings)


def test_event_ids_are_too_big_for_doubles() -> None:
    assert any(int(float(e["id"])) != e["id"] for e in records("zendesk", "ticket_metric_events"))


def test_time_moves_every_stream_that_can_move() -> None:
    before, after = everything(company(), NOW - 200 * DAY), everything(company(), NOW)
    still = {name for name in before if before[name] == after[name]}
    fixed = {"data_sources", "plans", "plan_groups", "plan_group_plans", "account", "groups", "group_memberships"}
    fixed |= {"ticket_fields", "ticket_forms", "brands", "macros", "sla_policies", "schedules"}
    assert {name.partition(".")[2] for name in still} <= fixed


def test_a_stream_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match=r"zendesk\.sheep"):
        truth(company(), "zendesk", "sheep", NOW)
