"""How a page leads to the next: every record once and in order, and an end that the vendor declared."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3 import HTTPHeaderDict

from catchment.errors import ContractBroken, VendorUnavailable
from catchment.extract.loops import LoopGuard
from catchment.extract.splitter import Splitter
from catchment.http.link_header import find_link
from catchment.http.paginators import (
    JSON_API,
    CursorPages,
    HeaderCursor,
    KeysetPages,
    LinkHeader,
    NextLink,
    Offset,
    PageNumber,
    Paginator,
    SinglePage,
)
from catchment.http.request import Request, address

Answer = tuple[dict[str, Any], Mapping[str, str]]
Vendor = Callable[[Mapping[str, str]], Answer]
"""A vendor: from the parameters of a request to its reply's body and headers."""


class NoGuard(LoopGuard):
    """For lists that go back on purpose: a place that comes again looks like a circle, and is said as one."""

    def step(self, cursor: str) -> None: ...


def walk(
    paginator: Paginator, vendor: Vendor, request: Request | None = None, guard: LoopGuard | None = None
) -> list[int]:
    """The ids of a list's records, as a reader would have them."""
    splitter = Splitter("data", ("id",), paginator.fields)
    following: Request | None = paginator.first(request or Request("things"))
    ids: list[int] = []
    guard = guard or LoopGuard()
    while following:
        body, headers = vendor(params_of(following))
        page = splitter.split(json.dumps(body).encode())
        ids += [json.loads(bytes(record))["id"] for record in page.records]
        following = paginator.after(following, page, headers)
        if following:
            guard.step(following.identity)
    return ids


def params_of(request: Request) -> dict[str, str]:
    url = address(request, base_url="https://api.example", hosts={}, conn_id="vendor")
    return dict(parse_qsl(urlsplit(url).query)) | {k: str(v) for k, v in (request.json or {}).items()}


def rows(numbers: range | list[int]) -> list[dict[str, int]]:
    return [{"id": number} for number in numbers]


def link(offset: int) -> str:
    return f"https://api.example/things?offset={offset}&tag=a,b;c"


