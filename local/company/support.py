"""The help desk: agents, tickets and what happens to them, customer by customer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from local.company.book import Customer
from local.company.dice import dice
from local.company.moments import DAY, FOREVER, FOUNDED, HOUR, MINUTE, border_after
from local.company.names import sentence
from local.company.people import Person, people

REINDEX = FOUNDED + 900 * DAY + 4 * HOUR  # a system update of every third ticket, in one second
PRIORITIES = ("low", "normal", "high", "urgent", None)
KINDS = ("question", "incident", "problem", "task", None)
CHANNELS = ("web", "email", "api", "mobile", "email", "voice")
AGENTS = 8


class Step(NamedTuple):
    """One update of a ticket that makes an event: who did it, what was said, and the status after it."""

    at: int
    by_agent: bool
    status: str
    comment: str | None
    public: bool


@dataclass(slots=True)
class Ticket:
    """One ticket's whole life. `touched` are system updates, which make no event."""

    customer: Customer
    number: int
    requester: Person
    agent: int
    subject: str
    channel: str
    priority: str | None
    kind: str | None
    steps: tuple[Step, ...]
    touched: tuple[int, ...]
    deleted: int
    offered: int
    rated: int
    rerated: int
    good: bool
    id: int = 0

    @property
    def created(self) -> int:
        return self.steps[0].at

    @property
    def scrubbed(self) -> int:
        """Personal text is replaced 30 days after the deletion."""
        return self.deleted + 30 * DAY if self.deleted < FOREVER else FOREVER

    @property
    def replied(self) -> int:
        return self.steps[1].at if len(self.steps) > 1 else FOREVER

    @property
    def solved(self) -> int:
        return next((s.at for s in self.steps if s.status == "solved"), FOREVER)

    def at(self, moment: int) -> tuple[Step, int]:
        """The last step by a moment, and when the ticket was last updated (by a step or its deletion)."""
        step = [s for s in self.steps if s.at <= moment][-1]
        return step, max(step.at, self.deleted if self.deleted <= moment else 0)

    def moments(self) -> list[int]:
        """All moments at which its record changes, `generated_timestamp` at least."""
        changes = {s.at for s in self.steps} | set(self.touched)
        changes |= {self.deleted, self.scrubbed, self.offered, self.rated, self.rerated}
        if self.id % 3 == 0 and FOUNDED <= self.created < REINDEX:
            changes.add(REINDEX)
        return sorted(c for c in changes if c < FOREVER)


def tickets(seed: int, book: list[Customer], until: int) -> list[Ticket]:
    """All tickets opened before `until`; ids follow the order in which they were opened."""
    found = [ticket for customer in book for ticket in _tickets(seed, customer, until)]
    found.sort(key=lambda t: (t.created, t.customer.index, t.number))
    for number, ticket in enumerate(found, 1):
        ticket.id = number
    return found


def _tickets(seed: int, customer: Customer, until: int) -> Iterator[Ticket]:
    draw = dice(seed, "tickets", customer.index)
    staff = people(seed, customer)
    at = customer.created + int(draw.expovariate(1 / (70 * DAY)))
    number = 0
    while at < min(until, customer.gone):
        requester = draw.choice([p for p in staff if p.created <= at and at < p.left] or staff[:1])
        yield _ticket(dice(seed, "ticket", customer.index, number), customer, number, requester, at)
        number += 1
        at += HOUR + int(draw.expovariate(1 / (232 * DAY)))
        if draw.random() < 0.05:  # minutes around a month's border in the account's time zone
            at = border_after(at) + draw.randint(-3, 3) * MINUTE


def _ticket(draw: Random, customer: Customer, number: int, requester: Person, at: int) -> Ticket:
    steps = [Step(at, False, "new", _comment(draw), True)]
    at += int(draw.expovariate(1 / (7 * HOUR))) + MINUTE
    quick = draw.random() < 0.4
    steps.append(Step(at, True, "solved" if quick else "pending", _comment(draw), True))
    if draw.random() < 0.3 and not quick:
        at += draw.randrange(HOUR, 2 * DAY)
        steps.append(Step(at, False, "open", _comment(draw), True))
    if not quick and draw.random() < 0.95:
        at += draw.randrange(HOUR, 4 * DAY)
        steps.append(Step(at, True, "solved", _comment(draw), draw.random() < 0.8))
    solved = steps[-1].status == "solved"
    offered = at + HOUR if solved and draw.random() < 0.5 else FOREVER
    rated = offered + draw.randrange(HOUR, 2 * DAY) if offered < FOREVER and draw.random() < 0.8 else FOREVER
    rerated = rated + 3 * DAY if rated < FOREVER and draw.random() < 0.1 else FOREVER
    if solved and draw.random() < 0.4:
        at += 4 * DAY + draw.randrange(DAY)
        steps.append(Step(at, True, "closed", None, False))
    touched = (at + draw.randrange(DAY, 60 * DAY),) if draw.random() < 0.3 else ()
    deleted = at + draw.randrange(DAY, 90 * DAY) if draw.random() < 0.05 else FOREVER
    return Ticket(
        customer,
        number,
        requester,
        draw.randrange(AGENTS),
        sentence(draw, 4),
        draw.choice(CHANNELS),
        draw.choice(PRIORITIES),
        draw.choice(KINDS),
        tuple(steps),
        touched,
        deleted,
        offered,
        rated,
        rerated,
        good=draw.random() < 0.8,
    )


def _comment(draw: Random) -> str:
    """What people write; now and then a NUL, a backslash or a quote comes with it."""
    text, odd = sentence(draw, 12), draw.randrange(60)
    return {0: f"{text}\x00after the NUL", 1: f'C:\\temp\\"{text}"', 2: f"{text}\r\n\t— ütf 🧵"}.get(odd, text)
