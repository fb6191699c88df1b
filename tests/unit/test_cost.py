"""docs/cost.md says what the declared cadence costs: every figure is recomputed here, from the page's own assumptions.

Bills that surprise people come of what wakes a warehouse, not of what it does: a check every minute on a warehouse that
sleeps after one never lets it sleep, and each wake costs 60 seconds at least (Snowflake, "Overview of warehouses").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from catchment.sources import SOURCES
from catchment.warehouse.names import CDC_WAREHOUSE
from catchment.warehouse.provision import SIZES, Settings, render

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cost.md"
DAY = 24 * 3600
DAYS = 31
CREDITS_PER_GB = 0.0037
GB_A_DAY = {"small": 0.3, "large": 75}
LOADER = "cdc-load"
HEALTH = "cdc_connector_health"
Interval = tuple[int, int]


@dataclass(frozen=True)
class Job:
    """Who asks, when (a schedule, or None for the loader), on which warehouse, and for how many seconds."""

    name: str
    cron: str | None
    warehouse: str
    seconds: dict[str, int]


def tables() -> list[list[list[str]]]:
    """The page's tables as cells, without their heads."""
    found = re.findall(r"(?:^\|.*\n)+", PAGE.read_text(), re.M)
    return [[[cell.strip() for cell in row.strip("|").split("|")] for row in t.splitlines()[2:]] for t in found]


JOBS_TABLE, SCENARIOS, WAREHOUSES = tables()


def jobs() -> list[Job]:
    return [
        Job(
            name.strip("`"),
            cadence.strip("`") if re.fullmatch(r"`[\d*/,]+( [\d*/,]+){4}`", cadence) else None,
            warehouse,
            {"small": int(small), "large": int(large)},
        )
        for name, cadence, warehouse, small, large in JOBS_TABLE
    ]


def starts(cron: str) -> Iterator[int]:
    """The seconds of a day at which a schedule that looks at minutes and hours alone is due."""
    minutes, hours, *rest = cron.split()
    assert rest == ["*", "*", "*"]
    for hour in _values(hours, 24):
        yield from (hour * 3600 + minute * 60 for minute in _values(minutes, 60))


def _values(field: str, end: int) -> Sequence[int]:
    if field.startswith("*"):
        return range(0, end, int(field.partition("/")[2] or 1))
    return [int(value) for value in field.split(",")]


def awake(runs: Iterable[Interval], auto_suspend: int) -> int:
    """The seconds of a day that a warehouse is awake, and paid."""
    seconds, until = 0, 0
    for start, end in sorted(runs):
        end = min(end + auto_suspend, DAY)
        seconds += max(0, end - max(start, until))
        until = max(until, end)
    return seconds


def runs(warehouse: str, company: str, *, flush: int | None = None, health: str | None = None) -> Iterator[Interval]:
    """When a warehouse is asked; `flush` None is without our loader, `health` another schedule of the health check."""
    for job in (j for j in jobs() if j.warehouse == warehouse):
        cron = health if health and job.name == HEALTH else job.cron
        due = starts(cron) if cron else range(flush // 2, DAY, flush) if flush else ()  # it keeps no time with DAGs
        yield from ((start, start + job.seconds[company]) for start in due)


def auto_suspend(warehouse: str) -> int:
    text = "\n".join(statement.sql for statement in render(Settings(), SOURCES.values()))
    found = re.search(rf"ALTER WAREHOUSE {warehouse} SET\s.*?AUTO_SUSPEND = (\d+)", text, re.S)
    assert found
    return int(found[1])


def cost(seconds: int, size: str) -> tuple[str, str]:
    """Hours a day, and credits a month."""
    hours = seconds / 3600
    return f"{hours:.1f}", f"{hours * DAYS * 2 ** SIZES.index(size):.0f}"


def declared(dag: str) -> str:
    """The schedule in a DAG's file."""
    (file,) = (ROOT / "dags").glob(f"*/{dag}.py")
    found = re.search(r'(?:schedule=|Timetable\()"([^"]+)"', file.read_text())
    assert found, file
    return found[1]


@pytest.mark.parametrize("job", [job for job in jobs() if job.name != LOADER], ids=lambda job: job.name)
def test_the_page_has_the_declared_schedule(job: Job) -> None:
    assert job.cron == declared(job.name)


def test_the_page_has_every_dag_with_a_schedule() -> None:
    scheduled = {
        file.stem for file in (ROOT / "dags").glob("*/*.py") if re.search(r'(schedule=|Timetable\()"', file.read_text())
    }
    assert {job.name for job in jobs()} == scheduled | {LOADER}


@pytest.mark.parametrize("row", SCENARIOS, ids=lambda row: " ".join(row[:4]))
def test_what_change_data_capture_costs(row: list[str]) -> None:
    company, by, flush, health, size = row[:5]
    seconds = int(flush.removesuffix(" s")) if by == "loader" else None
    asked = runs(CDC_WAREHOUSE, company, flush=seconds, health=health.strip("`"))
    hours, credits = cost(awake(asked, auto_suspend(CDC_WAREHOUSE)), size)
    streaming = 0.0 if by == "loader" else GB_A_DAY[company] * DAYS * CREDITS_PER_GB
    assert row[5:] == [hours, credits, f"{streaming:.1f}".removesuffix(".0"), f"{float(credits) + streaming:.0f}"]


@pytest.mark.parametrize("row", WAREHOUSES, ids=lambda row: row[0])
def test_what_each_warehouse_costs_as_declared_and_that_its_quota_is_far_above(row: list[str]) -> None:
    name, *figures = row
    found = [
        cost(awake(runs(name, company, flush=5), auto_suspend(name)), "SMALL" if company == "large" else "XSMALL")
        for company in ("small", "large")
    ]
    quota = getattr(Settings(), f"{name.lower()}_credits")
    assert figures == [*found[0], str(quota), *found[1]]
    assert float(found[0][1]) < 0.8 * quota


def test_the_page_has_the_declared_auto_suspend() -> None:
    assert {auto_suspend(name) for name, *_ in WAREHOUSES} == {60}
    assert "`AUTO_SUSPEND` after the last one's end: 60 seconds" in PAGE.read_text()
