"""The spreadsheets that teams keep by hand, with the spellings that people use.

Cells are texts as one sees them; those with a number or a day behind them are `Held`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from local.company.book import Customer
from local.company.cells import Held
from local.company.moments import DAY, FOUNDED, HOUR, local_date, midnight, next_month

Grid = list[list[str]]
SALES = "1SalesPlanningCatchment"
PRODUCT = "1ProductFeaturesCatchment"
TARGETS_HEADER = ["month", "team", "metric", "target", "owner"]
OWNERS_HEADER = ["account_code", "account_id", "owner", "segment_override"]
FEATURES_HEADER = ["feature", "segment", "since"]
TEAMS = (("EMEA", "Çağla Şahin"), ("Americas", "Bo O'Neil"), ("APAC", "さくら Tanaka"))
OWNERS = ("Alex Ångström", "Bo O'Neil", "Çağla Şahin", "")
SEGMENTS = ("enterprise", "mid-market", "small")
FEATURES = ("SSO", "Audit log", "API v2 🚀", "Exports", "Zero-trust", "Webhooks", "Größenfilter", "Dark mode")
OWNERS_ROWS = 2_000


@dataclass(frozen=True)
class Tab:
    """One tab: its cells at a moment, header included."""

    title: str
    sheet_id: int
    cells: Callable[[int], Grid]


@dataclass(frozen=True)
class Spreadsheet:
    """One file. `edited` gives the moment of the last edit before another."""

    id: str
    title: str
    tabs: tuple[Tab, ...]
    edited: Callable[[int], int]
    locale: str = "en_US"


def spreadsheets(book: list[Customer]) -> tuple[Spreadsheet, ...]:
    """All files of the company."""
    return (
        Spreadsheet(
            SALES,
            "Sales planning",
            (
                Tab("Targets", 0, _targets),
                Tab("Owners", 1_203_344, lambda at: _owners(book, at)),
                Tab("Notes – bitte nicht löschen", 99, lambda at: [["Fragen? → #sales"], [], ["", "v2"]]),
            ),
            _weekly_edit,
        ),
        Spreadsheet(PRODUCT, "Product features", (Tab("Features", 0, _features),), _feature_edit, "de_DE"),
    )


def _weekly_edit(at: int) -> int:
    """Sheets are gone over on Mondays at eight."""
    day = local_date(at - 8 * HOUR)
    return max(midnight(day - timedelta(days=day.weekday())) + 8 * HOUR, FOUNDED)


def _months(upto: date) -> Iterator[date]:
    month = local_date(FOUNDED)
    while month <= upto:
        yield month
        month = next_month(month)


def _targets(at: int) -> Grid:
    """A row for each team and month up to next month; a target is raised when its month is half over."""
    day = local_date(_weekly_edit(at))
    grid = [TARGETS_HEADER]
    for number, month in enumerate(_months(next_month(day))):
        for team, (name, owner) in enumerate(TEAMS):
            target = 20_000 + 1_500 * number + 5_000 * team
            if day >= month + timedelta(days=15):
                target += 1_000
            grid.append([f"{month:%Y-%m}", name, "new_mrr", _as_typed(target, number, team), owner])
        if number % 6 == 5:
            grid.append([])
    return grid


def _as_typed(value: int, number: int, team: int) -> str:
    """Mostly a number, in several formats; now and then a text with blanks around it, or none yet."""
    spellings = (
        Held(f"{value}", value),
        Held(f"{value:,}", value, "NUMBER"),
        Held(f"{value}.00", value, "NUMBER"),
        f" {value} ",
        "tbd",
    )
    odd = (number * 3 + team) % 17
    return spellings[odd] if odd in (1, 2, 3, 4) else spellings[0]


def _owners(book: list[Customer], at: int) -> Grid:
    edited = _weekly_edit(at)
    grid = [OWNERS_HEADER]
    for customer in book[:OWNERS_ROWS]:
        if customer.created >= edited or customer.gone + 30 * DAY < edited:
            continue
        owner = OWNERS[(customer.index + edited // (180 * DAY)) % len(OWNERS)]
        override = SEGMENTS[customer.index % 3] if customer.index % 10 == 2 else ""
        row = [f"{customer.index + 1:03d}", customer.external_id, owner, override]
        grid.append(row if override else row[:3] if owner else row[:2])
    return grid


def _feature_edit(at: int) -> int:
    return max(FOUNDED, FOUNDED + (at - FOUNDED) // (45 * DAY) * 45 * DAY)


def _features(at: int) -> Grid:
    grid = [FEATURES_HEADER]
    for number in range((_feature_edit(at) - FOUNDED) // (45 * DAY) + 1):
        since = local_date(FOUNDED + number * 45 * DAY)
        shown = Held.day(since, f"{since:%d.%m.%Y}") if number % 5 == 3 else Held.day(since)
        name = FEATURES[number % len(FEATURES)] + (f" {number // len(FEATURES) + 1}" if number >= len(FEATURES) else "")
        grid.append([name, SEGMENTS[number % 3], shown])
    return grid
