"""Pages of an HTTP API, and the pieces that they become: what the HTTP kinds share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from catchment.errors import Refused
from catchment.extract.loops import BorderFilter, LoopGuard
from catchment.extract.splitter import Page, Splitter
from catchment.http.client import HttpClient, Reply
from catchment.http.limits import RateLimit
from catchment.http.paginators import Paginator
from catchment.http.request import Request
from catchment.reads.protocol import Mark, Piece, ReadTask

Pages = Callable[[], Iterator[Page]]


def list_pages(
    client: HttpClient,
    request: Request,
    paginator: Paginator,
    splitter: Splitter,
    limits: tuple[RateLimit, ...] = (),
) -> Iterator[Page]:
    """All pages of a list, from its first. A page that does not lead on is a bad reply, and asked for again."""
    guard = LoopGuard()
    following: Request | None = paginator.first(request)
    while following is not None:
        asked = following

        def accept(reply: Reply, asked: Request = asked) -> tuple[Page, Request | None]:
            page = splitter.split(reply.body)
            return page, paginator.after(asked, page, reply.headers)

        page, following = client.send(asked, accept=accept, limits=limits)
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
        return b"\n".join(records) + b"\n"
    head = b'{"parent":' + parent + b',"record":'
    return b"".join(head + bytes(record) + b"}\n" for record in records)


def unless_gone(pages: Pages) -> Iterator[Page]:
    """A parent that was deleted since it was listed has no children."""
    try:
        yield from pages()
    except Refused as error:
        if error.status != 404:
            raise
