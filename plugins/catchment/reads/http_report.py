"""A report of an HTTP API: asked for, polled until it is made, downloaded.

Which rows are current: those of the newest report; with a window, a row counts when its report is the latest whose
window holds the row's `cursor_field`. Only a report that is whole is landed: one that fails, or is not made within
`timeout`, fails the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec

from catchment.errors import ContractBroken, VendorUnavailable
from catchment.extract.splitter import UNREADABLE, Page, Splitter
from catchment.http.client import Reply
from catchment.http.limits import RateLimit
from catchment.http.paginators import Paginator, SinglePage
from catchment.http.polling import Again, Failed, decide_poll
from catchment.http.request import Request
from catchment.landing import RecordFormat
from catchment.reads.http_list import Dates, Window, window_span
from catchment.reads.http_pages import list_pages, pieces
from catchment.reads.protocol import Mark, PageStream, ReadPlan, ReadTask
from catchment.spec import Current
from catchment.times import Span

NONE: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Poll:
    """How to see that a report is made: `path` holds `{report}`, the id that the vendor gave.

    `status_field` is `done` when it is, one of `failed` when it never will be.
    """

    path: str
    status_field: str = "status"
    done: tuple[str, ...] = ("completed",)
    failed: tuple[str, ...] = ("failed",)
    every: timedelta = timedelta(seconds=5)
    timeout: timedelta = timedelta(minutes=30)


@dataclass(frozen=True)
class Download:
    """Where a made report is: at `path` with `{report}` in it, or at the address that the poll's `url_field` names.

    Such an address carries its own signature: it is asked for without our credentials.
    """

    path: str = ""
    url_field: str = ""
    records: str = ""
    paginator: Paginator = field(default_factory=SinglePage)


@dataclass(frozen=True, kw_only=True)
class HttpReport:
    """`ask` is the request for a report, whose id is at `id_field` of the reply; its dates go into query or body."""

    ask: Request
    id_field: str = "id"
    poll: Poll
    download: Download
    dates: Dates | None = None
    dates_in_body: bool = False
    window: Window | None = None
    limits: tuple[RateLimit, ...] = ()
    parent = None
    record_format = RecordFormat.RECORDS

    @property
    def current(self) -> Current:
        return Current.NEWEST_WINDOW if self.window else Current.NEWEST_LIST

    def plan(self, task: ReadTask) -> ReadPlan:
        asked_at = task.now()
        if self.window is None:
            span = Span(task.history_start, task.batch.end)
            streams: Iterator[PageStream] = iter([partial(pieces, partial(self._pages, task, span), task)])
            return ReadPlan(streams, as_of=min(asked_at, span.end) if self.dates else asked_at)
        span = window_span(self.window, task)
        return ReadPlan(
            (self._slice(task, part) for part in span.sliced(self.window.slice)),
            as_of=asked_at,
            start=Mark(cursor=task.cursor, covered_to=span.start),
            window_from=span.start,
        )

    def _slice(self, task: ReadTask, part: Span) -> PageStream:
        end = Mark(cursor=part.end.isoformat(), covered_to=part.end, reached=part.end)
        return partial(pieces, partial(self._pages, task, part), task, end=end)

    def _pages(self, task: ReadTask, span: Span) -> Iterator[Page]:
        report = self._asked(task, span)
        state = self._made(task, report)
        key = (*task.stream.key, self.window.cursor_field) if self.window else task.stream.key
        splitter = Splitter(self.download.records, key, self.download.paginator.fields)
        if self.download.url_field:
            request = Request(str(_dig(state, self.download.url_field)), signed=False)
        else:
            request = Request(self.download.path.format(report=report))
        ask = partial(task.client.send, limits=self.limits)
        yield from list_pages(ask, request, self.download.paginator, splitter)

    def _asked(self, task: ReadTask, span: Span) -> str:
        request = self.ask
        for name, value in (self.dates.of(span) if self.dates else {}).items():
            request = request.with_json(name, value) if self.dates_in_body else request.with_params({name: value})
        report = _dig(task.client.send(request, accept=_object, limits=self.limits), self.id_field)
        if not isinstance(report, str | int) or isinstance(report, bool):
            raise ContractBroken(f'{request.shown} gave no report id at "{self.id_field}": compare the stream\'s spec.')
        return str(report)

    def _made(self, task: ReadTask, report: str) -> Mapping[str, Any]:
        """The poll's reply that says that the report is made.

        Raises:
            ContractBroken: The vendor says that it failed.
            VendorUnavailable: It was not made in time.
        """
        waited = 0.0
        while True:
            request = Request(self.poll.path.format(report=report))
            state = task.client.send(request, accept=_object, limits=self.limits)
            verdict = decide_poll(
                _dig(state, self.poll.status_field),
                done=self.poll.done,
                failed=self.poll.failed,
                every=self.poll.every.total_seconds(),
                waited=waited,
                timeout=self.poll.timeout.total_seconds(),
            )
            match verdict:
                case Again(seconds):
                    task.client.pause(seconds)
                    waited += seconds
                case Failed(sentence, timed_out):
                    kind = VendorUnavailable if timed_out else ContractBroken
                    raise kind(f"The report {report} of {self.ask.shown} was not made: {sentence}")
                case _:
                    return state


def _object(reply: Reply) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(reply.body, type=dict[str, Any])
    except UNREADABLE as error:
        raise VendorUnavailable(f"the reply is not a JSON object ({error})") from error


def _dig(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
