"""The application's first rows: what the synthetic company is at the profile's first start.

The same accounts, people, plans and amounts that the vendors' sandbox shows, spread over the shards; and, beyond what
any vendor sees, what people did in the application (activities, events). The seed decides all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from local.application.chance import long_bytes, long_text
from local.application.copying import Value, copy
from local.application.placing import shard_of
from local.company.billing import Line, billed_in, invoices
from local.company.book import PLANS, Customer, customers
from local.company.dice import dice, uuid
from local.company.moments import DAY, local_date
from local.company.people import people
from local.settings import Settings

ACTIVITIES = 15_000  # on each shard, at scale 1
EVENTS = 15_000
ACTIVITY_DAYS = 90
KINDS = ("login", "report_viewed", "export_made", "member_invited", "import_finished", "seat_added")
NAMES = ("page.viewed", "button.clicked", "api.called", "file.uploaded", "search.made")
MARK = "first rows"

Row = Sequence[Value]

COLUMNS = {
    "accounts": "id external_id name status balance settings notes feature_flags created_at updated_at",
    "users": "id account_id public_id email full_name title role is_active preferences avatar last_seen_at created_at",
    "customers": "id account_id external_id email contact_name born country city health_score tags profile biography "
    "created_at updated_at",
    "subscriptions": "id account_id customer_id external_id plan status seats price mrr_cents started_on ended_on "
    "created_at updated_at",
    "invoices": "id account_id customer_id subscription_id external_id number net_cents tax_cents currency "
    "exchange_rate is_disabled lines period_start period_end issued_on paid_at updated_at",
    "activities": "account_id user_id kind amount payload occurred_at",
    "events": "account_id user_id name properties duration_ms body occurred_at received_at",
}


def ensure(cursor: Any, settings: Settings, shard: str) -> None:
    """Write a shard's first rows in the caller's transaction, unless it has them."""
    cursor.execute("SELECT FROM internal.facts WHERE name = %s", (MARK,))
    if cursor.fetchone() is not None:
        return
    at = int(datetime.fromisoformat(settings.first_start).timestamp())
    rows = FirstRows.of(settings, shard, at)
    day = datetime.fromtimestamp(at, UTC).date()
    span = (day - timedelta(days=ACTIVITY_DAYS), day + timedelta(days=62))
    cursor.execute("SELECT ensure_activity_partitions(%s, %s)", span)
    for table, columns in COLUMNS.items():
        copy(cursor, table, columns.split(), getattr(rows, table)())
    cursor.execute("INSERT INTO internal.facts VALUES (%s, %s)", (MARK, settings.first_start))


@dataclass(frozen=True)
class FirstRows:
    """One shard's rows as of `at` (Unix seconds)."""

    seed: int
    scale: float
    shard: str
    at: int
    book: tuple[Customer, ...]

    @classmethod
    def of(cls, settings: Settings, shard: str, at: int) -> FirstRows:
        shards = tuple(settings.ports.shards)
        book = customers(settings.seed, settings.scale, at)
        mine = (c for c in book if at < c.deleted and shard_of(c.external_id, shards) == shard)
        return cls(settings.seed, settings.scale, shard, at, tuple(mine))

    def accounts(self) -> Iterator[Row]:
        for customer in self.book:
            draw = self._dice("account", customer)
            yield (
                account_id(customer),
                customer.external_id,
                customer.name,
                self._status(customer),
                Decimal(draw.randrange(-(10**9), 10**10)) / 10_000,
                {"theme": draw.choice(("dark", "light")), "limits": {"seats": draw.randrange(500)}, "beta": None},
                long_text(draw) if customer.index % 7 == 0 else draw.choice((None, "", customer.name)),
                [draw.randrange(100) for _ in range(draw.randrange(5))],
                _utc(customer.created),
                _zoneless(customer.created + draw.randrange(DAY)),
            )

    def users(self) -> Iterator[Row]:
        for customer in self.book:
            for one in people(self.seed, customer):
                if one.created > self.at:
                    continue
                draw = self._dice("user", customer, one.number)
                yield (
                    account_id(customer) * 10 + one.number,
                    account_id(customer),
                    uuid(self.seed, "user", one.email),
                    one.email,
                    one.name,
                    one.new_title if one.promoted <= self.at else one.title,
                    "owner" if one.number == 1 else draw.choice(("admin", "member", "guest")),
                    one.left > self.at,
                    {"language": draw.choice(("de", "en", "fr")), "digest": draw.random() < 0.5},
                    long_bytes(draw) if customer.index % 9 == 0 else None,
                    _utc(self.at - draw.randrange(30 * DAY)) if draw.random() < 0.9 else None,
                    _utc(one.created),
                )

    def customers(self) -> Iterator[Row]:
        for customer in self.book:
            draw = self._dice("customer", customer)
            first = people(self.seed, customer)[0]
            city, _, country, _ = customer.place
            yield (
                account_id(customer),
                account_id(customer),
                customer.external_id,
                first.email,
                first.name,
                datetime.fromtimestamp(draw.randrange(-20 * 365 * DAY, 30 * 365 * DAY), UTC).date(),
                country,
                city,
                float("nan") if customer.index % 97 == 3 else draw.random(),
                [draw.randrange(1000) for _ in range(3)] if draw.random() < 0.8 else None,
                {"source": draw.choice(("web", "fair", "partner")), "size": draw.randrange(1, 5000), "vip": None},
                long_text(draw) if customer.index % 5 == 0 else None,
                _utc(customer.created),
                _zoneless(customer.created),
            )

    def subscriptions(self) -> Iterator[Row]:
        for customer in self.book:
            known = [change for change in customer.known(self.at) if change.at <= self.at]
            for sub in customer.subs:
                changes = [change for change in known if change.sub == sub.external_id]
                if not changes:
                    continue
                now = max(changes, key=lambda change: change.at)
                ended = now.mrr == 0
                yield (
                    subscription_id(customer, sub.number),
                    account_id(customer),
                    account_id(customer),
                    sub.external_id,
                    PLANS[now.plan].external_id,
                    "cancelled" if ended else "active",
                    now.seats,
                    Decimal(PLANS[now.plan].seat) / 100,
                    now.mrr,
                    local_date(sub.start),
                    local_date(now.at) if ended else None,
                    _utc(sub.start),
                    _zoneless(now.at),
                )

    def invoices(self) -> Iterator[Row]:
        for customer in self.book:
            for invoice in invoices(self.seed, customer, self.at):
                lines = invoice.lines(self.at)
                yield (
                    subscription_id(customer, invoice.sub.number) * 1_000 + invoice.number,
                    account_id(customer),
                    account_id(customer),
                    subscription_id(customer, invoice.sub.number),
                    invoice.external_id,
                    invoice.number,
                    lines[0].net,
                    lines[0].tax,
                    billed_in(customer),
                    1 / (1 + invoice.number / 7),
                    self.at >= invoice.disabled,
                    {"lines": [_line(line) for line in lines]},
                    _utc(invoice.start),
                    _utc(invoice.end),
                    local_date(invoice.start),
                    _utc(invoice.paid) if invoice.paid <= self.at else None,
                    _zoneless(max(moment for moment in invoice.moments() if moment <= self.at)),
                )

    def activities(self) -> Iterator[Row]:
        draw = dice(self.seed, "activities", self.shard)
        accounts = self._living()
        moments = sorted(self._lately(draw) for _ in range(self._many(ACTIVITIES)))
        for at in moments if accounts else ():
            account = draw.choice(accounts)
            amount = Decimal(draw.randrange(10**8)) / 10_000 if draw.random() < 0.3 else None
            yield account, account * 10 + 1, draw.choice(KINDS), amount, {"ip": f"192.0.2.{draw.randrange(256)}"}, at

    def events(self) -> Iterator[Row]:
        draw = dice(self.seed, "events", self.shard)
        accounts = self._living()
        for number in range(self._many(EVENTS) if accounts else 0):
            account, at = draw.choice(accounts), self._lately(draw)
            body = long_text(draw) if number % 250 == 0 else None
            properties: Value = {"path": f"/reports/{draw.randrange(99)}", "took": draw.randrange(9000)}
            received = (at + timedelta(seconds=draw.random())).replace(tzinfo=None)
            yield account, account * 10 + 1, draw.choice(NAMES), properties, draw.expovariate(0.01), body, at, received

    def _status(self, customer: Customer) -> str:
        past = [change for change in customer.known(self.at) if change.at <= self.at]
        if customer.gone <= self.at:
            return "merged"
        if not past:
            return "trial"
        return "active" if any({change.sub: change.mrr for change in sorted(past)}.values()) else "churned"

    def _living(self) -> list[int]:
        return [account_id(customer) for customer in self.book if customer.gone > self.at]

    def _lately(self, draw: Random) -> datetime:
        return _utc(self.at) - timedelta(seconds=draw.random() * ACTIVITY_DAYS * DAY)

    def _many(self, at_scale_one: int) -> int:
        return max(1, int(at_scale_one * self.scale))

    def _dice(self, what: str, customer: Customer, *name: object) -> Random:
        return dice(self.seed, "application", what, customer.index, *name)


def account_id(customer: Customer) -> int:
    return customer.index + 1


def subscription_id(customer: Customer, number: int) -> int:
    return account_id(customer) * 100 + number


def _line(line: Line) -> dict[str, Any]:
    plan = None if line.plan is None else PLANS[line.plan].external_id
    return {"plan": plan, "quantity": line.quantity, "amount_in_cents": line.net + line.tax}


def _utc(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _zoneless(at: int) -> datetime:
    """In UTC, as the application writes its `timestamp` columns."""
    return _utc(at).replace(tzinfo=None)
