"""Where a worker is killed: the points of the path, and a seeded choice among those that a batch will pass. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class When(StrEnum):
    """Relative to the step: before it is asked for, while it is under way, or when it was answered."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


class Site(StrEnum):
    """The steps of a batch, in their order. A hand-over is what Airflow does with a task's result.

    A long reading passes those from the seal to "checkpoint loaded" once for each checkpoint but the last. It ends
    early when the vendor asks for a wait, which is a deferral, or when it has read for long enough.
    """

    PAGE = "page fetched"
    PART = "part upload"
    SEAL = "manifest write of a checkpoint"
    CHECKPOINT_BEGIN = "BEGIN of a checkpoint"
    CHECKPOINT_COPY = "COPY of a checkpoint"
    CHECKPOINT_COMMIT = "COMMIT of a checkpoint"
    CHECKPOINT_LOADED = "checkpoint loaded"
    WAIT = "deferral for the vendor's limit"
    QUEUE = "hand-over to a later try"
    MANIFEST = "manifest write"
    LEFTOVER = "deletion of a leftover part"
    HAND_OVER = "manifest handed to the load"
    BEGIN = "BEGIN"
    DELETE = "DELETE of the batch"
    COPY = "COPY"
    LEDGER = "INSERT into the ledger"
    COMMIT = "COMMIT"
    ASSET = "asset update"


LOAD = (Site.BEGIN, Site.DELETE, Site.COPY, Site.LEDGER, Site.COMMIT, Site.ASSET)
EXTRACT = tuple(site for site in Site if site not in LOAD)
_LONG = frozenset(  # steps that a kill can hit halfway
    {Site.PAGE, Site.PART, Site.CHECKPOINT_COPY, Site.CHECKPOINT_COMMIT, Site.COPY, Site.COMMIT}
)


@dataclass(frozen=True)
class Point:
    """The `n`-th time (from 1) that a worker comes to `site`."""

    site: Site
    n: int
    when: When

    def __str__(self) -> str:
        return f"{self.when} {self.site} {self.n}"


class Deck:
    """Deals points. Every site comes once before any comes again, as far as batches pass it."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._left: dict[tuple[Site, ...], list[Site]] = {}

    def deal(self, sites: tuple[Site, ...], passes: Mapping[Site, int]) -> Point:
        """A point at one of `sites`; `passes` says how many times the worker will come to each."""
        site = self._next(sites, passes)
        whens = [When.BEFORE, When.DURING, When.AFTER] if site in _LONG else [When.BEFORE, When.AFTER]
        return Point(site, self._dice.randint(1, passes[site]), self._dice.choice(whens))

    def _next(self, sites: tuple[Site, ...], passes: Mapping[Site, int]) -> Site:
        left = self._left.setdefault(sites, [])
        if not any(passes.get(site) for site in left):
            left.extend(self._dice.sample(sites, len(sites)))
        site = next(site for site in left if passes.get(site))
        left.remove(site)
        return site
