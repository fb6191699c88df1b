"""Who buys what, when: customers, their subscriptions, and what was corrected later.

A customer's life is a list of changes: from that moment on, this subscription is worth so much a month. Some changes
are corrected up to 60 days later (another amount, another date, two steps instead of one), so that history is
recomputed; some customers are merged into another one, or deleted, and vanish.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from local.company.dice import dice
from local.company.moments import DAY, FOREVER, FOUNDED, HOUR, MINUTE, border_after
from local.company.names import PLACES, company_name

CUSTOMERS = 300  # at scale 1, after GROWTH_DAYS
GROWTH_DAYS = 1057
TWIN = 0.06  # how often another subscription changes in the same second
GROWTH = 1.3  # how much faster than linear they arrive


class Plan(NamedTuple):
    """What is sold: `seat` cents a month for each seat, billed every `months`."""

    external_id: str
    name: str
    months: int
    seat: int


PLANS = (
    Plan("plan_0001", "Starter", 1, 1900),
    Plan("plan_0002", "Starter yearly", 12, 1575),
    Plan("plan_0003", "Team", 1, 4900),
    Plan("plan_0004", "Team yearly", 12, 4083),
    Plan("plan_0005", "Business", 1, 9900),
    Plan("plan_0006", "Business yearly", 12, 8250),
    Plan("plan_0007", "Enterprise", 12, 20749),
    Plan("plan_0008", "Legacy ✨ Gold", 3, 3333),
)


class Change(NamedTuple):
    """From `at` on, subscription `sub` is worth `mrr` cents a month. 0: it has ended."""

    at: int
    sub: str
    plan: int
    seats: int
    mrr: int


class Fix(NamedTuple):
    """What replaces one change once the mistake is known."""

    known: int
    changes: tuple[Change, ...]


class Sub(NamedTuple):
    """One subscription; `end` is FOREVER while nobody has cancelled it."""

    external_id: str
    number: int
    plan: int
    start: int
    end: int


@dataclass(slots=True)
class Customer:
    """One customer and all that ever happens to it."""

    index: int
    name: str
    place: tuple[str, str | None, str, str]
    created: int
    changes: list[Change]
    fixes: dict[int, Fix]
    subs: list[Sub]
    gone: int = FOREVER
    merged_into: int | None = None
    deleted: int = FOREVER
    merges: list[tuple[int, Customer]] = field(default_factory=list)

    @property
    def external_id(self) -> str:
        """The company's own account id: digits with leading zeros, on purpose."""
        return f"{self.index + 1:07d}"

    def known(self, at: int) -> list[Change]:
        """This customer's own changes as the books have them at a moment, the future ones too."""
        if not self.fixes:
            return self.changes
        out: list[Change] = []
        for number, change in enumerate(self.changes):
            fix = self.fixes.get(number)
            out.extend(fix.changes if fix and fix.known <= at else (change,))
        return out

    def family(self, at: int) -> list[Customer]:
        """This customer and those merged into it by then."""
        return [self, *(other for when, other in self.merges if when <= at)]

    def ledger(self, at: int) -> list[Change]:
        """All changes that count for this customer at a moment, by time."""
        return sorted(change for member in self.family(at) for change in member.known(at))

    def revisions(self) -> list[int]:
        """The moments at which this customer's history is computed again; the first is 0."""
        moments = {0, *(fix.known for fix in self.fixes.values())}
        for when, other in self.merges:
            moments |= {when, *(fix.known for fix in other.fixes.values() if fix.known > when)}
        return sorted(m for m in moments if m < self.gone)


def customers(seed: int, scale: float, until: int) -> list[Customer]:
    """All customers who arrive before `until`, with the changes before `until`."""
    book: list[Customer] = []
    index = 0
    while (base := _arrival(index, scale)) < until:
        draw = dice(seed, "customer", index)
        created = base + draw.randrange(2 * DAY)
        if created < until:
            book.append(_customer(seed, draw, index, created, until))
        index += 1
    _merge_and_delete(seed, book, until)
    return book


def _arrival(index: int, scale: float) -> int:
    share = (index + 0.5) / (CUSTOMERS * scale)
    return FOUNDED + int(GROWTH_DAYS * DAY * share ** (1 / GROWTH))


def _customer(seed: int, draw: Random, index: int, created: int, until: int) -> Customer:
    name = company_name(draw, index)
    place = draw.choice(PLACES)
    buys = draw.random() > 0.1
    start = created + draw.randrange(HOUR, 25 * DAY)
    changes = _life(draw, index, start, until) if buys else []
    fixes = _fixes(dice(seed, "fixes", index), changes)
    return Customer(index, name, place, created, changes, fixes, _subs(changes))


