"""How one page of a list leads to the next. The words are those of dlt's and Airbyte's declarative sources.

A paginator is a value without state: what it must remember travels in `Request.memory`. It decides the end of a list
by the rule that is declared for it and by no other: a page that is short or empty ends a list only where the rule says
so, for vendors filter pages after they have cut them. A page that does not lead on raises `VendorUnavailable`, so that
it is asked for again; circles are the caller's to notice (`LoopGuard`), for a paginator sees one page at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from catchment.errors import ContractBroken, VendorUnavailable
from catchment.extract.splitter import Page, first_part
from catchment.http.link_header import find_link, unread
from catchment.http.request import Request

Headers = Mapping[str, str]


class Paginator(Protocol):
    """How a list is paged. `fields` are the dotted paths that it needs from each reply, in `Page.fields`."""

    @property
    def fields(self) -> tuple[str, ...]: ...

    def first(self, request: Request) -> Request:
        """The request for the first page."""
        ...

    def after(self, request: Request, page: Page, headers: Headers) -> Request | None:
        """The request for the page after the one that answered `request`; None at the list's end.

        Raises:
            VendorUnavailable: The page does not say where it leads, or leads to itself.
        """
        ...


@dataclass(frozen=True)
class SinglePage:
    """The whole answer comes at once. A `Link` header that names a next page is a broken contract, not an end."""

    @property
    def fields(self) -> tuple[str, ...]:
        return ()

    def first(self, request: Request) -> Request:
        return request

    def after(self, request: Request, page: Page, headers: Headers) -> None:
        if find_link(_header(headers, "Link"), "next"):
            raise ContractBroken(
                f"{request.shown} is declared to answer in one page, and its Link header names a next one: declare "
                "a paginator for the stream, e.g. LinkHeader()."
            )


@dataclass(frozen=True)
class CursorPages:
    """The reply carries an opaque cursor for the next page.

    The list ends when `has_more` is false; where the API has no such field (`has_more=None`), when the cursor is empty.
    An empty page with a cursor is not the end, except where the vendor's cursor is never empty and its reference says
    so (`empty_page_ends`). `in_body` sends cursor and size in the JSON body, at dotted paths.
    """

    param: str = "cursor"
    field: str = "cursor"
    has_more: str | None = "has_more"
    size_param: str | None = "per_page"
    size: int = 200
    empty_page_ends: bool = False
    in_body: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field, self.has_more) if self.has_more else (self.field,)

    def first(self, request: Request) -> Request:
        return _with(request, self.size_param, self.size, self.in_body)

    def after(self, request: Request, page: Page, headers: Headers) -> Request | None:
        if self.empty_page_ends and not count(page):
            return None
        cursor = page.fields.get(self.field)
        more = flag(page, self.has_more) if self.has_more else bool(cursor)
        if more is None and (cursor or count(page) >= self.size):
            raise VendorUnavailable(f'it does not say by "{self.has_more}" whether there is more')
        if not more:
            return None
        following = _with(request, self.param, _cursor(cursor, self.field), self.in_body)
        return _leads_on(request, following, self.field)


@dataclass(frozen=True)
class KeysetPages:
    """The next page begins after the key of the page's last record (Stripe's `starting_after`).

    The list ends when `has_more` is false; where the API has no such field (`has_more=None`), at the first empty page.
    """

    param: str = "starting_after"
    has_more: str | None = "has_more"
    size_param: str | None = "limit"
    size: int = 100

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.has_more,) if self.has_more else ()

    def first(self, request: Request) -> Request:
        return _with(request, self.size_param, self.size)

    def after(self, request: Request, page: Page, headers: Headers) -> Request | None:
        more = flag(page, self.has_more) if self.has_more else count(page) > 0
        if more is None:
            raise VendorUnavailable(f'it does not say by "{self.has_more}" whether there is more')
        if not more:
            return None
        if not page.keys:
            raise VendorUnavailable("it says that there is more, and has no record to go on from")
        last = first_part(page.keys[-1])
        return _leads_on(request, request.with_params({self.param: last}), "last key")


@dataclass(frozen=True)
class HeaderCursor:
    """A reply header carries the cursor or number of the next page (GitLab's `X-Next-Page`); without it, it ends."""

    header: str
    param: str
    size_param: str | None = None
    size: int = 100

    @property
    def fields(self) -> tuple[str, ...]:
        return ()

    def first(self, request: Request) -> Request:
        return _with(request, self.size_param, self.size)

    def after(self, request: Request, page: Page, headers: Headers) -> Request | None:
        cursor = _header(headers, self.header).strip()
        return _leads_on(request, request.with_params({self.param: cursor}), self.header) if cursor else None


@dataclass(frozen=True)
class NextLink:
    """The reply carries the address of the next page: a string, or a JSON:API link object with an `href`.

    The list ends when there is none. Vendors that always send a link end it with `has_more`, when that is false, or
    with an empty page (`empty_page_ends`). The address brings its own parameters, so ours are sent with the first page
    only.
    """

    field: str = "links.next"
    has_more: str | None = None
    size_param: str | None = None
    size: int = 100
    empty_page_ends: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field, self.has_more) if self.has_more else (self.field,)

    def first(self, request: Request) -> Request:
        return _with(request, self.size_param, self.size)

    def after(self, request: Request, page: Page, headers: Headers) -> Request | None:
        if self.empty_page_ends and not count(page):
            return None
        link = page.fields.get(self.field)
        if isinstance(link, dict):
            link = link.get("href", link)
        more = flag(page, self.has_more) if self.has_more else bool(link)
        if more is None and link:
            raise VendorUnavailable(f'it does not say by "{self.has_more}" whether there is more')
        if not more:
            return None
        return _leads_on(request, request.follow(_cursor(link, self.field)), self.field)


