"""The Metrics API's numbers, computed from the movements that the books show at a moment.

Intervals are cut in the account's time zone and `date` is an interval's last day, or the last day asked for when that
comes first. MRR is the sum of all movements so far. Churn rates are percents of what was there when the interval began;
net MRR churn counts expansion and reactivation against it. ARPA = MRR / customers, ASP = yearly value of new business
by new customer, LTV = ARPA / customer churn rate.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from local.company.moments import local_date, midnight, next_month
from local.company.table import Row, Table

Record = dict[str, Any]
KINDS = ("new_biz", "expansion", "contraction", "churn", "reactivation")
PARTS = {
    "mrr-new-business": "new_biz",
    "mrr-expansion": "expansion",
    "mrr-contraction": "contraction",
    "mrr-churn": "churn",
    "mrr-reactivation": "reactivation",
}


@dataclass(frozen=True)
class Point:
    """One interval's numbers: cents, counts and percents."""

    day: date
    mrr: int
    customers: int
    parts: dict[str, int]
    counts: dict[str, int]
    mrr_before: int
    customers_before: int

    @property
    def arpa(self) -> int:
        return round(self.mrr / self.customers) if self.customers else 0

    @property
    def asp(self) -> int:
        return round(12 * self.parts["new_biz"] / self.counts["new_biz"]) if self.counts["new_biz"] else 0

    @property
    def customer_churn_rate(self) -> float:
        return _percent(self.counts["churn"], self.customers_before)

    @property
    def mrr_churn_rate(self) -> float:
        return _percent(-sum(self.parts[k] for k in KINDS if k != "new_biz"), self.mrr_before)

    @property
    def ltv(self) -> float:
        rate = self.customer_churn_rate
        return round(100 * self.arpa / rate, 2) if rate else 0

    def value(self, metric: str) -> int | float:
        """A metric by the vendor's name."""
        return {
            "mrr": self.mrr,
            "arr": 12 * self.mrr,
            "arpa": self.arpa,
            "asp": self.asp,
            "customers": self.customers,
            "customer-churn-rate": self.customer_churn_rate,
            "mrr-churn-rate": self.mrr_churn_rate,
            "ltv": self.ltv,
        }[metric]


ALL = ("mrr", "arr", "customer-churn-rate", "mrr-churn-rate", "ltv", "customers", "asp", "arpa")


def points(
    activities: Table, at: int, start: date, end: date, interval: str, accept: Callable[[Row], bool] | None = None
) -> list[Point]:
    """The numbers of each interval between two days, both included, that has begun by the moment."""
    rows = [r for r in activities.live(at) if accept is None or accept(r)]
    moments = [r.data[1].at for r in rows]
    found: list[Point] = []
    mrr = customers = 0
    done = bisect_right(moments, midnight(start) - 1)
    for row in rows[:done]:
        mrr, customers = mrr + row.data[1].delta, customers + _step(row.data[1].kind)
    for last in intervals(start, min(end, local_date(at)), end, interval):
        upto = max(done, bisect_right(moments, midnight(last + timedelta(days=1)) - 1))
        parts, counts = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0)
        before = mrr, customers
        for row in rows[done:upto]:
            movement = row.data[1]
            parts[movement.kind] += movement.delta
            counts[movement.kind] += 1
            mrr, customers = mrr + movement.delta, customers + _step(movement.kind)
        found.append(Point(last, mrr, customers, parts, counts, *before))
        done = upto
    return found


def intervals(start: date, upto: date, end: date, interval: str) -> Iterator[date]:
    """The last day of each interval that begins between `start` and `upto`, none later than `end`."""
    day = start
    while day <= upto:
        last = _last_day(day, interval)
        yield min(last, end)
        day = last + timedelta(days=1)


def _last_day(day: date, interval: str) -> date:
    if interval == "day":
        return day
    if interval == "week":
        return day + timedelta(days=6 - day.weekday())
    months = {"month": 1, "quarter": 3 - (day.month - 1) % 3, "year": 13 - day.month}[interval]
    for _ in range(months):
        day = next_month(day)
    return day - timedelta(days=1)


def _step(kind: str) -> int:
    return 1 if kind in ("new_biz", "reactivation") else -1 if kind == "churn" else 0


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def change(now: float, before: float) -> float:
    """How much more, in percent; 0.0 after nothing."""
    return _percent(now - before, before)


def all_entries(found: list[Point]) -> list[Record]:
    """The entries of /metrics/all."""
    entries = []
    for before, point in zip([None, *found[:-1]], found, strict=True):
        entry: Record = {"date": point.day.isoformat()}
        for metric in ALL:
            value = point.value(metric)
            entry[metric] = value
            entry[f"{metric}-percentage-change"] = change(value, before.value(metric)) if before else 0.0
        entries.append(entry)
    return entries


def entries(found: list[Point], metric: str) -> list[Record]:
    """The entries of one metric's own list; MRR comes with its parts."""
    listed = []
    for before, point in zip([None, *found[:-1]], found, strict=True):
        value = point.value(metric)
        entry: Record = {"date": point.day.isoformat(), metric: value}
        if metric == "mrr":
            entry |= {name: point.parts[kind] for name, kind in PARTS.items()}
        entry["percentage-change"] = change(value, before.value(metric)) if before else 0.0
        listed.append(entry)
    return listed


def summary(found: list[Point], metric: str | None = None) -> Record:
    """How the last interval compares with the one before it."""
    now, before = (found[-1], found[-2] if len(found) > 1 else None) if found else (None, None)
    values: Record = {}
    for name in (metric,) if metric else ALL:
        current = now.value(name) if now else 0
        previous = before.value(name) if before else 0
        prefix, suffix = ("", "") if metric else (f"{name}-", f"-{name}")
        values[f"current{suffix}"] = current
        values[f"previous{suffix}"] = previous
        values[f"{prefix}percentage-change"] = change(current, previous)
    return values