def _life(draw: Random, index: int, start: int, until: int) -> list[Change]:
    changes: list[Change] = []
    running: dict[str, tuple[int, int]] = {}
    bought = 0
    at = _near_a_border(draw, start)
    just: set[str] = set()  # the subscriptions that changed at this very moment
    while at < until:
        kind = draw.random()
        others = sorted(running.keys() - just)
        if not others or (kind < 0.1 and len(running) < 3):
            bought += 1
            sub, plan, seats = (
                f"sub_{index + 1:07d}_{bought}",
                draw.randrange(len(PLANS)),
                1 + int(draw.expovariate(0.2)),
            )
        else:
            sub = draw.choice(others)
            plan, seats = _next_state(draw, kind, *running[sub])
        changes.append(Change(at, sub, plan, seats, PLANS[plan].seat * seats))
        if seats:
            running[sub] = (plan, seats)
        else:
            del running[sub]
        if not running and draw.random() > 0.5:
            break
        just.add(sub)
        if draw.random() < TWIN:
            continue
        just.clear()
        wait = draw.expovariate(1 / (140 * DAY)) if running else draw.uniform(5 * DAY, 120 * DAY)
        at = _near_a_border(draw, at + DAY + int(wait))
    return changes


def _next_state(draw: Random, kind: float, plan: int, seats: int) -> tuple[int, int]:
    if kind < 0.25:
        return plan, 0
    if kind < 0.4 and seats > 1:
        return plan, draw.randrange(1, seats)
    same_cycle = [p for p in range(len(PLANS)) if PLANS[p].months == PLANS[plan].months and p != plan]
    if kind < 0.5 and same_cycle:
        return draw.choice(same_cycle), seats
    return plan, seats + 1 + int(draw.expovariate(0.5))


def _near_a_border(draw: Random, at: int) -> int:
    """A third of all changes happens minutes around the next month border of the account's time zone."""
    near, minutes, second = draw.random() < 0.3, draw.randint(-9, 9), draw.randrange(MINUTE)
    return border_after(at) + minutes * MINUTE + (second if minutes else 0) if near else at


def _fixes(draw: Random, changes: list[Change]) -> dict[int, Fix]:
    fixes: dict[int, Fix] = {}
    for number, change in enumerate(changes):
        wrong, kind, days, part = draw.random() < 0.07, draw.random(), draw.uniform(6, 60), draw.uniform(0.2, 0.8)
        if not wrong or not change.mrr:
            continue
        known = change.at + int(days * DAY)
        amended = change._replace(mrr=change.mrr + max(1, int(change.mrr * part / 8)))
        following = changes[number + 1].at if number + 1 < len(changes) else FOREVER
        before = next((c for c in reversed(changes[:number]) if c.sub == change.sub), None)
        roomy = before is not None and following > change.at + 4 * DAY
        if kind < 0.4 or before is None or not roomy:
            fixes[number] = Fix(known, (amended,))
        elif kind < 0.7:
            fixes[number] = Fix(known, (change._replace(at=change.at + int(part * 3 * DAY)),))
        else:
            middle = before.mrr + int((change.mrr - before.mrr) * part)
            fixes[number] = Fix(
                known, (change._replace(mrr=middle), change._replace(at=change.at + int(part * 3 * DAY)))
            )
    return fixes


def _subs(changes: list[Change]) -> list[Sub]:
    subs: dict[str, Sub] = {}
    for change in changes:
        if change.sub not in subs:
            subs[change.sub] = Sub(change.sub, len(subs) + 1, change.plan, change.at, FOREVER)
        elif not change.mrr:
            subs[change.sub] = subs[change.sub]._replace(end=change.at)
    return list(subs.values())


def _merge_and_delete(seed: int, book: list[Customer], until: int) -> None:
    """Customers numbered …3 may be merged into one numbered …0, those numbered …7 may be deleted."""
    by_index = {c.index: c for c in book}
    for customer in book:
        draw = dice(seed, "end", customer.index)
        unlucky, at = draw.random() < 0.3, customer.created + int(draw.uniform(40, 400) * DAY)
        target = by_index.get(10 * draw.randrange(customer.index // 10 + 1))
        if not unlucky or at >= until:
            continue
        if customer.index % 10 == 7:
            customer.gone = customer.deleted = at
        elif customer.index % 10 == 3 and target is not None:
            customer.gone, customer.merged_into = at, target.index
            target.merges.append((at, customer))
    for customer in book:
        customer.merges.sort(key=lambda merge: (merge[0], merge[1].index))