class ListOf:
    """A vendor's list of `count` records, `size` a page, spoken in the way of each kind of paginator."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size

    def cut(self, at: int) -> tuple[list[dict[str, int]], int, bool]:
        end = min(at + self.size, self.count)
        return rows(range(at, end)), end, end < self.count

    def cursor(self, params: Mapping[str, str]) -> Answer:
        data, end, more = self.cut(int(params.get("cursor", 0)))
        return {"data": data, "cursor": str(end), "has_more": more, "meta": {"next": str(end) if more else ""}}, {}

    def keyset(self, params: Mapping[str, str]) -> Answer:
        data, _, more = self.cut(int(params.get("starting_after", -1)) + 1)
        return {"data": data, "has_more": more}, {}

    def next_link(self, params: Mapping[str, str]) -> Answer:
        data, end, more = self.cut(int(params.get("offset", 0)))
        return {"data": data, "links": {"next": link(end) if more else None}}, {}

    def json_api(self, params: Mapping[str, str]) -> Answer:
        data, end, more = self.cut(int(params.get("offset", 0)))
        return {"data": data, "links": {"next": {"href": link(end)}} if more else {}}, {}

    def header(self, params: Mapping[str, str]) -> Answer:
        data, end, more = self.cut(int(params.get("offset", 0)))
        links = f'<{link(0)}>; rel="first"' + (f', <{link(end)}>; title="a, b"; REL="x Next"' if more else "")
        return {"data": data}, {"link": links}

    def always_link(self, params: Mapping[str, str]) -> Answer:
        data, end, _ = self.cut(int(params.get("offset", 0)))
        return {"data": data, "next": link(end if data else self.count + 1)}, {}

    def always_header(self, params: Mapping[str, str]) -> Answer:
        data, end, more = self.cut(int(params.get("offset", 0)))
        return {"data": data}, {"link": f'<{link(end)}>; rel="next"; results="{str(more).lower()}"; cursor="0:{end}:0"'}

    def header_cursor(self, params: Mapping[str, str]) -> Answer:
        data, end, more = self.cut(int(params.get("page", 0)))
        return {"data": data}, {"x-next-page": str(end) if more else ""}

    def numbered(self, params: Mapping[str, str]) -> Answer:
        data, _, more = self.cut((int(params["page"]) - 1) * self.size)
        return {"data": data, "pages": -(-self.count // self.size), "more": more}, {}

    def from_zero(self, params: Mapping[str, str]) -> Answer:
        return self.numbered({"page": str(int(params["page"]) + 1)})

    def offset(self, params: Mapping[str, str]) -> Answer:
        data, _, more = self.cut(int(params["offset"]))
        return {"data": data, "total": self.count, "more": more}, {}


def spoken(count: int, size: int) -> dict[str, tuple[Paginator, Vendor]]:
    """Each paginator, and a vendor that speaks its way."""
    of = ListOf(count, size)
    return {
        "cursor": (CursorPages(size=size), of.cursor),
        "cursor in the body": (CursorPages(size=size, in_body=True), of.cursor),
        "cursor without has_more": (CursorPages(field="meta.next", has_more=None, size=size), of.cursor),
        "cursor that is never empty": (CursorPages(has_more=None, empty_page_ends=True), of.cursor),
        "keyset": (KeysetPages(size=size), of.keyset),
        "keyset to an empty page": (KeysetPages(has_more=None), of.keyset),
        "next link": (NextLink(), of.next_link),
        "JSON:API": (JSON_API, of.json_api),
        "next link to an empty page": (NextLink("next", empty_page_ends=True), of.always_link),
        "Link header": (LinkHeader(), of.header),
        "Link header that says whether there is more": (LinkHeader(has_more="results"), of.always_header),
        "header cursor": (HeaderCursor("X-Next-Page", "page"), of.header_cursor),
        "page number with total": (PageNumber(total_pages="pages", size=size), of.numbered),
        "page number from zero": (PageNumber(start=0, size=size, total_pages="pages"), of.from_zero),
        "page number with has_more": (PageNumber(has_more="more", size=size), of.numbered),
        "page number to an empty page": (PageNumber(size=size), of.numbered),
        "page number to a short page": (PageNumber(size=size, short_page_ends=True), of.numbered),
        "offset with total": (Offset(total="total", size=size), of.offset),
        "offset with has_more": (Offset(has_more="more", size=size), of.offset),
        "offset to an empty page": (Offset(size=size), of.offset),
        "offset in the body": (Offset(size=size, in_body=True), of.offset),
        "page number in the body": (PageNumber(size=size, in_body=True), of.numbered),
    }


@pytest.mark.parametrize("kind", list(spoken(1, 1)))
@settings(deadline=None)
@given(count=st.integers(0, 30), size=st.integers(1, 7))
def test_every_record_comes_once_and_in_order(kind: str, count: int, size: int) -> None:
    paginator, vendor = spoken(count, size)[kind]
    assert walk(paginator, vendor) == list(range(count))


def pages(*replies: Any) -> Vendor:
    """The replies in turn, whatever is asked; asking beyond the last is an error of the test."""
    left = list(replies)
    return lambda params: (left.pop(0), {})


def test_zero_is_a_cursor_where_there_is_more() -> None:
    """withcoral/coral #329: a cursor that is a number was taken for none, and the list ended after a page."""
    vendor = pages(
        {"data": rows([1]), "cursor": 0, "has_more": True},
        {"data": rows([2]), "cursor": 7, "has_more": True},
        {"data": rows([3]), "cursor": 0, "has_more": False},
    )
    assert walk(CursorPages(), vendor) == [1, 2, 3]


def test_a_page_one_record_short_does_not_end_a_list() -> None:
    """airbytehq/airbyte #34883: a vendor's page sometimes lacks one record, and the sync stopped there.

    Right: only an empty page, or what the vendor says of the end, ends a list.
    """
    vendor = pages({"data": rows([1, 2])}, {"data": rows([3])}, {"data": rows([4, 5])}, {"data": []})
    assert walk(PageNumber(size=2), vendor) == [1, 2, 3, 4, 5]