JSON_API = NextLink(field="links.next", size_param="page[size]")


@dataclass(frozen=True)
class LinkHeader:
    """The `Link` header names the next page (RFC 8288; GitHub, Shopify, Okta). The list ends when it names none.

    `has_more` is a parameter of the link that is "false" at the end, for vendors that always send one (Sentry's
    `results`).
    """

    rel: str = "next"
    has_more: str | None = None
    size_param: str | None = None
    size: int = 100

    @property
    def fields(self) -> tuple[str, ...]:
        return ()

    def first(self, request: Request) -> Request:
        return _with(request, self.size_param, self.size)

    def after(self, request: Request, page: Page, headers: Headers) -> Request | None:
        text = _header(headers, "Link")
        link = find_link(text, self.rel)
        if link is None and unread(text):
            raise VendorUnavailable("its Link header can't be read, so it may have a next page")
        if link is None or (self.has_more and link.params.get(self.has_more) == "false"):
            return None
        return _leads_on(request, request.follow(link.target), "Link header")


@dataclass(frozen=True)
class PageNumber:
    """Pages have numbers from `start` on.

    The end: the last of `total_pages` (a field; some vendors send it with the first page only), or `has_more` false, or
    else the first empty page. `short_page_ends` also ends it at a page shorter than `size`: declare it only where the
    vendor's reference promises that no other page is short. `repeated_page_ends` is for vendors who send their last
    page again beyond it.
    """

    param: str = "page"
    start: int = 1
    size_param: str | None = "per_page"
    size: int = 100
    total_pages: str | None = None
    has_more: str | None = None
    short_page_ends: bool = False
    repeated_page_ends: bool = False
    in_body: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(path for path in (self.total_pages, self.has_more) if path)

    def first(self, request: Request) -> Request:
        sized = _with(request, self.size_param, self.size, self.in_body)
        return _at(self, sized, self.start)

    def after(self, request: Request, page: Page, headers: Headers) -> Request | None:
        number = int(request.memory["at"])
        read = number - self.start + 1
        request = _remember_total(request, page, self.total_pages, read)
        if _ends(self, request, page, read):
            return None
        if self.repeated_page_ends:
            if page.keys and page.keys == request.memory.get("before"):
                return None
            request = request.with_memory(before=page.keys)
        return _at(self, request, number + 1)


