"""Moments and spans of time, and how vendors spell them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def hours(n: int) -> timedelta:
    return timedelta(hours=n)


def days(n: int) -> timedelta:
    return timedelta(days=n)


class TimeFormat(StrEnum):
    """How a vendor spells a moment in a query."""

    ISO = "iso"
    DATE = "date"
    UNIX = "unix"
    UNIX_MS = "unix_ms"

    def spell(self, moment: datetime) -> str | int:
        match self:
            case TimeFormat.ISO:
                return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            case TimeFormat.DATE:
                return moment.astimezone(UTC).strftime("%Y-%m-%d")
            case TimeFormat.UNIX:
                return int(moment.timestamp())
            case TimeFormat.UNIX_MS:
                return (moment - EPOCH) // timedelta(milliseconds=1)


@dataclass(frozen=True)
class Span:
    """[start, end) in UTC."""

    start: datetime
    end: datetime

    def sliced(self, step: timedelta | None) -> Iterator[Span]:
        """The span cut into steps from its start; whole when `step` is None; nothing when it is empty."""
        at = self.start
        while at < self.end:
            end = min(self.end, at + step) if step else self.end
            yield Span(at, end)
            at = end


def moment_of(value: object) -> datetime | None:
    """A moment from a field of a record: ISO text or Unix seconds; None when it is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (ValueError, OverflowError, OSError):
            return None
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            return None
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return None
