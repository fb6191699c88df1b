"""The campaign: batch after batch through the real path, workers killed on the way and run again as Airflow would."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from bench.chaos.again import most_again, pages_again, seals
from bench.chaos.judge import read_cursor
from bench.chaos.points import EXTRACT, LOAD, Deck, Point, Site
from bench.chaos.stack import Stack
from bench.chaos.worker import Ended, Outcome, Workers, sealing
from catchment.batch import Batch
from catchment.sources import source
from catchment.warehouse import session

STREAMS = (
    *("google_sheets.team_targets", "google_sheets.account_owners", "google_sheets.feature_flags_by_segment"),
    *("chartmogul.customers", "chartmogul.subscriptions", "chartmogul.plan_groups", "chartmogul.plan_group_plans"),
    *("chartmogul.invoices", "chartmogul.activities", "chartmogul.account"),
    *("chartmogul.metrics_all", "chartmogul.metrics_mrr", "chartmogul.metrics_ltv"),
    *("zendesk.users", "zendesk.organizations", "zendesk.ticket_events", "zendesk.ticket_metric_events"),
    *("zendesk.satisfaction_ratings", "zendesk.groups", "zendesk.deleted_tickets", "zendesk.tickets"),
)
# In the past of any real clock. The last one goes over a month's end, when windows are read from the start of history.
BORDERS = tuple(datetime(2026, month, day, 2, tzinfo=UTC) for month, day in ((1, 5), (2, 3), (2, 14), (2, 27), (3, 1)))
TRIES = 8


@dataclass
class Campaign:
    """Runs batches with `points` kills spread over them.

    The vendors' time stands still while a batch is read, and moves on after a kill that makes the batch be read again,
    so that a retry finds another world than the attempt before. In the last interval it stands at the interval's end,
    which is the moment of the truth to compare with.

    `pages_again` counts what kills cost of the streams that seal checkpoints; a list is read whole in any case.
    """

    stack: Stack
    workers: Workers
    dice: random.Random
    points: int
    report: Callable[[str], None]
    dealt: int = 0
    fired: Counter[Site] = field(default_factory=Counter)
    assets: Counter[str] = field(default_factory=Counter)
    pages_again: int = 0
    too_many_again: int = 0
    _deck: Deck = field(init=False)

    def __post_init__(self) -> None:
        self._deck = Deck(self.dice)

    def run(self, streams: Sequence[str] = STREAMS, borders: Sequence[datetime] = BORDERS) -> None:
        intervals = list(pairwise(borders))
        left = len(intervals) * len(streams)
        for start, end in intervals:
            last = end == borders[-1]
            self.stack.set_clock(end.timestamp() + (0 if last else 600))
            for name in streams:
                of, stream = name.split(".")
                batch = Batch(source=of, stream=stream, start=start, end=end)
                owed = self.points - self.dealt
                self._sync(batch, kills=owed // left + (self.dice.random() < owed % left / left), moves=not last)
                left -= 1

    def _sync(self, batch: Batch, *, kills: int, moves: bool) -> None:
        """One batch, extracted and loaded, with some kills on the way."""
        began, before = time.monotonic(), self.dealt
        reading = (kills + self.dice.randint(0, kills % 2)) // 2
        landed = self._extract(batch, reading, moves=moves)
        rows = self._load(batch, landed, kills - reading) if landed.key else None
        self.report(
            f"{batch}: {self.dealt - before} kills, {'unchanged' if rows is None else f'{rows} rows'}, "
            f"{time.monotonic() - began:.1f} s; {sum(self.fired.values())} of {self.points} fired"
        )

    def _extract(self, batch: Batch, kills: int, *, moves: bool) -> Outcome:
        for _ in range(kills):
            passes = _handed(self.workers.rehearse(batch), f"rehearse {batch}").passes
            point = self._deal(EXTRACT, {site: passes.get(site, 0) for site in EXTRACT})
            if point.site is Site.WAIT:
                self.stack.refuse(batch.source, after=self.dice.randrange(passes[Site.PAGE]))
            self._kill_extract(batch, point)
            if point.site is Site.WAIT:
                self.stack.end_refusal()
            if moves:
                self.stack.advance_clock(self.dice.randint(60, 1800))
        return _handed(self._trying(lambda: self.workers.extract(batch, None), str(batch)), str(batch))

    def _kill_extract(self, batch: Batch, point: Point) -> None:
        before = self._cursor(batch)
        self.stack.forget_requests()
        ended = self._trying(lambda: self.workers.extract(batch, point), str(batch))
        self._count(point, ended)
        spec = source(batch.source)
        read = spec.stream(batch.stream).read
        if not seals(read):
            return
        again = pages_again(read, self.stack.requests(batch.source), before, self._cursor(batch))
        self.pages_again += again
        if again > most_again(read, sealing(batch), spec.api.parallel if spec.api else 1):
            self.too_many_again += 1
            self.report(f"{batch}: {point} cost {again} pages, more than a checkpoint")

    def _cursor(self, batch: Batch) -> str | None:
        opened = session.connect(self.stack.connections["snowflake_default"])
        try:
            return read_cursor(opened, batch.id)
        finally:
            opened.close()

    def _load(self, batch: Batch, landed: Outcome, kills: int) -> int:
        key = landed.key or ""
        for _ in range(kills):
            passes = _handed(self.workers.rehearse_load(key), f"rehearse the load of {batch}").passes
            point = self._deal(LOAD, {site: passes.get(site, 0) for site in LOAD})
            ended = self._trying(lambda point=point: self.workers.load(key, point), str(batch))
            self._count(point, ended)
            self.assets[batch.id] += ended.outcome is not None
        loaded = _handed(self._trying(lambda: self.workers.load(key, None), str(batch)), str(batch))
        self.assets[batch.id] += 1
        return loaded.rows

    def _deal(self, sites: tuple[Site, ...], passes: dict[Site, int]) -> Point:
        self.dealt += 1
        return self._deck.deal(sites, passes)

    def _count(self, point: Point, ended: Ended) -> None:
        if ended.killed:
            self.fired[point.site] += 1
        else:
            self.report(f"did not fire: {point}")

    def _trying(self, run: Callable[[], Ended], what: str) -> Ended:
        """Run a worker again while it says that it is worth it."""
        for tried in range(1, TRIES + 1):
            ended = run()
            if ended.killed or ended.outcome is None or not ended.outcome.error:
                return ended
            self.report(f"{what}: {ended.outcome.error}")
            if not ended.outcome.again:
                break
            time.sleep(0.2 * tried)
        raise RuntimeError(f"{what} does not get through.")


def _handed(ended: Ended, what: str) -> Outcome:
    """The outcome of a worker that nobody killed."""
    if ended.outcome is None or ended.killed or ended.outcome.error:
        raise RuntimeError(f"{what}: the worker ended without a result: {ended.outcome and ended.outcome.error}")
    return ended.outcome


def parents_first(chosen: Iterable[str]) -> tuple[str, ...]:
    """The chosen streams in the campaign's order, in which a parent comes before its children."""
    wanted = set(chosen)
    if unknown := wanted - set(STREAMS):
        raise ValueError(f"{sorted(unknown)[0]} is not among the campaign's streams: {', '.join(STREAMS)}")
    return tuple(name for name in STREAMS if name in wanted)