def test_an_empty_page_with_a_cursor_is_not_the_end() -> None:
    """Vendors filter a page after they cut it. Right: a cursor list ends by its cursor or flag, never by its length."""
    vendor = pages(
        {"data": rows([1]), "cursor": "a", "has_more": True},
        {"data": [], "cursor": "b", "has_more": True},
        {"data": rows([2]), "cursor": "c", "has_more": False},
    )
    assert walk(CursorPages(), vendor) == [1, 2]


def test_a_full_last_page_is_followed_by_no_request_when_the_total_is_known() -> None:
    """airbytehq/airbyte #28226: past the end, LearnWorlds sends its last page again, without end.

    Right: `total_pages` ends it; a third request would fail this test.
    """
    full = {"pages": 2}
    vendor = pages({"data": rows([1, 2]), **full}, {"data": rows([3, 4]), **full})
    assert walk(PageNumber(size=2, total_pages="pages"), vendor) == [1, 2, 3, 4]


def test_a_last_page_that_comes_again_ends_a_list_where_that_is_declared() -> None:
    """KerbalStuff/KerbalStuff #64: a page number past the last one is answered with the last page, without end.

    Right: a spec can say so; without that word it is an error, for a cache may send an old page again.
    """
    data = [rows([1, 2]), rows([3, 4]), rows([3, 4])]
    walked = walk(PageNumber(size=2, repeated_page_ends=True), pages(*({"data": page} for page in data)))
    assert walked == [1, 2, 3, 4, 3, 4], "what came twice is dropped at the border of pages"


def test_a_total_that_only_the_first_page_carries_is_remembered() -> None:
    """dlt-hub/dlt #1414: Fingrid sends `pagination.total` with the first page only, and page two failed."""
    vendor = pages({"data": rows([1]), "p": {"total": 3}}, {"data": rows([2]), "p": {}}, {"data": rows([3]), "p": {}})
    assert walk(PageNumber(size=1, total_pages="p.total"), vendor) == [1, 2, 3]


@pytest.mark.parametrize("total", [None, "many", True, -1, 1.5])
def test_a_declared_total_that_is_none_is_said_and_not_guessed(total: Any) -> None:
    """dlt-hub/dlt #4429: `total: null` raised without saying what to declare instead. Right: the message says it."""
    with pytest.raises(VendorUnavailable, match="leave that out of the paginator"):
        walk(Offset(total="total"), pages({"data": rows([1]), "total": total}))


def test_an_empty_list_needs_no_total() -> None:
    assert walk(Offset(total="total"), pages({"data": []})) == []


def test_has_more_ends_an_offset_list() -> None:
    """dlt-hub/dlt #2816: HubSpot's engagements never send an empty page; only `hasMore` ends them."""
    vendor = pages({"data": rows([1]), "hasMore": True}, {"data": rows([2]), "hasMore": False})
    assert walk(Offset(has_more="hasMore", size=1), vendor) == [1, 2]


def test_an_offset_moves_on_by_what_arrived() -> None:
    """ohdearquant/khive #894: 1,000 asked for, 500 sent; a stride of 1,000 missed 48 % of the records unseen."""
    assert walk(Offset(size=100, total="total"), ListOf(7, 2).offset) == list(range(7))


def test_a_link_that_is_always_there_is_ended_by_has_more() -> None:
    """airbytehq/airbyte PR 81516: Zendesk Talk always sends `next_page`; the sync read its last records for ever."""
    vendor = pages(
        {"data": rows([1]), "links": {"next": link(1)}, "meta": {"has_more": True}},
        {"data": rows([2]), "links": {"next": link(2)}, "meta": {"has_more": False}},
    )
    assert walk(NextLink(has_more="meta.has_more"), vendor) == [1, 2]


def test_the_parameters_of_the_first_page_are_not_added_to_a_link() -> None:
    seen: list[Mapping[str, str]] = []

    def vendor(params: Mapping[str, str]) -> Answer:
        seen.append(params)
        return {"data": rows([len(seen)]), "links": {"next": link(9) if len(seen) == 1 else None}}, {}

    walk(JSON_API, vendor, Request("things", params={"filter": "x"}))
    assert seen == [{"filter": "x", "page[size]": "100"}, {"offset": "9", "tag": "a,b;c"}]


