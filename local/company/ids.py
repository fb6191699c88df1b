"""ChartMogul's identifiers, and under which customer a thing is listed."""

from __future__ import annotations

from local.company.book import Customer
from local.company.dice import uuid

SOURCES = (("ds", 1), ("ds", 2))


class Ids:
    """Identifiers of one company: each is made from what it names."""

    def __init__(self, seed: int, book: list[Customer]) -> None:
        self.seed = seed
        self.book = {c.index: c for c in book}

    def id(self, prefix: str, *name: object) -> str:
        """`prefix_uuid`, as the vendor spells identifiers."""
        return f"{prefix}_{uuid(self.seed, prefix, *name)}"

    def owner(self, customer: Customer, at: int) -> Customer:
        """The customer under which a thing is listed at a moment: the one it was merged into, if it was."""
        if customer.merged_into is not None and at >= customer.gone:
            return self.book[customer.merged_into]
        return customer

    def customer(self, customer: Customer, at: int) -> str:
        """The UUID of that customer."""
        return self.id("cus", self.owner(customer, at).index)

    def source(self, customer: Customer) -> str:
        """The data source that a customer comes from."""
        return self.id(*SOURCES[customer.index % 8 == 1])
