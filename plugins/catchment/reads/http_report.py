"""A report of an HTTP API: asked for, polled until it is made, downloaded.

Which rows are current: those of the newest report; with a window, a row counts when its report is the latest whose
window holds the row's `cursor_field`. Only a report that is whole is landed: one that fails, or is not made within
`timeout`, fails the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Any
from urllib.parse import quote

import msgspec

from catchment.errors import ContractBroken, Refused, VendorUnavailable
from catchment.extract.splitter import UNREADABLE, Page, Splitter
from catchment.http.actions import Action
from catchment.http.client import Reply
from catchment.http.limits import RateLimit
from catchment.http.paginators import Paginator
from catchment.http.polling import Again, Failed, decide_poll
from catchment.http.request import Request
from catchment.http.retry import retry_after
from catchment.landing import RecordFormat
from catchment.reads.http_list import Dates, Window, window_span
from catchment.reads.http_pages import dig, list_pages, pieces
from catchment.reads.protocol import Mark, PageStream, ReadPlan, ReadTask
from catchment.reads.report_files import FileFormat, read_file
from catchment.spec import Current
from catchment.times import Span

IN_MEMORY = 8 * 1024 * 1024
"""Bytes of a download that are kept in memory; what is longer goes to a temporary file."""


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

    Such an address carries its own signature: it is asked for without our credentials, unless the vendor's reference
    says that it wants them (`with_credentials`; then it must be on the API's own hosts). JSON Lines and CSV are read
    from a file in bounded memory, JSON whole; gzip is seen by its content. `may_be_empty`: a report without rows has no
    address, or nothing in it; where that is not declared, it is a report that is not ready.
    """

    path: str = ""
    url_field: str = ""
    with_credentials: bool = False
    format: FileFormat = FileFormat.JSON
    records: str = ""
    paginator: Paginator | None = None
    may_be_empty: bool = False


@dataclass(frozen=True, kw_only=True)
class HttpReport:
    """`ask` is the request for a report, whose id is at `id_field` of the reply; its dates go into query or body.

    `actions` are its own, for asking and polling: a vendor may not know a report yet when it has just given its id.
    """

    ask: Request
    id_field: str = "id"
    poll: Poll
    download: Download
    dates: Dates | None = None
    dates_in_body: bool = False
    window: Window | None = None
    limits: tuple[RateLimit, ...] = ()
    actions: tuple[Action, ...] = ()
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
        request = self._download_of(report, self._made(task, report))
        if request is None:
            return
        try:
            yield from self._downloaded(task, report, request)
        except Refused as error:
            if request.signed:
                raise
            raise VendorUnavailable(f"{str(error).rstrip('.')}. The next try asks for a new report") from error

    def _downloaded(self, task: ReadTask, report: str, request: Request) -> Iterator[Page]:
        key = (*task.stream.key, self.window.cursor_field) if self.window else task.stream.key
        download = self.download
        if download.paginator:
            splitter = Splitter(download.records, key, download.paginator.fields)
            yield from list_pages(partial(task.client.send, limits=self.limits), request, download.paginator, splitter)
            return
        with SpooledTemporaryFile(IN_MEMORY) as file:
            task.client.download(request, file, limits=self.limits)  # type: ignore[arg-type]
            if file.read(1):
                file.seek(0)
                yield from read_file(file, download.format, download.records, key)  # type: ignore[arg-type]
            elif not download.may_be_empty:
                raise VendorUnavailable(
                    f"The report {report} of {self.ask.shown} is made, and its file is empty. It is asked for again"
                )

    def _asked(self, task: ReadTask, span: Span) -> str:
        request = self.ask
        for name, value in (self.dates.of(span) if self.dates else {}).items():
            request = request.with_json(name, value) if self.dates_in_body else request.with_params({name: value})
        reply = task.client.send(request, accept=_object, limits=self.limits, actions=self.actions)
        report = dig(reply, self.id_field)
        if not isinstance(report, str | int) or isinstance(report, bool) or report == "":
            raise ContractBroken(f'{request.shown} gave no report id at "{self.id_field}": compare the stream\'s spec.')
        return str(report)

    def _made(self, task: ReadTask, report: str) -> Mapping[str, Any]:
        """The poll's reply that says that the report is made.

        Raises:
            ContractBroken: The vendor says that it failed.
            VendorUnavailable: It was not made in time.
        """
        request = Request(_of(self.poll.path, report))
        begun, waited = task.now(), 0.0
        while True:
            state, wish = task.client.send(request, accept=_state, limits=self.limits, actions=self.actions)
            waited = max(waited, (task.now() - begun).total_seconds())  # replies take their time too
            verdict = decide_poll(
                dig(state, self.poll.status_field),
                done=self.poll.done,
                failed=self.poll.failed,
                every=self.poll.every.total_seconds(),
                waited=waited,
                timeout=self.poll.timeout.total_seconds(),
                asked=wish,
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

    def _download_of(self, report: str, state: Mapping[str, Any]) -> Request | None:
        """The request for a made report; None for one that has no rows and no address."""
        if not self.download.url_field:
            return Request(_of(self.download.path, report))
        url = dig(state, self.download.url_field)
        if isinstance(url, str) and url:
            if self.download.with_credentials:
                return Request(_of(self.poll.path, report)).follow(url)
            return Request(url, signed=False)
        if self.download.may_be_empty:
            return None
        raise VendorUnavailable(
            f'The report {report} of {self.ask.shown} is made, and has no address at "{self.download.url_field}". It '
            "is asked for again; if the vendor gives none for a report without rows, declare `may_be_empty`"
        )


def _of(path: str, report: str) -> str:
    """The path of a report. Ids may be paths themselves (Google's "operations/1"), but nothing beyond one."""
    return path.format(report=quote(report, safe="/:"))


def _object(reply: Reply) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(reply.body, type=dict[str, Any])
    except UNREADABLE as error:
        raise VendorUnavailable(f"the reply is not a JSON object ({error})") from error


def _state(reply: Reply) -> tuple[Mapping[str, Any], float | None]:
    """What a poll says, and for how long the vendor wants not to be asked again."""
    return _object(reply), retry_after(reply.headers, datetime.now(UTC))
