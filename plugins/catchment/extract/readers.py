"""One reader for each way of reading: generators of pages, one request a page.

A reader that goes on from a cursor reports how far it got through `Reached`, which is read after the last page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from catchment.errors import VendorUnavailable
from catchment.extract.http import Vendor
from catchment.extract.loops import LoopGuard
from catchment.extract.plan import ReadOn, Span, moment_of, spelled
from catchment.extract.splitter import Page, Reject, Splitter
from catchment.spec import CursorPages, OnePage, SavedCursor, Snapshot, Stream, TimeExport, Window


@dataclass
class Reached:
    """The cursor after the last page that was read."""

    cursor: str | None = None


def list_pages(
    vendor: Vendor, stream: Stream, *, path: str | None = None, params: Mapping[str, Any] | None = None
) -> Iterator[Page]:
    """All pages of a list, from its first."""
    path = stream.path if path is None else path
    params = {**stream.params, **(params or {})}
    match stream.pages:
        case OnePage():
            splitter = Splitter(stream.records, stream.key)
            yield vendor.get(path, params, limit=stream.rate, accept=splitter.split)
        case CursorPages() as pages:
            yield from _cursor_pages(vendor, stream, path, params, pages)


def _cursor_pages(
    vendor: Vendor, stream: Stream, path: str, params: dict[str, Any], pages: CursorPages
) -> Iterator[Page]:
    splitter = Splitter(stream.records, stream.key, (pages.field, pages.more))
    guard = LoopGuard()
    params[pages.size_param] = pages.size

    def accept(body: bytes) -> Page:
        page = splitter.split(body)
        more, cursor = page.fields[pages.more], page.fields[pages.field]
        if more:
            _require_next(cursor, asked=params.get(pages.param), name=pages.field)
        elif more is None and (cursor or len(page.records) >= pages.size):
            raise VendorUnavailable(f'it does not say by "{pages.more}" whether there is more')
        return page

    while True:
        page = vendor.get(path, params, limit=stream.rate, accept=accept)
        yield page
        if not page.fields[pages.more]:
            return
        cursor = str(page.fields[pages.field])
        guard.step(cursor)
        params[pages.param] = cursor


def span_pages(vendor: Vendor, stream: Stream, read: Window | Snapshot, span: Span) -> Iterator[Page]:
    """All pages of a list between two moments; without bounds where the list takes none."""
    params: dict[str, Any] = {}
    if read.start and read.end:
        params = {read.start: spelled(span.start, read.format), read.end: spelled(span.end, read.format)}
    return list_pages(vendor, stream, params=params)


def saved_cursor_pages(
    vendor: Vendor, stream: Stream, read: SavedCursor, plan: ReadOn, reached: Reached
) -> Iterator[Page]:
    """Pages of an export from the plan's cursor on.

    The export ends where the vendor says so, or after the page whose last record is at or past `until`: whole pages
    only, so that the cursor that is saved belongs to exactly the records that were landed. Records that have changed
    since move to the export's end, which shifts the borders of pages: a batch that is read again must therefore get
    past what it reached before, or records between the two borders would be in no batch.
    """
    splitter = Splitter(stream.records, stream.key, (read.field, read.done))
    guard = LoopGuard()
    reached.cursor = plan.cursor
    again = plan.reached is not None

    def accept(body: bytes) -> Page:
        page = splitter.split(body)
        if not page.fields[read.done]:
            _require_next(page.fields[read.field], asked=reached.cursor, name=read.field)
        return page

    while True:
        at: dict[str, Any] = (
            {read.param: reached.cursor} if reached.cursor else {read.start: int(plan.start.timestamp())}
        )
        page = vendor.get(stream.path, {**stream.params, **at}, limit=stream.rate, accept=accept)
        yield page
        if page.fields[read.field]:
            reached.cursor = str(page.fields[read.field])
        if again and (reached.cursor == plan.reached or _passed(stream, page, plan.reached_at)):
            again = False
        if page.fields[read.done] or (not again and _passed(stream, page, plan.until)):
            return
        guard.step(str(reached.cursor))


def time_export_pages(
    vendor: Vendor, stream: Stream, read: TimeExport, plan: ReadOn, reached: Reached, *, now: Callable[[], datetime]
) -> Iterator[Page]:
    """Pages of an export that is ordered by time, each beginning on the second at which the last one ended.

    Zendesk refuses a start within the last minute: what is younger waits for the next batch. A page that is full of
    one second can't be passed by going on from its end: the export then goes on with the next second, and the gap that
    this may leave is put among the rejects, for a person to see.
    """
    splitter = Splitter(stream.records, stream.key, (read.next, read.done))
    start = int(plan.cursor) if plan.cursor else int(plan.start.timestamp())
    until = max(plan.until.timestamp(), int(plan.reached or 0))
    reached.cursor = str(start)

    def accept(body: bytes) -> Page:
        page = splitter.split(body)
        end = page.fields[read.next]
        if not page.fields[read.done] and (not isinstance(end, int) or end < start):
            raise VendorUnavailable(f'its "{read.next}" is {end!r}, before the page\'s own start {start}')
        if not page.fields[read.done] and end == start and not _on_one_second(stream, page, start):
            raise VendorUnavailable(f"it is the page before the one asked for (start {start})")
        return page

    while start <= now().timestamp() - read.settle.total_seconds():
        page = vendor.get(stream.path, {**stream.params, read.start: start}, limit=stream.rate, accept=accept)
        end = int(page.fields[read.next] or start)
        if page.fields[read.done]:
            yield page
            reached.cursor = str(max(start, end))
            return
        if end == start:
            page, end = _with_gap(page, start), start + 1
        yield page
        start = end
        reached.cursor = str(start)
        if start >= until:
            return


def _with_gap(page: Page, second: int) -> Page:
    when = datetime.fromtimestamp(second, UTC).isoformat()
    gap = Reject(
        reason=f"possible gap: {len(page.records)} records share the second {when} and fill a page, so the "
        "vendor can't show whether there are more; compare with its list endpoint",
        record=msgspec.json.encode({"second": second, "records": len(page.records)}).decode(),
    )
    return Page(records=page.records, keys=page.keys, fields=page.fields, rejects=(*page.rejects, gap))


def _require_next(cursor: object, *, asked: object, name: str) -> None:
    """A page that is not the last must lead on; one that leads to itself is an old page sent again."""
    if not cursor:
        raise VendorUnavailable(f'it says that there is more, and its "{name}" is empty')
    if str(cursor) == str(asked):
        raise VendorUnavailable(f'its "{name}" is the one that was asked for: the page before came again')


def _on_one_second(stream: Stream, page: Page, second: int) -> bool:
    ends = (_version(stream, page.records[0]), _version(stream, page.records[-1])) if page.records else ()
    return bool(ends) and all(moment is not None and int(moment.timestamp()) == second for moment in ends)


def _version(stream: Stream, record: bytes) -> datetime | None:
    if not stream.version:
        return None
    return moment_of(msgspec.json.decode(record, type=dict[str, Any]).get(stream.version))


def _passed(stream: Stream, page: Page, until: datetime | None) -> bool:
    """Whether a page's last record is at or past `until`, by the stream's version field."""
    moment = _version(stream, page.records[-1]) if page.records and until else None
    return moment is not None and until is not None and moment >= until
