"""A list of an HTTP API: read whole, or window by window; children once per record of their parent.

Which rows are current: without a window, those of the list that speaks of the latest moment. A list whose dates end at
its batch's end speaks of that end. A child's list speaks of the moment of its parents' list, by which it was read.
With a window, a row counts when its batch is the latest whose window holds the row's `cursor_field`: the field by which
the vendor filters, or a row that the vendor was not asked for would be taken for deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import Any
from urllib.parse import quote

import msgspec

from catchment.batch import Batch, Kind
from catchment.errors import ContractBroken
from catchment.extract.splitter import Reject, splitter_for
from catchment.http.actions import Action, Do, Skipped, decide
from catchment.http.limits import RateLimit
from catchment.http.paginators import Paginator, SinglePage
from catchment.http.request import Request
from catchment.landing import RecordFormat, manifest_key, read_lines, read_manifest
from catchment.reads.http_pages import Ask, Pages, dig, list_pages, pieces
from catchment.reads.protocol import Mark, PageStream, Piece, ReadPlan, ReadTask
from catchment.spec import Current, Parent
from catchment.times import SECOND, Span, TimeFormat

NONE: Mapping[str, Any] = {}
Watch = Callable[[Ask], Ask]
GONE = (Action(404, Do.SKIP),)
"""A parent that was deleted since it was listed has no children."""
FEWEST_GONE = 3
"""So many parents, and all that there are, are not deleted between their list and that of their children."""


def _unwatched(ask: Ask) -> Ask:
    return ask


@dataclass(frozen=True)
class Dates:
    """The parameters that bound a list in time, and how the vendor wants them spelled.

    A span that ends within a second asks for the whole of it: vendors count in seconds.
    """

    start: str
    end: str
    format: TimeFormat = TimeFormat.DATE

    def of(self, span: Span) -> dict[str, str | int]:
        end = span.end if not span.end.microsecond else span.end.replace(microsecond=0) + SECOND
        return {self.start: self.format.spell(span.start), self.end: self.format.spell(end)}


@dataclass(frozen=True)
class Window:
    """Records whose `cursor_field` lies in [from, to): re-read `lookback` deep, all of history without one.

    The vendor may recompute history, so a record that is gone from a re-read window is deleted. Windows longer than
    `slice` are read as slices, side by side within the source's limits; a checkpoint ends with a slice. `margin` is
    asked for on both sides of each slice and not claimed: for vendors that filter by days of a zone of their own. Each
    slice, for two of them may be in two checkpoints, and a row counts only in the one whose window holds it.
    """

    cursor_field: str
    lookback: timedelta | None = None
    slice: timedelta | None = None
    full_each_month: bool = False
    margin: timedelta = timedelta(0)


@dataclass(frozen=True, kw_only=True)
class HttpList:
    """One list endpoint. `records` is the path of the list in a reply ("": the reply itself is the one record).

    `absent_is_empty`: a reply without that list has no records, as those of most Google APIs.

    `dates` are parameters that bound it; without a `window` they span all history up to the batch's end. `limits` and
    `actions` are its own, beside its API's.
    """

    path: str
    records: str
    absent_is_empty: bool = False
    paginator: Paginator = field(default_factory=SinglePage)
    params: Mapping[str, Any] = field(default_factory=lambda: NONE)
    method: str = "GET"
    json: Mapping[str, Any] | None = None
    parent: Parent | None = None
    dates: Dates | None = None
    window: Window | None = None
    limits: tuple[RateLimit, ...] = ()
    actions: tuple[Action, ...] = ()

    def __post_init__(self) -> None:
        if self.window and not self.dates:
            raise ValueError(f"{self.path}: a window needs the `dates` parameters that ask for it.")
        if self.parent and self.dates:
            raise ValueError(f"{self.path}: children are read whole, so `dates` would not be asked for.")

    @property
    def current(self) -> Current:
        return Current.NEWEST_WINDOW if self.window else Current.NEWEST_LIST

    @property
    def record_format(self) -> RecordFormat:
        return RecordFormat.ENVELOPES if self.parent else RecordFormat.RECORDS

    def plan(self, task: ReadTask) -> ReadPlan:
        if self.parent:
            return self._children(task, self.parent)
        if self.window:
            return self._slices(task, self.window)
        asked_at = task.now()
        span = Span(task.history_start, task.batch.end)
        streams = iter([partial(pieces, self.pages(task, span=span), task)])
        return ReadPlan(streams, as_of=min(asked_at, span.end) if self.dates else asked_at)

    def pages(
        self, task: ReadTask, *, path: str | None = None, span: Span | None = None, watch: Watch = _unwatched
    ) -> Pages:
        """All pages, of one parent where `path` says which. `watch` wraps what asks for them."""
        key = (*task.stream.key, self.window.cursor_field) if self.window else task.stream.key
        params = {**self.params, **(self.dates.of(span) if self.dates and span else {})}
        request = Request(path or self.path, method=self.method, params=params, json=self.json)
        empty, beside = self.absent_is_empty, task.privacy.structure
        splitter = splitter_for(self.records, key, self.paginator.fields, absent_is_empty=empty, beside=beside)
        actions = (*self.actions, *(GONE if self.parent else ()))
        ask = partial(task.client.send, limits=self.limits, actions=actions)
        return partial(list_pages, watch(ask), request, self.paginator, splitter)

    def _slices(self, task: ReadTask, window: Window) -> ReadPlan:
        span = window_span(window, task)
        asked_at = task.now()
        return ReadPlan(
            (self._slice(task, window, part) for part in span.sliced(window.slice)),
            as_of=asked_at,
            start=Mark(cursor=task.cursor, covered_to=span.start),
            window_from=span.start,
        )

    def _slice(self, task: ReadTask, window: Window, part: Span) -> PageStream:
        asked = Span(part.start - window.margin, part.end + window.margin)
        end = Mark(cursor=part.end.isoformat(), covered_to=part.end, reached=part.end)
        return partial(pieces, self.pages(task, span=asked), task, end=end)

    def _children(self, task: ReadTask, parent: Parent) -> ReadPlan:
        """One page stream for each record of the parent's batch of the same interval.

        A record that is null where its key should be has no children; one whose key can't stand in a path is a reject.
        """
        batch = task.batch
        of_parent = Batch(source=batch.source, stream=parent.stream, start=batch.start, end=batch.end, kind=batch.kind)
        manifest = read_manifest(task.store, manifest_key(of_parent))
        answers = _Answers(f"{task.stream.name} of {parent.stream}")

        def streams() -> Iterator[PageStream]:
            record, nulls, asked = msgspec.json.Decoder(dict[str, Any]), 0, 0
            for file in manifest.files:
                for line in read_lines(task.store, file):
                    key = dig(record.decode(line), parent.field)
                    nulls, asked = nulls + (key is None), asked + (key is not None)
                    if key is not None:
                        yield self._of_parent(task, parent.param, key, answers) or partial(_no_key, parent, line)
            if nulls and not asked:
                raise ContractBroken(
                    f'None of the {nulls} records of {parent.stream} has a value at "{parent.field}", by which '
                    f"{task.stream.name} is read: compare the stream's `Parent` with the vendor's reference."
                )
            answers.all_asked()

        return ReadPlan(streams(), as_of=manifest.as_of)

    def _of_parent(self, task: ReadTask, param: str, key: Any, answers: _Answers) -> PageStream | None:
        """The children of one record; None where its key is no segment of a path, and would ask for something else."""
        if isinstance(key, bool) or not isinstance(key, str | int) or key in ("", ".", ".."):
            return None
        path = self.path.format(**{param: quote(str(key), safe="")})
        # Where the spec itself skips a 404, it may well be every parent's.
        watch = answers.watch if decide(self.actions, 404, b"") is None else _unwatched
        pages = self.pages(task, path=path, watch=watch)
        return partial(pieces, pages, task, parent=msgspec.json.encode({param: key}))


class _Answers:
    """Tells parents that are gone from a path that is wrong: the vendor then answers 404 for every one of them."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = Lock()
        self._asked = self._gone = 0
        self._found = self._all_asked = False

    def watch(self, ask: Ask) -> Ask:
        """Asks for the pages of one parent more."""
        with self._lock:
            self._asked += 1

        def watched(request: Request, **more: Any) -> Any:
            try:
                reply = ask(request, **more)
            except Skipped as skipped:
                with self._lock:
                    self._gone += skipped.status == 404
                    self._check()
                raise
            self._found = True
            return reply

        return watched

    def all_asked(self) -> None:
        with self._lock:
            self._all_asked = True
            self._check()

    def _check(self) -> None:
        if self._all_asked and not self._found and self._gone == self._asked >= FEWEST_GONE:
            raise ContractBroken(
                f"The vendor answered 404 for {self._what} for each of the {self._asked} that it had listed: compare "
                "the stream's path with the vendor's reference. If a 404 says there that one has none, add "
                "`Action(404, Do.SKIP)` to the stream's `actions`."
            )


def _no_key(parent: Parent, line: bytes) -> Iterator[Piece]:
    reason = f'its "{parent.field}" can\'t stand in a path, so its children are not asked for'
    yield Piece(rejects=(Reject(reason, line.decode("utf-8", "backslashreplace")),))


def window_span(window: Window, task: ReadTask) -> Span:
    """The window that a batch covers. An unfinished reading goes on where its last slice ended."""
    batch, cursor = task.batch, task.cursor
    if task.state.unfinished and cursor:
        return Span(datetime.fromisoformat(cursor), batch.end)
    if batch.kind is Kind.BACKFILL:
        return Span(batch.start, batch.end)
    if cursor is None or window.lookback is None or (window.full_each_month and first_of_month(cursor, batch.end)):
        return Span(task.history_start, batch.end)
    start = min(datetime.fromisoformat(cursor), batch.end) - window.lookback
    return Span(max(start, task.history_start), batch.end)


def first_of_month(cursor: str, end: datetime) -> bool:
    """Whether `end` is the first of its month that is read."""
    before = datetime.fromisoformat(cursor)
    return (before.year, before.month) < (end.year, end.month)
