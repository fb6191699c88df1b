"""Pages of an HTTP API, and the pieces that they become: what the HTTP kinds share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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


def list_pages(ask: Ask, request: Request, paginator: Paginator, splitter: Splitter) -> Iterator[Page]:
    """All pages of a list, from its first. A page that does not lead on is a bad reply, and asked for again."""
    guard = LoopGuard()
    following: Request | None = paginator.first(request)
    while following is not None:
        asked = following

        def accept(reply: Reply, asked: Request = asked) -> tuple[Page, Request | None]:
            page = splitter.split(reply.body)
            return page, paginator.after(asked, page, reply.headers)

        page, following = ask(asked, accept=accept)
        yield page
        if following is not None:
            guard.step(following.identity)


def pieces(pages: Pages, task: ReadTask, *, parent: bytes | None = None, end: Mark | None = None) -> Iterator[Piece]:
    """Pages made ready to land; `end` is the mark after the last of them."""
    borders = BorderFilter()
    for page in pages():
        records, rejects = task.privacy.apply(borders.fresh(page), page.rejects)
        yield Piece(lines_of(records, parent), len(records), rejects)
    if end is not None:
        yield Piece(mark=end)


def lines_of(records: Iterable[bytes], parent: bytes | None = None) -> bytes:
    """JSON Lines: the records themselves or, for a child stream, each in an envelope with its parent's key."""
    records = list(records)
    if not records:
        return b""
    if parent is None:
        return b"\n".join((*records, b""))  # one copy of the page, where `+ b"\n"` makes two
    head = b'{"parent":' + parent + b',"record":'
    return b"".join(head + bytes(record) + b"}\n" for record in records)


def unless_skipped(pages: Pages) -> Iterator[Page]:
    """The pages; none more once an action of the spec says that there is nothing here."""
    try:
        yield from pages()
    except Skipped:
        return
