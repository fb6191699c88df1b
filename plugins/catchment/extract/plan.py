"""What a batch has to read, decided before the first request. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from catchment.batch import Batch, Kind, Mode
from catchment.spec import SavedCursor, SheetTab, Snapshot, SourceSpec, Stream, TimeExport, TimeFormat, Window


@dataclass(frozen=True)
class Progress:
    """Where a stream stood before a batch, from the ledger: the cursor, and whether it ever loaded anything.

    `reached` is the cursor that this very batch reached when it was loaded before, `reached_at` when that was: later
    batches went on from there, so that reading it again must get at least as far.
    """

    cursor: str | None = None
    loaded: bool = False
    reached: str | None = None
    reached_at: datetime | None = None


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


@dataclass(frozen=True)
class ReadAll:
    """The whole list; `span` for lists that require dates."""

    span: Span


@dataclass(frozen=True)
class ReadSpan:
    """Everything in a span of the stream's own time."""

    span: Span


@dataclass(frozen=True)
class ReadOn:
    """Go on from `cursor`, or where that is None from `start`, until the records reach `until` or the export ends.

    With `reached`, not before that cursor was met, or the records reach `reached_at`.
    """

    cursor: str | None
    start: datetime
    until: datetime
    reached: str | None = None
    reached_at: datetime | None = None


@dataclass(frozen=True)
class ReadTab:
    """Read a tab, unless it is still as `cursor` says."""

    cursor: str | None


Plan = ReadAll | ReadSpan | ReadOn | ReadTab


def plan(source: SourceSpec, stream: Stream, batch: Batch, progress: Progress) -> Plan:
    """What `batch` reads. A backfill reads its own interval; a scheduled batch goes on from the ledger's cursor."""
    backfill = batch.kind is Kind.BACKFILL
    cursor = None if batch.mode is Mode.FULL or backfill else progress.cursor
    match stream.read:
        case Snapshot():
            return ReadAll(Span(source.history_start, batch.end))
        case Window() as window:
            return ReadSpan(_span(source, window, batch, cursor))
        case SavedCursor() | TimeExport():
            if backfill:
                return ReadOn(None, batch.start, batch.end)
            return ReadOn(cursor, source.history_start, batch.end, progress.reached, progress.reached_at)
        case SheetTab():
            return ReadTab(cursor)


def _span(source: SourceSpec, window: Window, batch: Batch, cursor: str | None) -> Span:
    if batch.kind is Kind.BACKFILL:
        return Span(batch.start, batch.end)
    if cursor is None or window.lookback is None or (window.full_each_month and _first_of_month(cursor, batch.end)):
        return Span(source.history_start, batch.end)
    start = min(datetime.fromisoformat(cursor), batch.end) - window.lookback
    return Span(max(start, source.history_start), batch.end)


def _first_of_month(cursor: str, end: datetime) -> bool:
    before = datetime.fromisoformat(cursor)
    return (before.year, before.month) < (end.year, end.month)


def spelled(moment: datetime, how: TimeFormat) -> str | int:
    """A moment as a vendor wants it in a query."""
    match how:
        case TimeFormat.ISO:
            return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case TimeFormat.DATE:
            return moment.astimezone(UTC).strftime("%Y-%m-%d")
        case TimeFormat.UNIX:
            return int(moment.timestamp())


def moment_of(value: object) -> datetime | None:
    """A moment from a record's version field: ISO text or Unix seconds; None when it is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            return None
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return None
