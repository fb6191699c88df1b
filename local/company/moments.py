"""Time in the company: moments are whole Unix seconds; months are counted in the account's time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

TIME_ZONE = "Europe/Berlin"
ZONE = ZoneInfo(TIME_ZONE)
FOUNDED = int(datetime(2024, 1, 1, tzinfo=ZONE).timestamp())
FOREVER = 1 << 62
MINUTE = 60
HOUR = 3600
DAY = 86_400


def utc(at: int) -> str:
    """2026-11-23T09:28:10Z, as Zendesk writes moments."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_millis(at: int) -> str:
    """2026-11-23T09:28:10.000Z, as ChartMogul's invoices write them."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def with_offset(at: int) -> str:
    """2026-11-23T09:28:10+00:00, as ChartMogul's activities write them."""
    return datetime.fromtimestamp(at, UTC).isoformat()


def local(at: int) -> str:
    """2026-11-23T10:28:10+01:00: with the account's own offset, as ChartMogul's customers write them."""
    return datetime.fromtimestamp(at, ZONE).isoformat()


def spaced(at: int) -> str:
    """2026-11-23 09:28:10.000: no T, no zone, as ChartMogul's subscription events write them."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.000")


def local_date(at: int) -> date:
    """The day of a moment in the account's time zone."""
    return datetime.fromtimestamp(at, ZONE).date()


def midnight(day: date) -> int:
    """The moment at which a day of the account's time zone begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp())


def next_month(day: date) -> date:
    """The first day of the month after `day`'s."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


@cache
def month_border_after(year: int, month: int) -> int:
    return midnight(next_month(date(year, month, 1)))


def border_after(at: int) -> int:
    """The first month border (midnight in the account's time zone) after a moment."""
    day = local_date(at)
    return month_border_after(day.year, day.month)
