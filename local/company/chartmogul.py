"""The company as ChartMogul shows it: one table a stream, records with the vendor's own mix of key styles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from local.company.billing import CURRENCY
from local.company.book import PLANS, Change, Customer
from local.company.crm import crm_tables
from local.company.dice import uuid
from local.company.ids import SOURCES, Ids
from local.company.invoices import invoice_table
from local.company.moments import (
    DAY,
    FOREVER,
    FOUNDED,
    TIME_ZONE,
    local,
    spaced,
    utc_millis,
    with_offset,
)
from local.company.movements import Movement, shown
from local.company.people import Person, people
from local.company.table import Record, Row, Table, versions

PLAN_GROUPS = (("Monthly", (0, 2, 4)), ("Yearly", (1, 3, 5, 6)), ("All self-serve 🌱", (0, 1, 2, 3)))
CUSTOMER_ID = 25_000_000
SUBSCRIPTION_ID = 9_306_000
EVENT_ID = 73_966_836_000


class ChartMogul:
    """The tables of one company. `tables` holds those that don't depend on a computation: metrics are apart."""

    def __init__(self, seed: int, book: list[Customer], until: int) -> None:
        self.seed = seed
        self.ids = Ids(seed, book)
        self.until = until
        self.tables: dict[str, Table] = {
            "data_sources": Table(self._data_sources(), lambda row: row.data),
            "customers": Table(self._each(book, self._customer_rows), self._customer),
            "plans": Table(self._plans(), lambda row: row.data),
            "plan_groups": Table(self._plan_groups(), lambda row: row.data),
            "plan_group_plans": Table(self._plan_group_plans(), lambda row: row.data),
            "subscriptions": Table(self._each(book, self._subscription_rows), self._subscription),
            "invoices": invoice_table(self.ids, book, until),
            "activities": Table(self._each(book, self._activity_rows), self._activity),
            "subscription_events": Table(self._event_rows(book), self._event),
            "contacts": Table(self._each(book, self._contact_rows), self._contact),
            "account": Table([Row((0,), (self.ids.id("acct", 0),), FOUNDED, FOREVER, None)], self._account),
            **crm_tables(seed, book, self.ids.customer),
        }

    @staticmethod
    def _each(book: list[Customer], rows: Any) -> Iterator[Row]:
        for customer in book:
            yield from rows(customer)

    # --- settings ---------------------------------------------------------------------------------------------------

    def _account(self, row: Row) -> Record:
        return {
            "id": row.key[0],
            "name": "Catchment Demo GmbH",
            "currency": CURRENCY,
            "time_zone": TIME_ZONE,
            "week_start_on": "monday",
        }

    def _data_sources(self) -> Iterator[Row]:
        names = ("Billing system", "Import API"), ("Old billing (do not use) ☠️", "Custom")
        for number, (source, (name, system)) in enumerate(zip(SOURCES, names, strict=True)):
            at = FOUNDED + number
            record = {
                "uuid": self.ids.id(*source),
                "name": name,
                "created_at": utc_millis(at),
                "status": "idle",
                "system": system,
                "processing_status": {"processed": 61 + number, "failed": 0, "pending": 0},
            }
            yield Row((at, number), (record["uuid"],), at, FOREVER, record)

    def _plan_record(self, number: int, at: int) -> Record:
        plan = PLANS[number]
        renamed = " (2025)" if number == 2 and at > FOUNDED else ""
        yearly = plan.months == 12
        return {
            "uuid": self.ids.id("pl", plan.external_id),
            "data_source_uuid": self.ids.id(*SOURCES[0]),
            "name": plan.name + renamed,
            "interval_count": 1 if yearly else plan.months,
            "interval_unit": "year" if yearly else "month",
            "external_id": plan.external_id,
        }

    def _plan_rows(self, number: int, order: tuple[Any, ...], parent: str | None) -> Iterator[Row]:
        moments = [FOUNDED, FOUNDED + 500 * DAY] if number == 2 else [FOUNDED]
        for since, until in versions(moments, FOREVER):
            record = self._plan_record(number, since)
            key = (record["uuid"],) if parent is None else (parent, record["uuid"])
            yield Row((*order, number, since), key, since, until, record, parent)

    def _plans(self) -> Iterator[Row]:
        for number in range(len(PLANS)):
            yield from self._plan_rows(number, (FOUNDED,), None)

    def _plan_groups(self) -> Iterator[Row]:
        for number, (name, plans) in enumerate(PLAN_GROUPS):
            group = self.ids.id("plg", number)
            record = {"uuid": group, "name": name, "plans_count": len(plans)}
            yield Row((FOUNDED, number), (group,), FOUNDED, FOREVER, record)

    def _plan_group_plans(self) -> Iterator[Row]:
        for number, (_, plans) in enumerate(PLAN_GROUPS):
            for plan in plans:
                yield from self._plan_rows(plan, (number,), self.ids.id("plg", number))

    # --- customers and contacts -------------------------------------------------------------------------------------

    def _customer_rows(self, customer: Customer) -> Iterator[Row]:
        moments = {customer.created, customer.created + 200 * DAY, *customer.revisions()[1:]}
        for member in customer.family(FOREVER):
            moments |= {c.at for c in member.changes}
            moments |= {c.at for fix in member.fixes.values() for c in fix.changes}
        key = (self.ids.id("cus", customer.index),)
        for since, until in versions(sorted(m for m in moments if m >= customer.created), customer.gone):
            yield Row((customer.created, CUSTOMER_ID + customer.index, since), key, since, until, (customer, since))

    def _customer(self, row: Row) -> Record:
        customer, at = row.data
        ledger = customer.ledger(at)
        past = [c for c in ledger if c.at <= at]
        mrr = sum({c.sub: c.mrr for c in past}.values())
        family = customer.family(at)
        number = CUSTOMER_ID + customer.index
        city, state, country, code = customer.place
        tags = ["engage", "größer"] if at >= customer.created + 200 * DAY else ["engage"]
        record: Record = {
            "id": number,
            "uuid": row.key[0],
            "external_id": customer.external_id,
            "external_ids": [c.external_id for c in family],
            "data_source_uuid": self.ids.source(customer),
            "data_source_uuids": sorted({self.ids.source(c) for c in family}),
            "name": customer.name,
            "company": "" if customer.index % 3 else customer.name,
            "email": f"person1@c{customer.external_id}.example",
            "status": _status(customer, mrr, bool(past)),
            "customer-since": local(past[0].at) if past else None,
            "lead_created_at": local(customer.created),
            "free_trial_started_at": local(customer.created + DAY) if customer.index % 4 == 0 else None,
            "city": city,
            "state": state,
            "country": country,
            "zip": code,
            "address": {"address_zip": code, "city": city, "state": state, "country": country},
            "attributes": {
                "tags": tags,
                "stripe": {"uid": 7 + customer.index, "coupon": customer.index % 2 == 0},
                "clearbit": {},
                "custom": {
                    "CAC": 213 + customer.index,
                    "pro": mrr > 50_000,
                    "legacy_code": f"{customer.index % 1000:03d}",
                },
            },
            "mrr": mrr,
            "arr": 12 * mrr,
            "billing-system-url": None,
            "chartmogul-url": f"https://app.chartmogul.com/#customers/{number}",
            "billing-system-type": "Import API",
            "currency": CURRENCY,
            "currency-sign": "€",
        }
        if customer.index % 6:
            record["website_url"] = f"https://c{customer.external_id}.example"
        if customer.index % 19 == 4:
            record["experiment-group"] = {"name": "β", "since": utc_millis(customer.created)}
        return record

    def _contact_rows(self, customer: Customer) -> Iterator[Row]:
        for one in people(self.seed, customer):
            moments = sorted(m for m in {one.created, one.promoted, customer.gone} if one.created <= m < FOREVER)
            key = (self.ids.id("con", customer.index, one.number),)
            for since, until in versions(moments, min(one.left, customer.deleted)):
                yield Row((one.created, key[0], since), key, since, until, (one, since))

    def _contact(self, row: Row) -> Record:
        one: Person = row.data[0]
        at = row.data[1]
        promoted = at >= one.promoted
        record: Record = {
            "uuid": row.key[0],
            "customer_uuid": self.ids.customer(one.customer, at),
            "data_source_uuid": self.ids.source(one.customer),
            "customer_external_id": self.ids.owner(one.customer, at).external_id,
            "first_name": one.first,
            "last_name": one.last,
            "position": one.number,
            "title": one.new_title if promoted else one.title,
            "email": one.email,
            "linked_in": None,
            "twitter": None,
            "notes": None if one.number == 1 else "met at the fair\n2nd line",
            "custom": {"newsletter": one.number == 1, "badge": f"00{one.number}"},
        }
        if one.customer.index % 5:
            record["external_id"] = None
            record["phone"] = f"+49 30 {one.customer.index:06d}-{2 if promoted else 1}"
        return record

    # --- revenue ----------------------------------------------------------------------------------------------------

    def _subscription_rows(self, customer: Customer) -> Iterator[Row]:
        for sub in customer.subs:
            learned = {0, *(fix.known for fix in customer.fixes.values())}  # also after it was merged into another
            moments = {sub.start, *learned} | {c.at for moment in learned for c in customer.known(moment)}
            if customer.merged_into is not None:
                moments.add(customer.gone)
            key = (self.ids.id("sub", sub.external_id),)
            for since, until in versions(sorted(m for m in moments if sub.start <= m < FOREVER), customer.deleted):
                parent = self.ids.customer(customer, since)
                yield Row((sub.start, sub.external_id, since), key, since, until, (customer, sub, since), parent)

    def _subscription(self, row: Row) -> Record:
        customer, sub, at = row.data
        current = [c for c in customer.known(at) if c.sub == sub.external_id and c.at <= at][-1]
        plan = PLANS[current.plan]
        ended = at >= sub.end
        return {
            "id": SUBSCRIPTION_ID + customer.index * 100 + sub.number,
            "uuid": row.key[0],
            "external_id": sub.external_id,
            "subscription_set_external_id": None,
            "customer_uuid": self.ids.customer(customer, at),
            "data_source_uuid": self.ids.source(customer),
            "plan": plan.name,
            "plan_uuid": self.ids.id("pl", plan.external_id),
            "quantity": current.seats,
            "mrr": current.mrr,
            "arr": 12 * current.mrr,
            "status": "cancelled" if ended else "active",
            "billing-cycle": "year" if plan.months == 12 else "month",
            "billing-cycle-count": 1 if plan.months == 12 else plan.months,
            "start-date": local(sub.start),
            "end-date": local(sub.end) if ended else None,
            "currency": CURRENCY,
            "currency-sign": "€",
        }

    def _activity_rows(self, customer: Customer) -> Iterator[Row]:
        for step, since, until in shown(customer):
            key = (uuid(self.seed, "activity", customer.index, *step),)
            yield Row((step.at, key[0], since), key, since, until, (customer, step))

    def _activity(self, row: Row) -> Record:
        customer: Customer = row.data[0]
        step: Movement = row.data[1]
        record: Record = {
            "uuid": row.key[0],
            "description": f"{_VERBS[step.kind]} the {PLANS[step.plan].name} plan",
            "type": step.kind,
            "activity-mrr-movement": step.delta,
            "activity-mrr": step.total,
            "activity-arr": 12 * step.total,
            "date": with_offset(step.at),
            "currency": CURRENCY,
            "subscription-external-id": step.sub,
            "plan-external-id": PLANS[step.plan].external_id,
            "customer-name": customer.name,
            "customer-uuid": self.ids.id("cus", customer.index),
            "customer-external-id": customer.external_id,
            "billing-connector-uuid": self.ids.source(customer),
        }
        if customer.index % 2:
            record["subscription-set-external-id"] = step.sub
        return record

    def _event_rows(self, book: list[Customer]) -> Iterator[Row]:
        events: list[tuple[int, Change, str, Customer]] = []
        for customer in book:
            starts = {sub.external_id: sub.start for sub in customer.subs}
            for change in customer.changes:
                first = "start" if change.at == starts[change.sub] else "updated"
                kind = "subscription_" + (first if change.mrr else "cancelled")
                events.append((change.at, change, kind, customer))
            for fix in customer.fixes.values():
                events.extend((fix.known, change, "subscription_updated", customer) for change in fix.changes)
        events.sort(key=lambda e: (e[0], e[1]))
        for number, (at, change, kind, customer) in enumerate(events):
            if at < self.until:
                key = (EVENT_ID + 7 * number,)
                yield Row((at, key[0]), key, at, customer.deleted, (at, change, kind, customer))

    def _event(self, row: Row) -> Record:
        at, change, kind, customer = row.data
        return {
            "id": row.key[0],
            "data_source_uuid": self.ids.source(customer),
            "customer_external_id": customer.external_id,
            "subscription_set_external_id": None,
            "subscription_external_id": change.sub,
            "plan_external_id": PLANS[change.plan].external_id,
            "event_date": spaced(at),
            "effective_date": spaced(change.at),
            "event_type": kind,
            "external_id": f"evnt_{row.key[0]}",
            "errors": {},
            "currency": CURRENCY,
            "amount_in_cents": change.mrr * PLANS[change.plan].months,
            "quantity": change.seats,
            "tax_amount_in_cents": 0,
            "event_order": None,
            "retracted_event_id": None,
        }


_VERBS = {
    "new_biz": "purchased",
    "expansion": "upgraded",
    "contraction": "downgraded",
    "churn": "cancelled",
    "reactivation": "reactivated",
}


def _status(customer: Customer, mrr: int, ever: bool) -> str:
    if mrr:
        return "Past_Due" if customer.index % 41 == 8 else "Active"
    if ever:
        return "Cancelled"
    return ("New_Lead", "Working_Lead", "Qualified_Lead", "Unqualified_Lead")[customer.index % 4]
