"""The people at the customers: contacts in ChartMogul, end users in Zendesk, joined by their e-mail address."""

from __future__ import annotations

from dataclasses import dataclass

from local.company.book import Customer
from local.company.dice import dice
from local.company.moments import DAY, FOREVER
from local.company.names import person

TITLES = ("CEO", "CTO", "Head of Finance", "Support Lead", "Développeuse", "Einkäufer", "Data & Ops 📊")


@dataclass(frozen=True, slots=True)
class Person:
    """One person at a customer; `promoted` changes title and phone, `left` ends the job."""

    customer: Customer
    number: int
    first: str
    last: str
    created: int
    title: str
    new_title: str
    promoted: int
    left: int

    @property
    def email(self) -> str:
        return f"person{self.number}@c{self.customer.external_id}.example"

    @property
    def phone(self) -> str:
        return f"+4930{self.customer.index % 100_000:05d}{self.number:02d}"

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"


def people(seed: int, customer: Customer) -> list[Person]:
    """One to three persons at each customer; the first one never leaves."""
    found = []
    for number in range(1, 2 + dice(seed, "people", customer.index).randrange(3)):
        draw = dice(seed, "person", customer.index, number)
        first, last = person(draw)
        created = customer.created + (0 if number == 1 else draw.randrange(90 * DAY))
        promoted = created + draw.randrange(30 * DAY, 900 * DAY) if draw.random() < 0.3 else FOREVER
        left = created + draw.randrange(100 * DAY, 900 * DAY) if number > 1 and draw.random() < 0.3 else FOREVER
        titles = draw.choice(TITLES), draw.choice(TITLES)
        found.append(Person(customer, number, first, last, created, *titles, promoted, left))
    return found
