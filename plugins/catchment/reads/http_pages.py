"""Pages of an HTTP API, and the pieces that they become: what the HTTP kinds share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from catchment.extract.loops import BorderFilter, LoopGuard
from catchment.extract.splitter import Page, Splitter
from catchment.http.actions import Skipped
from catchment.http.client import Reply
from catchment.http.paginators import Paginator
from catchment.http.request import Request
from catchment.reads.protocol import Mark, Piece, ReadTask

Pages = Callable[[], Iterator[Page]]
Ask = Callable[..., Any]
"""`HttpClient.send` with the limits and actions of a stream."""

NO_CONTENT = 204


def list_pages(ask: Ask, request: Request, paginator: Paginator, splitter: Splitter) -> Iterator[Page]:
    """All pages of a list, from its first; none more once an action says that there is nothing (more).

    A page that does not lead on is a bad reply, and asked for again.
    """
    guard = LoopGuard()
    following: Request | None = paginator.first(request)
    while following is not None:
        asked = following

        def accept(reply: Reply, asked: Request = asked) -> tuple[Page, Request | None]:
            page = Page([], [], {}) if reply.status == NO_CONTENT else splitter.split(reply.body)
            return page, paginator.after(asked, page, reply.headers)

        try:
            page, following = ask(asked, accept=accept)
        except Skipped:
            return
        yield page
        if following is not None:
            guard.step(following.identity)


def pieces(pages: Pages, task: ReadTask, *, parent: bytes | None = None, end: Mark | None = None) -> Iterator[Piece]:
    """Pages made ready to land; `end` is the mark after the last of them."""
    borders = BorderFilter()
    for page in pages():
        yield piece(task, borders, page, parent=parent)
    if end is not None:
        yield Piece(mark=end)


def piece(
    task: ReadTask, borders: BorderFilter, page: Page, *, parent: bytes | None = None, mark: Mark | None = None
) -> Piece:
    """What of a page is landed, with the rules for secret and personal fields applied."""
    records = borders.fresh(page)
    hidden = task.privacy.apply(records, page.rejects, named=page.named if records is page.records else None)
    lines = in_envelopes(hidden.lines, parent) if parent else hidden.lines
    return Piece(lines, hidden.rows, hidden.rejects, mark=mark)


def in_envelopes(lines: bytes, parent: bytes) -> bytes:
    """JSON Lines of records, each put into an envelope with its parent's key."""
    head = b'{"parent":' + parent + b',"record":'
    return head + lines[:-1].replace(b"\n", b"}\n" + head) + b"}\n" if lines else b""


def dig(value: Any, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