@pytest.mark.parametrize("paginator", [PageNumber(size=2), Offset(size=2), PageNumber(size=2, short_page_ends=True)])
def test_a_page_of_bad_records_does_not_end_a_list(paginator: Paginator) -> None:
    """Records that are rejected were sent all the same: a list that ended there would lose the rest in silence."""
    bad = {"data": [{"name": "no id"}, {"name": "nor this"}]}
    assert walk(paginator, pages({"data": rows([1, 2])}, bad, {"data": rows([5, 6])}, {"data": []})) == [1, 2, 5, 6]


MORE = {"data": rows([1]), "has_more": True}


@pytest.mark.parametrize(
    ("paginator", "reply", "says"),
    [
        (CursorPages(), MORE, '"cursor" is empty'),
        (CursorPages(), {**MORE, "cursor": ""}, '"cursor" is empty'),
        (CursorPages(), {**MORE, "cursor": {"a": 1}}, "no cursor"),
        (CursorPages(size=1), {"data": rows([1])}, 'does not say by "has_more"'),
        (CursorPages(), {"data": rows([1]), "cursor": "next"}, 'does not say by "has_more"'),
        (CursorPages(), {**MORE, "has_more": "maybe", "cursor": "a"}, "neither true nor false"),
        (KeysetPages(), {"data": [], "has_more": True}, "no record to go on from"),
        (KeysetPages(), {"data": rows([1])}, "does not say"),
        (NextLink(has_more="more"), {"data": [], "more": True}, '"links.next" is empty'),
        (NextLink(has_more="more"), {"data": [], "links": {"next": link(1)}}, "does not say"),
        (PageNumber(has_more="more"), {"data": rows([1])}, "does not say"),
    ],
)
def test_a_page_that_does_not_lead_on_is_the_vendors_trouble(
    paginator: Paginator, reply: dict[str, Any], says: str
) -> None:
    with pytest.raises(VendorUnavailable, match=says):
        walk(paginator, pages(reply))


@pytest.mark.parametrize(
    ("paginator", "reply"),
    [
        (CursorPages(), {**MORE, "cursor": "same"}),
        (NextLink(), {"data": rows([1]), "links": {"next": link(1)}}),
        (KeysetPages(), MORE),
    ],
)
def test_a_page_that_leads_to_itself_is_an_old_page_sent_again(paginator: Paginator, reply: dict[str, Any]) -> None:
    with pytest.raises(VendorUnavailable, match="the page before came again"):
        walk(paginator, pages(reply, reply, reply))


def test_a_short_page_without_a_cursor_is_a_whole_list() -> None:
    assert walk(CursorPages(), pages({"data": rows([1, 2])})) == [1, 2]


def test_flags_spelled_as_text_are_read_as_they_are_meant() -> None:
    """`"false"` is a true value in Python: a list that took it as such would ask on."""
    assert walk(CursorPages(), pages({"data": rows([1]), "cursor": "a", "has_more": "false"})) == [1]


