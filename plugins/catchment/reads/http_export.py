"""Exports of an HTTP API that are ordered by change, and go on from a cursor. They only ever add.

Which rows are current: the newest version of each key over all batches. A checkpoint may be sealed after any page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from catchment.errors import VendorUnavailable
from catchment.extract.loops import BorderFilter, LoopGuard
from catchment.extract.splitter import Page, Splitter
from catchment.http.client import Reply
from catchment.http.limits import RateLimit
from catchment.http.paginators import flag
from catchment.http.request import Request
from catchment.landing import RecordFormat
from catchment.reads.http_list import HttpList
from catchment.reads.http_pages import piece, pieces
from catchment.reads.protocol import Mark, Piece, ReadPlan, ReadTask
from catchment.spec import Current, Deleted, Stream
from catchment.times import moment_of

NONE: Mapping[str, Any] = {}


@dataclass(frozen=True, kw_only=True)
class CursorExport:
    """An export that goes on from the last batch's cursor; `start_param` (a Unix time) is for the first batch only.

    It ends where the vendor says so (`done`), or after the page whose last record is at or past the batch's end: whole
    pages only, so that the cursor that is saved belongs to exactly the records that were landed.
    """

    path: str
    records: str
    params: Mapping[str, Any] = field(default_factory=lambda: NONE)
    start_param: str = "start_time"
    cursor_param: str = "cursor"
    cursor_field: str = "after_cursor"
    done: str = "end_of_stream"
    limits: tuple[RateLimit, ...] = ()
    current = Current.NEWEST_VERSION
    parent = None
    record_format = RecordFormat.RECORDS

    def plan(self, task: ReadTask) -> ReadPlan:
        return ReadPlan([partial(self._pieces, task)], as_of=task.now(), start=Mark(task.cursor))

    def _pieces(self, task: ReadTask) -> Iterator[Piece]:
        splitter = Splitter(
            self.records, task.stream.key, (self.cursor_field, self.done), beside=task.privacy.structure
        )
        guard, borders, cursor = LoopGuard(), BorderFilter(), task.cursor

        def accept(reply: Reply) -> Page:
            page = splitter.split(reply.body)
            if not flag(page, self.done):
                require_next(page.fields[self.cursor_field], asked=cursor, name=self.cursor_field)
            return page

        while True:
            begin = {self.start_param: int(task.begins.timestamp())}
            params = {**self.params, **({self.cursor_param: cursor} if cursor else begin)}
            request = Request(self.path, params=params)
            page = task.client.send(request, accept=accept, limits=self.limits)
            cursor = str(page.fields[self.cursor_field] or cursor or "") or None
            reached = _version(task.stream, page.records[-1]) if page.records else None
            yield piece(task, borders, page, mark=Mark(cursor, reached=reached))
            if flag(page, self.done) or (reached is not None and reached >= task.batch.end):
                return
            guard.step(str(cursor))


@dataclass(frozen=True, kw_only=True)
class TimeExport:
    """An export ordered by time: the next page starts at the last one's end, and repeats the records on that second.

    What is younger than `settle` is not asked for yet. A page that is full of one second can't be passed by going on
    from its end: `flood` is then read whole, where the vendor has such a list, and the export goes on with the next
    second; without one, what the vendor could not show is a gap, and the batch's task fails. Such a list shows no
    deleted records, so a page with some of them is a gap, too.
    """

    path: str
    records: str
    params: Mapping[str, Any] = field(default_factory=lambda: NONE)
    start_param: str = "start_time"
    next_field: str = "end_time"
    done: str = "end_of_stream"
    settle: timedelta = timedelta(seconds=65)
    flood: HttpList | None = None
    limits: tuple[RateLimit, ...] = ()
    current = Current.NEWEST_VERSION
    parent = None
    record_format = RecordFormat.RECORDS

    def plan(self, task: ReadTask) -> ReadPlan:
        return ReadPlan([partial(self._pieces, task)], as_of=task.now(), start=Mark(task.cursor))

    def _pieces(self, task: ReadTask) -> Iterator[Piece]:
        splitter = Splitter(self.records, task.stream.key, (self.next_field, self.done), beside=task.privacy.structure)
        start = int(task.cursor) if task.cursor else int(task.begins.timestamp())
        until = task.batch.end.timestamp()
        borders, listed = BorderFilter(), float("-inf")
        stuck: list[Any] = []

        def accept(reply: Reply) -> Page:
            nonlocal stuck
            page = splitter.split(reply.body)
            end = page.fields[self.next_field]
            if flag(page, self.done):
                return page
            if not isinstance(end, int) or end < start:
                raise VendorUnavailable(f'its "{self.next_field}" is {end!r}, before the page\'s own start {start}')
            if end == start and not _on_one_second(task.stream, page, start) and (page.keys != stuck or not stuck):
                stuck = page.keys  # from a cache, or a flood of changes that leave the version as it was: ask again
                raise VendorUnavailable(f"it is the page before the one asked for (start {start})")
            return page

        while start <= task.now().timestamp() - self.settle.total_seconds():
            request = Request(self.path, params={**self.params, self.start_param: start})
            page = task.client.send(request, accept=accept, limits=self.limits)
            end, done = int(page.fields[self.next_field] or start), bool(flag(page, self.done))
            if not done and end == start:
                known, settled = start < listed, task.now().timestamp() - self.settle.total_seconds()
                yield from self._past_flood(task, borders, page, start, known=known)
                listed, start = listed if known else settled, start + 1
            else:
                start = max(start, end)
                yield piece(task, borders, page, mark=_at(start))
            if done or start >= until:
                return

    def _past_flood(
        self, task: ReadTask, borders: BorderFilter, page: Page, second: int, *, known: bool
    ) -> Iterator[Piece]:
        """The page that one second fills, and what else that second holds: a list that was read since is `known`."""
        yield piece(task, borders, page)
        if self.flood is None:
            yield Piece(gap=_gap(page, second), mark=_at(second + 1))
            return
        if not known:
            yield from pieces(self.flood.pages(task), task)
        hidden = any(is_deleted(record, task.stream.deleted) for record in page.records)
        yield Piece(gap=_gap(page, second, "deleted ones of that second") if hidden else "", mark=_at(second + 1))


def _gap(page: Page, second: int, what: str = "of that second") -> str:
    when = datetime.fromtimestamp(second, UTC).isoformat()
    return (
        f"{len(page.records)} records share the second {when} and fill a page, so the vendor can't show whether there "
        f"are more {what}"
    )


def is_deleted(record: bytes, rule: Deleted | None) -> bool:
    if rule is None:
        return False
    value = msgspec.json.decode(record, type=dict[str, Any]).get(rule.field)
    return value is not None if rule.equals is None else str(value).lower() == rule.equals.lower()


def require_next(cursor: object, *, asked: object, name: str) -> None:
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


def _at(second: int) -> Mark:
    return Mark(str(second), reached=datetime.fromtimestamp(second, UTC))