@dataclass(frozen=True)
class Offset:
    """Pages begin at an offset, which moves on by what arrived: a vendor may cap the page below the size asked for.

    The end: `total` (a field) records, or `has_more` false, or else the first empty page; `short_page_ends` as for
    `PageNumber`. An empty page before the end is passed by its size: vendors count records that they don't show. When
    `total` falls while the list is read, records moved up across the border: as many are read again.
    """

    param: str = "offset"
    start: int = 0
    size_param: str | None = "limit"
    size: int = 100
    total: str | None = None
    has_more: str | None = None
    short_page_ends: bool = False
    in_body: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(path for path in (self.total, self.has_more) if path)

    def first(self, request: Request) -> Request:
        sized = _with(request, self.size_param, self.size, self.in_body)
        return _at(self, sized, self.start)

    def after(self, request: Request, page: Page, headers: Headers) -> Request | None:
        before, offset = request.memory.get("total", 0), int(request.memory["at"])
        request = _remember_total(request, page, self.total, offset - self.start + count(page))
        gone = max(0, before - request.memory.get("total", 0))
        following = max(self.start, offset - gone) if gone else offset + (count(page) or self.size)
        if _ends(self, request, page, following - self.start):
            return None
        return _at(self, request, following)


def count(page: Page) -> int:
    """How many records the vendor sent: those that were rejected count, or a page of bad ones would end a list."""
    return len(page.records) + len(page.rejects)


def _ends(rule: PageNumber | Offset, request: Request, page: Page, read: int) -> bool:
    """Whether a counted list has ended, after `read` pages or records."""
    if "total" in request.memory:
        return bool(read >= request.memory["total"])
    if rule.has_more:
        more = flag(page, rule.has_more)
        if more is None and count(page):
            raise VendorUnavailable(f'it does not say by "{rule.has_more}" whether there is more')
        return not more
    return not count(page) or (rule.short_page_ends and count(page) < rule.size)


def _remember_total(request: Request, page: Page, path: str | None, read: int) -> Request:
    """The request with the total that a page names, unless what was `read` refutes it: counts fail."""
    if path is None:
        return request
    total = page.fields.get(path)
    number = int(total) if isinstance(total, str) and total.isdecimal() else total
    if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
        return request if count(page) and number < read else request.with_memory(total=number)
    if total is not None or ("total" not in request.memory and count(page)):
        raise VendorUnavailable(
            f'its "{path}" is {_shown(total)} and no number. If the API knows no total, leave that out of the paginator'
        )
    return request


def flag(page: Page, path: str) -> bool | None:
    """The truth value of a field; None where the page has none. What is neither is not guessed at."""
    value = page.fields.get(path)
    if value is None or isinstance(value, bool):
        return value
    known = {"true": True, "false": False, "1": True, "0": False}.get(str(value).lower())
    if known is None:
        raise VendorUnavailable(f'its "{path}" is {_shown(value)}, neither true nor false')
    return known


def _cursor(value: Any, name: str) -> str:
    if not value and value != 0:
        raise VendorUnavailable(f'it says that there is more, and its "{name}" is empty')
    if isinstance(value, bool | dict | list):
        raise VendorUnavailable(f'its "{name}" is {_shown(value)}, which is no cursor')
    return str(value)


def _leads_on(asked: Request, following: Request, name: str) -> Request:
    """A page that leads to itself is an old page sent again."""
    if following.identity == asked.identity:
        raise VendorUnavailable(f'its "{name}" is the one that was asked for: the page before came again')
    return following


def _with(request: Request, name: str | None, value: Any, in_body: bool = False) -> Request:
    """The request with a paging value, in its query or at a dotted path of its body."""
    if name is None:
        return request
    return request.with_json(name, value) if in_body else request.with_params({name: value})


def _at(rule: PageNumber | Offset, request: Request, place: int) -> Request:
    return _with(request, rule.param, place, rule.in_body).with_memory(at=place)


def _header(headers: Headers, name: str) -> str:
    """A header's value; several lines of one name are one list (RFC 9110, 5.3)."""
    return ", ".join(value for key, value in headers.items() if key.lower() == name.lower())


def _shown(value: Any) -> str:
    return repr(value)[:60]