def test_a_single_page_that_names_a_next_one_is_no_whole_list() -> None:
    with pytest.raises(ContractBroken, match="declare a paginator"):
        walk(SinglePage(), lambda params: ({"data": rows([1])}, {"Link": f'<{link(1)}>; rel="next"'}))
    assert walk(SinglePage(), pages({"data": rows([1])})) == [1]


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('<https://a.example/?ids=1,2;3>; rel="next"', "https://a.example/?ids=1,2;3"),
        ('<https://a.example/1>; rel="prev", <https://a.example/3>; rel="next"', "https://a.example/3"),
        ("<https://a.example/3>;rel=next", "https://a.example/3"),
        ("<https://a.example/3>; rel='next'", "https://a.example/3"),
        ('<https://a.example/3>; type="application/json"; rel="next"; crossorigin', "https://a.example/3"),
        ('<https://a.example/3>; title="a \\"b\\", c"; rel="next"', "https://a.example/3"),
        (
            "<https://a.example/2>; rel=prev; title*=UTF-8'de'a%20b, <https://a.example/3>; rel=next",
            "https://a.example/3",
        ),
        ('<https://a.example/3> ; Rel = "last NEXT"', "https://a.example/3"),
        ('</things?page=3>; title="x; rel=next, y"; rel="next"', "/things?page=3"),
        ('<https://a.example/3>; title="rel=next"; rel="prev"', None),
        ('<https://a.example/3>; rel="nextish"', None),
        ("", None),
        ("nonsense", None),
    ],
)
def test_a_link_header_is_read_by_its_grammar(header: str, target: str | None) -> None:
    """RFC 8288, section 3: targets and quoted values hold commas; names, and relations, have no case.

    unslothai/unsloth PR 7382: `rel` was looked for in the first parameter only, and the list ended after a page.
    """
    link = find_link(header, "next")
    assert (link.target if link else None) == target


def test_a_link_in_a_second_header_line_is_found() -> None:
    """ScorpioBroker/ScorpioBroker #44, davidcelis/api-pagination #32: one `Link` line for each relation.

    Ours read the first line only and took page one for the whole list. Right: lines of one name are one list
    (RFC 9110, 5.3).
    """
    headers = HTTPHeaderDict()
    headers.add("Link", f'<{link(0)}>; rel="prev"')
    headers.add("link", f'<{link(1)}>; rel="next"')
    left = [({"data": rows([1])}, headers), ({"data": rows([2])}, {})]
    assert walk(LinkHeader(), lambda params: left.pop(0)) == [1, 2]


@pytest.mark.parametrize(
    "header", ['</things?page=2>rel="next", </context>; rel="context"', "/things?page=2; rel=next"]
)
def test_a_link_header_that_cannot_be_read_is_no_end(header: str) -> None:
    """ScorpioBroker/ScorpioBroker #44 (no semicolon before `rel`), panoramicdata/Meraki.Api PR 407.

    "There is no next page" and "there is one that I can't read" looked the same: a short list, and nothing said.
    """
    with pytest.raises(VendorUnavailable, match="can't be read"):
        walk(LinkHeader(), lambda params: ({"data": rows([1])}, {"Link": header}))


def test_a_next_link_whose_name_has_a_dot_is_followed() -> None:
    """dlt-hub/dlt #2505: Microsoft Graph's `@odata.nextLink` was read as a path of two names: one page, no error."""
    vendor = pages({"data": rows([1]), "@odata.nextLink": link(1)}, {"data": rows([2])})
    assert walk(NextLink("@odata.nextLink"), vendor) == [1, 2]


@pytest.mark.parametrize("ends", [{"links": []}, {"links": {"next": {}}}, {"links": None}, {"links": ""}, {}])
def test_links_that_are_empty_in_the_ways_of_php_are_an_end(ends: dict[str, Any]) -> None:
    """thephpleague/fractal #433, AzuraCast/AzuraCast #4650: an empty object of links arrives as a list, or holds {}."""
    assert walk(NextLink(), pages({"data": rows([1]), "links": {"next": link(1)}}, {"data": rows([2]), **ends})) == [
        1,
        2,
    ]


@pytest.mark.parametrize(
    ("paginator", "following"),
    [
        (CursorPages(field="pages.next.starting_after", has_more=None), "https://api.example/things?page=2"),
        (NextLink("pages.next"), {"page": 2, "starting_after": "abc"}),
        (NextLink("pages.next.url"), ["https://api.example/things?page=2"]),
        (CursorPages(field="pages.next", has_more=None), {"page": 2, "starting_after": "abc"}),
    ],
)
def test_a_next_page_of_another_shape_than_declared_is_no_end(paginator: Paginator, following: Any) -> None:
    """intercom/intercom-php PR 111 and intercom-node #489: one API's `pages.next` is a link, and later an object.

    Ours took a shape that it did not know for the list's end. Right: it is said.
    """
    with pytest.raises(VendorUnavailable, match=r"no cursor|no object"):
        walk(paginator, pages({"data": rows([1]), "pages": {"next": following}}))


