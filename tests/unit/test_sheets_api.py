"""What Google is asked for a sheet, and what its replies mean where they leave something out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest

from catchment.errors import Refused, VendorUnavailable
from catchment.extract.sheets import not_readable, read_tab
from catchment.extract.sheets_api import DRIVE_LIMIT, PAGE_ROWS, Cell, File, cells, drive_file, shape
from catchment.http.client import HttpClient
from catchment.http.limits import RateLimit
from catchment.times import MINUTE
from tests.unit.test_asked import Asked
from tests.unit.test_sheets import STREAM, TAB, Sheet, error, number


def google(reply: Callable[[str, Mapping[str, Any]], Any]) -> tuple[HttpClient, Asked]:
    asked = Asked(reply)
    return cast(HttpClient, asked), asked


def grid_of(*replies: Any, rows: int = 10) -> list[list[Cell]]:
    left = iter(replies)
    return cells(google(lambda path, params: next(left))[0], "sheet-1", "Tab", rows)


def data(*rows: list[Any], start: int | None = None) -> Any:
    begin = {} if start is None else {"startRow": start}
    return {"sheets": [{"data": [{**begin, "rowData": [{"values": row} for row in rows]}]}]}


def text(shown: str) -> dict[str, Any]:
    return {"formattedValue": shown}


@pytest.mark.parametrize(
    ("cell", "means"),
    [
        ({}, None),
        (text("a"), Cell("a")),
        (number("25%", 0.25, "PERCENT"), Cell("25%", (("number", 0.25), ("format", "PERCENT")))),
        (number("7", 7), Cell("7", (("number", 7),))),
        ({"effectiveValue": {"numberValue": 0}}, Cell("0", (("number", 0),))),
        ({"effectiveValue": {"boolValue": False}}, Cell("FALSE", (("bool", False),))),
        ({"effectiveValue": {"boolValue": True}}, Cell("TRUE", (("bool", True),))),
        ({"formattedValue": "WAHR", "effectiveValue": {"boolValue": True}}, Cell("WAHR", (("bool", True),))),
        (error("#N/A", "N_A"), Cell("#N/A", (("error", "N_A"),))),
        ({"effectiveValue": {"errorValue": {}}}, Cell("#ERROR!", (("error", "ERROR"),))),
        ({"effectiveValue": {"errorValue": {"type": "LOADING"}}}, Cell("#ERROR!", (("error", "LOADING"),))),
    ],
)
def test_what_a_cell_means(cell: Any, means: Cell | None) -> None:
    assert grid_of(data([cell])) == ([[means]] if means else [])


def test_a_row_ends_with_its_last_cell_and_a_tab_with_its_last_row_that_has_a_value() -> None:
    found = grid_of(data([{}, text("a"), {}, {}], [], [text("b")], [{}], []))
    assert found == [[Cell(), Cell("a")], [], [Cell("b")]]


def test_rows_that_a_reply_leaves_out_at_its_beginning_keep_their_place() -> None:
    assert grid_of(data([text("c")], start=3)) == [[], [], [], [Cell("c")]]
    assert grid_of({"sheets": [{"data": [{"startRow": 99_999_999_999}]}]}) == []


@pytest.mark.parametrize(
    ("rows", "ranges"),
    [
        (0, []),
        (1, ["1:1"]),
        (PAGE_ROWS, [f"1:{PAGE_ROWS}"]),
        (PAGE_ROWS + 1, [f"1:{PAGE_ROWS}", f"{PAGE_ROWS + 1}:{PAGE_ROWS + 1}"]),
    ],
)
def test_a_tab_is_asked_for_page_by_page_to_its_last_row(rows: int, ranges: list[str]) -> None:
    client, asked = google(lambda path, params: {})
    assert cells(client, "a/b", "Kim's", rows) == []
    assert [params["ranges"] for params in asked.asked] == [f"'Kim''s'!{one}" for one in ranges]
    assert {request.path for request in asked.requests} <= {"v4/spreadsheets/a%2Fb"}
    assert asked.limits == [()] * len(ranges)


def test_a_page_that_begins_within_the_one_before_is_the_vendors_trouble() -> None:
    first = data(*[[text("a")]] * PAGE_ROWS)
    with pytest.raises(VendorUnavailable, match=f"begins at row {PAGE_ROWS - 1}, which was not asked for"):
        grid_of(first, data([text("b")], start=PAGE_ROWS - 1), rows=2 * PAGE_ROWS)
    assert len(grid_of(first, data([text("b")], start=PAGE_ROWS), rows=2 * PAGE_ROWS)) == PAGE_ROWS + 1


def test_a_file_is_asked_for_on_all_drives_within_drives_limit() -> None:
    client, asked = google(lambda path, params: {"modifiedTime": "then", "mimeType": "kind", "trashed": True})
    assert drive_file(client, "a/b") == File(modified="then", kind="kind", trashed=True)
    (request,) = asked.requests
    assert (request.path, request.params["supportsAllDrives"]) == ("drive/v3/files/a%2Fb", "true")
    assert asked.limits == [(DRIVE_LIMIT,)]
    assert RateLimit(100, per=MINUTE, name="drive") == DRIVE_LIMIT


@pytest.mark.parametrize(("status", "known"), [(401, False), (403, True), (404, True), (400, False)])
def test_a_file_that_drive_does_not_show_may_still_be_a_sheet_that_is_shared(status: int, known: bool) -> None:
    def refuse(path: str, params: Mapping[str, Any]) -> Any:
        raise Refused("no", status=status)

    client, _ = google(refuse)
    if known:
        assert drive_file(client, "id") == File()
    else:
        with pytest.raises(Refused):
            drive_file(client, "id")


def test_the_shape_of_a_sheet_is_its_tabs_in_order_and_how_it_spells_values() -> None:
    tabs = [{"properties": {"title": t, "gridProperties": {"rowCount": n}}} for t, n in (("b", 5), ("a", 1))]
    found = shape(
        google(lambda path, params: {"properties": {"locale": "de_DE", "timeZone": "UTC"}, "sheets": tabs})[0], "id"
    )
    assert (found.locale, found.time_zone, list(found.tabs.items())) == ("de_DE", "UTC", [("b", 5), ("a", 1)])
    empty = shape(google(lambda path, params: {"sheets": [{}]})[0], "id")
    assert (empty.locale, empty.time_zone, empty.tabs) == ("", "", {"": 0})


# --- the sentences for a sheet that can't be read, and when a tab is read at all ---


@pytest.mark.parametrize(
    ("status", "words", "account", "says"),
    [
        (404, "404", "", "share it with the service account of the connection (viewer is enough)"),
        (404, "404", "a@b.c", "does not exist: it was deleted"),
        (403, "403: The caller does not have permission", "a@b.c", "Ask the team to share it with a@b.c"),
        (403, "403: it is disabled", "a@b.c", "can't be read: 403: it is disabled"),
        (401, "401: The caller does not have permission", "a@b.c", "can't be read: 401"),
    ],
)
def test_why_a_sheet_cannot_be_read(status: int, words: str, account: str, says: str) -> None:
    found = not_readable(STREAM, TAB, Refused(words, status=status), account)
    assert says in str(found)
    assert str(found).startswith("tab: the sheet https://docs.google.com/spreadsheets/d/sheet-1 of the team sales")
    assert found.status == status


@pytest.mark.parametrize(("rows", "read_again"), [(PAGE_ROWS, False), (PAGE_ROWS + 1, True)])
def test_only_a_tab_of_several_pages_can_be_edited_between_them(rows: int, read_again: bool) -> None:
    sheet = Sheet([["code", "owner"], *[["1", "a"]] * (rows - 1)])
    client, asked = google(sheet.reply)
    found = read_tab(client, STREAM, TAB, None, force=False)
    assert found is not None
    assert len(found.rows) == rows - 1
    assert sum(request.path.startswith("drive/") for request in asked.requests) == (2 if read_again else 1)


def test_a_tab_is_another_when_the_place_or_the_way_of_spelling_its_values_is() -> None:
    """The same cells in another locale or zone mean other values, so they are loaded again."""
    answers = Sheet([["code", "owner"], ["1,5", "a"]]).reply
    states = set()
    for locale, zone in (("de_DE", "UTC"), ("en_US", "UTC"), ("en_US", "Asia/Tokyo")):

        def reply(path: str, params: Mapping[str, Any], locale: str = locale, zone: str = zone) -> Any:
            found = answers(path, params)
            return {**found, "properties": {"locale": locale, "timeZone": zone}} if "properties" in found else found

        tab = read_tab(google(reply)[0], STREAM, TAB, None, force=False)
        assert tab is not None
        states.add(tab.state.digest)
    assert len(states) == 3
