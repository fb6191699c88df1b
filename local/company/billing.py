"""Invoices: one for each period of each subscription, in advance, at what the books say the period is worth."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from local.company.book import PLANS, Change, Customer, Sub
from local.company.dice import dice
from local.company.moments import DAY, FOREVER, HOUR

TAX_PERCENT = 19
CURRENCY = "EUR"
# Smallest units of a currency for one euro cent: JPY has no decimal digits, KWD three (ISO 4217).
RATES = {"EUR": 1.0, "JPY": 1.62, "KWD": 3.34, "USD": 1.08}
ABROAD = {9: "JPY", 14: "KWD", 19: "USD"}  # by the number of the customer, modulo 24


def billed_in(customer: Customer) -> str:
    """The currency of a customer's invoices; all else at ChartMogul is in the account's."""
    return ABROAD.get(customer.index % 24, CURRENCY)


class Line(NamedTuple):
    """One line of an invoice, in the smallest units of its currency; a line without a plan is billed once."""

    name: str
    plan: int | None
    quantity: int
    net: int
    tax: int
    start: int
    prorated: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice: the period it bills, and what happens to it."""

    customer: Customer
    sub: Sub
    number: int
    start: int
    end: int
    paid: int
    failed_first: bool
    refunded: int
    disabled: int
    invalid: bool
    setup_fee: int

    @property
    def external_id(self) -> str:
        return f"inv_{self.sub.external_id[4:]}_{self.number:03d}"

    def worth(self, at: int) -> Change:
        """The change that sets the price of the period, as the books have it at a moment."""
        changes = [c for c in self.customer.known(at) if c.sub == self.sub.external_id]
        return max((c for c in changes if c.at <= self.start), default=changes[0], key=lambda c: c.at)

    def net(self, at: int) -> int:
        """Cents for the whole period without tax: months x MRR."""
        return self.worth(at).mrr * PLANS[self.sub.plan].months

    def lines(self, at: int) -> list[Line]:
        """The period itself, then what changed within the period before it, a fee, a line of nothing."""
        worth, rate = self.worth(at), RATES[billed_in(self.customer)]
        lines = [_taxed("1", worth, round(self.net(at) * rate), self.start)]
        for number, (part, cents) in enumerate(self._prorations(at)):
            lines.append(_taxed(f"prorated {number}", part, round(cents * rate), part.at, prorated=True))
        if self.setup_fee:
            lines.append(Line("2", None, 1, round(self.setup_fee * rate), 0, self.start, text="Onboarding – größe L"))
        if self.number % 7 == 0:
            lines.append(Line("3", None, 0, 0, 0, self.start, text="Support, included"))
        return lines

    def _prorations(self, at: int) -> list[tuple[Change, int]]:
        """What is credited (negative) and charged, in euro cents, for each change within the period before."""
        months = PLANS[self.sub.plan].months
        begin = add_months(self.sub.start, months * (self.number - 2)) if self.number > 1 else self.start
        known = sorted(c for c in self.customer.known(at) if c.sub == self.sub.external_id and c.at < self.start)
        found: list[tuple[Change, int]] = []
        for before, change in pairwise(known):
            if begin < change.at and change.mrr:
                share = (self.start - change.at) / (self.start - begin)
                found.append((before._replace(at=change.at), -round(before.mrr * months * share)))
                found.append((change, round(change.mrr * months * share)))
        return found

    def moments(self) -> list[int]:
        """When it is issued or changes."""
        events = {self.start, self.paid, self.refunded, self.disabled}
        customer = self.customer
        events |= {fix.known for fix in customer.fixes.values() if fix.known > self.start}
        if customer.merged_into is not None and customer.gone > self.start:
            events.add(customer.gone)
        return sorted(e for e in events if e < FOREVER)


def invoices(seed: int, customer: Customer, until: int) -> Iterator[Invoice]:
    """All invoices of a customer issued before `until`."""
    for sub in customer.subs:
        months = PLANS[sub.plan].months
        start, number = sub.start, 1
        while start < min(sub.end, until):
            end = add_months(sub.start, months * number)
            yield _invoice(seed, customer, sub, number, start, end)
            start, number = end, number + 1


def _invoice(seed: int, customer: Customer, sub: Sub, number: int, start: int, end: int) -> Invoice:
    draw = dice(seed, "invoice", sub.external_id, number)
    fate, odd = draw.random(), draw.random()
    paid = start + draw.randrange(HOUR, 20 * DAY) if fate > 0.02 else FOREVER
    return Invoice(
        customer,
        sub,
        number,
        start,
        end,
        paid,
        failed_first=fate > 0.94,
        refunded=paid + draw.randrange(DAY, 30 * DAY) if 0.02 < fate < 0.04 else FOREVER,
        disabled=start + draw.randrange(DAY, 60 * DAY) if odd < 0.01 else FOREVER,
        invalid=odd > 0.99,
        setup_fee=25_000 if number == 1 and sub.number == 1 and customer.index % 5 == 0 else 0,
    )


def _taxed(name: str, part: Change, net: int, start: int, prorated: bool = False) -> Line:
    tax = abs(net) * TAX_PERCENT // 100
    return Line(name, part.plan, part.seats, net, tax if net > 0 else -tax, start, prorated)


def add_months(at: int, months: int) -> int:
    """The same time of day some months later (UTC), on the month's last day where it is shorter."""
    moment = datetime.fromtimestamp(at, UTC)
    month = moment.month - 1 + months
    year, month = moment.year + month // 12, month % 12 + 1
    day = min(moment.day, monthrange(year, month)[1])
    return int(moment.replace(year=year, month=month, day=day).timestamp())