def test_a_list_that_is_null_is_an_empty_page() -> None:
    """dlt-hub/dlt #2932: a vendor's last page is `{"users": null, "next_token": null}`, and it broke the pipeline."""
    vendor = pages({"data": rows([1]), "cursor": "a"}, {"data": None, "cursor": None})
    assert walk(CursorPages(has_more=None), vendor) == [1]
    with pytest.raises(VendorUnavailable, match="has no list"):
        walk(CursorPages(has_more=None), pages({"cursor": None}))


def test_a_cursor_that_stays_the_same_at_the_end_is_one() -> None:
    """open-metadata/OpenMetadata #23210, dlt-hub/dlt #3358: the cursor is never null, not on the last page either.

    Right: a spec can say that such a list ends at its first empty page; without that word it is an error, no circle.
    """
    vendor = pages(
        {"data": rows([1]), "after": ">i:1"}, {"data": rows([2]), "after": ">i:2"}, {"data": [], "after": ">i:2"}
    )
    assert walk(CursorPages(field="after", has_more=None, empty_page_ends=True), vendor) == [1, 2]


def test_an_offset_may_begin_at_one() -> None:
    """RFC 7644 (SCIM), 3.4.2.4: `startIndex` counts from 1. From 0 the first record comes twice, or a 400."""
    vendor = ListOf(5, 2)
    seen: list[int] = []

    def one_based(params: Mapping[str, str]) -> Answer:
        seen.append(int(params["startIndex"]))
        return vendor.offset({"offset": str(seen[-1] - 1)})

    assert walk(Offset("startIndex", start=1, size=2, total="total"), one_based) == list(range(5))
    assert seen == [1, 3, 5]


def test_a_total_that_counts_records_which_are_not_shown_ends_a_list_all_the_same() -> None:
    """DougMidgley/SFMC-SDK #229: `totalResults` is 12, ten come, and the pages after them are empty: asked without end.

    Ours failed at the first empty page, each night. Right: the empty page is passed, and `total` ends the list.
    """
    shown = {0: [0], 1: [], 2: [4]}
    walked = walk(
        Offset(size=2, total="total"),
        lambda params: ({"data": rows(shown.get(int(params["offset"]) // 2, [])), "total": 6}, {}),
    )
    assert walked[0] == 0
    assert 4 in walked


@settings(deadline=None)
@given(
    count=st.integers(1, 30),
    size=st.integers(1, 6),
    deletions=st.lists(st.tuples(st.integers(1, 8), st.integers(0, 29)), max_size=4),
)
def test_records_that_move_up_while_others_are_deleted_are_not_missed(
    count: int, size: int, deletions: list[tuple[int, int]]
) -> None:
    """airbytehq/airbyte #21500 and #39105: an offset passes over records that moved up when earlier ones were deleted.

    Right: what is not deleted is read, for the vendor's `total` shows that records have gone.
    """
    living = list(range(count))
    script = dict(deletions)
    calls = 0

    def vendor(params: Mapping[str, str]) -> Answer:
        nonlocal calls
        calls += 1
        if script.get(calls) in living:
            living.remove(script[calls])
        at = int(params["offset"])
        return {"data": rows(living[at : at + size]), "total": len(living)}, {}

    read = walk(Offset(size=size, total="total"), vendor, guard=NoGuard())
    assert set(living) <= set(read)


@pytest.mark.parametrize(
    ("paginator", "name"),
    [(Offset(size=2, total="total"), "total"), (PageNumber(size=2, total_pages="pages"), "pages")],
)
def test_a_total_that_the_page_itself_refutes_ends_nothing(paginator: Paginator, name: str) -> None:
    """multica-ai/multica PR 7896, oaeproject/Hilary PR 790: a count that fails is 0, beside a full page of records.

    Ours took page one for the whole list. Right: such a total is not believed, and an empty page ends the list.
    """
    data = [rows([1, 2]), rows([3, 4]), []]
    assert walk(paginator, pages(*({"data": page, name: 0} for page in data))) == [1, 2, 3, 4]
