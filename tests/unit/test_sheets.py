"""Tabs that people keep: read as they are typed, skipped when unchanged, refused when the header is broken."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.batch import Batch, Kind, Mode
from catchment.cursor import CursorState
from catchment.errors import ContractBroken, Refused, VendorUnavailable
from catchment.extract.run import Extraction
from catchment.extract.sheets import TabState, check_header, column_letters, read_tab, rows_of, visible
from catchment.extract.sheets_api import PAGE_ROWS, Cell, Shape, cells
from catchment.http.client import HttpClient
from catchment.landing import Manifest, read_manifest
from catchment.reads.sheet_tab import SheetTab
from tests.support.make import batch, moment, source, stream
from tests.support.memory_warehouse import MemoryWarehouse
from tests.support.store import MemoryStore
from tests.support.vendor import InProcess

TAB = SheetTab(spreadsheet_id="sheet-1", tab="Kim's tab", header=("code", "owner"))
STREAM = stream("tab", TAB, owner="sales")
SPEC = source(STREAM)
HOURLY = Batch(source="vendor", stream="tab", start=moment(1, 8), end=moment(1, 9))
CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
GERMAN = Shape("de_DE", "Europe/Berlin", {"Kim's tab": 1000})
LINK = "https://docs.google.com/spreadsheets/d/sheet-1"
ROWS = re.compile(r"'.*'!(\d+):(\d+)")


def number(shown: str, value: float, form: str = "") -> dict[str, Any]:
    """A cell with a number, as spreadsheets.get has it."""
    effective = {"effectiveValue": {"numberValue": value}}
    return {"formattedValue": shown, **effective, "effectiveFormat": {"numberFormat": {"type": form}} if form else {}}


def error(shown: str, kind: str) -> dict[str, Any]:
    return {"formattedValue": shown, "effectiveValue": {"errorValue": {"type": kind, "message": "Of some formula."}}}


def typed(cells: Sequence[Sequence[str]]) -> list[list[Cell]]:
    return [[Cell(cell) for cell in row] for row in cells]


class Sheet:
    """A spreadsheet with one tab, as Drive and Sheets answer for it. A text stands for a cell with that text."""

    def __init__(self, values: Any, modified: Any = "2026-03-01T08:00:00.000Z", **file: Any) -> None:
        self.values = values
        self.modified = modified
        self.file = file
        self.title = "Kim's tab"
        self.refusals: dict[str, Refused] = {}
        self.asked: list[tuple[str, str]] = []

    def reply(self, path: str, params: Mapping[str, Any]) -> Any:
        self.asked.append((path, params.get("ranges", "")))
        for start, refusal in self.refusals.items():
            if path.startswith(start):
                raise refusal
        if path.startswith("drive/"):
            return {"id": "sheet-1", **self.file} | ({"modifiedTime": self.modified} if self.modified else {})
        if "ranges" not in params:
            rows = len(self.values or []) if isinstance(self.values, list) else 1
            tabs = [{"properties": {"title": self.title, "gridProperties": {"rowCount": max(rows, 1000)}}}]
            return {"properties": {"locale": "de_DE", "timeZone": "Europe/Berlin"}, "sheets": tabs}
        if not self.values:
            return {"sheets": [{"data": [{}]}]}
        return {"sheets": [{"data": [self._page(params["ranges"])]}]}

    def _page(self, ranges: str) -> Any:
        match = ROWS.fullmatch(ranges)
        assert match, ranges
        first, last = int(match[1]) - 1, int(match[2])
        if not isinstance(self.values, list):
            return {"rowData": self.values}
        rows = [{"values": [self._cell(cell) for cell in row]} if row else {} for row in self.values[first:last]]
        return ({"startRow": first} if first else {}) | ({"rowData": rows} if rows else {})

    @staticmethod
    def _cell(cell: Any) -> Any:
        if isinstance(cell, str):
            return {"formattedValue": cell, "effectiveValue": {"stringValue": cell}} if cell else {}
        return cell


def extract(sheet: Sheet, cursor: str | None = None, of: Batch = HOURLY) -> tuple[list[Any], Manifest | None]:
    store = MemoryStore()
    extraction = Extraction(
        source=SPEC,
        client=cast(HttpClient, InProcess(sheet.reply)),
        store=store,
        history_start=SPEC.history_start,
        load=lambda key: None,
    )
    key = extraction.run(of, CursorState(cursor, cursor is not None, newest=cursor)).key
    manifest = read_manifest(store, key) if key else None
    rows = [json.loads(line) for line in store.rows(manifest)] if manifest else []
    return rows, manifest


@pytest.mark.parametrize("kind", Kind)
def test_a_tab_that_was_put_back_is_read_again_after_an_older_run_brought_another_one(kind: Kind) -> None:
    """An independent simulator: the first night's run is cleared, or a backfill is started, while the tab holds a
    mistake; the mistake is taken back. The nights after said "unchanged", for they compared with the night before: the
    mistake stayed current for good. Right: the tab is compared with what is current."""
    of = stream("tab", TAB, owner="sales", key=("code",))
    store = MemoryStore()
    warehouse = MemoryWarehouse(store)
    sheet = Sheet([["code", "owner"], ["7", "Ann"]], modified=None)

    def run(interval: Batch) -> list[Any]:
        extraction = Extraction(
            source=source(of),
            client=cast(HttpClient, InProcess(sheet.reply)),
            store=store,
            history_start=SPEC.history_start,
            load=warehouse.load,
        )
        if key := extraction.run(interval, warehouse.cursor_state(interval)).key:
            warehouse.load(key)
        return [record["owner"] for record in warehouse.current(of).values()]

    assert run(batch("tab", day=1)) == ["Ann"]
    sheet.values = [["code", "owner"], ["7", "Ben"]]
    assert run(batch("tab", day=2)) == ["Ben"]
    sheet.values = [["code", "owner"], ["7", "mistake"]]
    assert run(batch("tab", day=1, kind=kind)) == ["mistake"]
    sheet.values = [["code", "owner"], ["7", "Ben"]]
    assert run(batch("tab", day=3)) == ["Ben"]


def test_values_land_as_people_typed_them() -> None:
    typed = [["code", "owner"], ["007", "Ann 😀"], ["1e5"], [], ["9007199254740993", "=1+1", "beyond"]]
    rows, _ = extract(Sheet(typed))
    assert [row["record"] for row in rows] == [
        {"code": "007", "owner": "Ann 😀"},
        {"code": "1e5", "owner": ""},
        {"code": "9007199254740993", "owner": "=1+1", "(C)": "beyond"},
    ]
    assert [row["parent"]["row"] for row in rows] == [2, 3, 5]
    assert rows[0]["parent"] == {
        "spreadsheet_id": "sheet-1",
        "tab": "Kim's tab",
        "row": 2,
        "locale": "de_DE",
        "time_zone": "Europe/Berlin",
    }


def test_what_a_cell_holds_stands_beside_what_it_shows() -> None:
    """gspread #1122, #832 and tap-google-sheets #83: percentages, currency and days come as shown, or as bare numbers.

    Both are wanted: `25%` and 0.25, `01.03.26` and 46082 with the word DATE. A text needs no second copy.
    """
    cells = [number("25%", 0.25, "PERCENT"), number("01.03.26", 46082, "DATE"), number("007", 7, "NUMBER"), "007"]
    checkbox = {"formattedValue": "WAHR", "effectiveValue": {"boolValue": True}}
    rows, _ = extract(
        Sheet([["code", "owner", "c", "d", "e", "f"], [*cells, checkbox, error("#DIV/0!", "DIVIDE_BY_ZERO")]])
    )
    assert list(rows[0]["record"].values()) == ["25%", "01.03.26", "007", "007", "WAHR", "#DIV/0!"]
    assert rows[0]["parent"]["cells"] == {
        "code": {"number": 0.25, "format": "PERCENT"},
        "owner": {"number": 46082, "format": "DATE"},
        "c": {"number": 7, "format": "NUMBER"},
        "e": {"bool": True},
        "f": {"error": "DIVIDE_BY_ZERO"},
    }


def test_a_row_of_checkboxes_that_nobody_ticked_is_empty() -> None:
    """Checkboxes that are put into a whole column in advance hold FALSE down to the last row (Sheets API, `CellData`).

    Right: they are no rows, of which a warning would name hundreds; a ticked one is, and so is a typed FALSE.
    """

    def checkbox(shown: str, ticked: bool) -> dict[str, Any]:
        return {"formattedValue": shown, "effectiveValue": {"boolValue": ticked}}

    unticked = checkbox("FALSCH", False)
    body = [["A-1", unticked], ["", unticked], ["", unticked, unticked], ["", checkbox("WAHR", True)], ["", "FALSE"]]
    rows, _ = extract(Sheet([["code", "owner"], *body]))
    assert [row["parent"]["row"] for row in rows] == [2, 5, 6]
    assert rows[0]["record"] == {"code": "A-1", "owner": "FALSCH"}


def test_a_number_that_its_format_hides_is_not_lost() -> None:
    """The format `;;;` shows nothing."""
    hidden = {"effectiveValue": {"numberValue": 12.5}}
    rows, _ = extract(Sheet([["code", "owner"], [hidden, "a"]]))
    assert rows[0]["record"]["code"] == "12.5"


def test_what_a_personal_cell_holds_does_not_stand_beside_its_hash() -> None:
    personal = stream("tab", TAB, owner="sales", personal=("owner",))
    grid = [[Cell("code"), Cell("owner")], [Cell("1", (("number", 1),)), Cell("0170 1", (("number", 1701),))]]
    (row,) = rows_of(personal, TAB, GERMAN, grid)
    assert json.loads(row.parent)["cells"] == {"code": {"number": 1}}


def test_a_long_tab_is_read_in_pages() -> None:
    """Large sheets are read range by range (tap-google-sheets #50); blank rows at a page's end keep their place."""
    body = [[str(n), "a"] for n in range(PAGE_ROWS - 3)]
    sheet = Sheet([["code", "owner"], *body, [], [], [], ["last", "b"]])
    rows, _ = extract(sheet)
    assert len(rows) == len(body) + 1
    assert rows[-1]["parent"]["row"] == PAGE_ROWS + 2
    assert [ranges for _, ranges in sheet.asked if ranges] == ["'Kim''s tab'!1:5000", "'Kim''s tab'!5001:5002"]


def test_a_long_tab_that_is_edited_between_its_pages_is_read_again_later() -> None:
    sheet = Sheet([["code", "owner"], *([["1", "a"]] * PAGE_ROWS)])
    times = iter(["08", "09"])
    answer = sheet.reply

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        if path.startswith("drive/"):
            sheet.modified = f"2026-03-01T{next(times)}:00:00.000Z"
        return answer(path, params)

    with pytest.raises(VendorUnavailable, match="was edited while its 5001 rows were read"):
        read_tab(cast(HttpClient, InProcess(reply)), STREAM, TAB, None, force=False)


def test_the_tabs_title_is_quoted_as_sheets_wants_it() -> None:
    sheet = Sheet([["code", "owner"]])
    extract(sheet)
    assert sheet.asked[-1] == ("v4/spreadsheets/sheet-1", "'Kim''s tab'!1:1000")


def test_a_file_that_was_not_modified_is_not_read() -> None:
    sheet = Sheet([["code", "owner"], ["1", "a"]])
    _, first = extract(sheet)
    assert first is not None
    sheet.asked.clear()
    assert extract(sheet, first.cursor_to)[1] is None
    assert sheet.asked == [("drive/v3/files/sheet-1", "")]


def test_a_file_that_was_modified_elsewhere_is_read_and_not_loaded() -> None:
    sheet = Sheet([["code", "owner"], ["1", "a"]])
    _, first = extract(sheet)
    sheet.modified = "2026-03-01T08:30:00.000Z"
    assert first is not None
    assert extract(sheet, first.cursor_to)[1] is None
    assert len(sheet.asked) == 6


def test_a_change_by_formula_is_seen_once_a_day() -> None:
    sheet = Sheet([["code", "owner"], ["1", "a"]])
    _, first = extract(sheet)
    assert first is not None
    sheet.values = [["code", "owner"], ["1", "b"]]
    assert extract(sheet, first.cursor_to)[1] is None
    midnight = Batch(source="vendor", stream="tab", start=moment(1, 23), end=moment(1, 23) + timedelta(hours=1))
    assert extract(sheet, first.cursor_to, midnight)[0][0]["record"]["owner"] == "b"


def test_a_full_read_loads_an_unchanged_tab() -> None:
    sheet = Sheet([["code", "owner"], ["1", "a"]])
    _, first = extract(sheet)
    assert first is not None
    assert extract(sheet, first.cursor_to, batch("tab", mode=Mode.FULL))[1] is not None


def test_a_file_whose_time_is_not_told_is_read_each_time() -> None:
    sheet = Sheet([["code", "owner"], ["1", "a"]], modified=None)
    _, first = extract(sheet)
    assert first is not None
    sheet.values = [["code", "owner"], ["1", "b"]]
    assert extract(sheet, first.cursor_to)[1] is not None


@pytest.mark.parametrize("values", ["text", {"a": 1}, 5])
def test_cells_that_are_no_rows_are_the_vendors_trouble(values: Any) -> None:
    with pytest.raises(VendorUnavailable, match="not what Google's API sends"):
        extract(Sheet(values))


@pytest.mark.parametrize(
    ("header", "difference"),
    [
        (["code"], "missing: owner"),
        (["code", "Owner"], "missing: owner; not declared: Owner"),
        (["code", "owner", "code", "note"], "(twice: code)"),
        ([], "missing: code, owner"),
    ],
)
def test_a_broken_header_names_sheet_tab_owner_and_difference(header: list[str], difference: str) -> None:
    with pytest.raises(ContractBroken) as raised:
        extract(Sheet([header, ["1", "a"]]))
    said = str(raised.value)
    assert all(part in said for part in ("Kim's tab", LINK, "the team sales", "correct row 1", difference))


def test_a_header_with_an_invisible_character_shows_its_code_point() -> None:
    """A pasted header: two names that look equal."""
    with pytest.raises(ContractBroken) as raised:
        extract(Sheet([["code", "ow\u200bner\ufeff"], ["1", "a"]]))
    assert "missing: owner; not declared: ow<U+200B>ner<U+FEFF>" in str(raised.value)
    assert visible("a\u00a0b c") == "a<U+00A0>b c"


def test_a_renamed_tab_says_which_tabs_there_are_and_whom_to_ask() -> None:
    sheet = Sheet([["code", "owner"]])
    sheet.title = "Kim's tab 2026"
    with pytest.raises(ContractBroken) as raised:
        extract(sheet)
    said = str(raised.value)
    assert all(part in said for part in (LINK, 'no tab "Kim\'s tab"', 'It has "Kim\'s tab 2026"', "the team sales"))


def test_a_tab_whose_title_differs_in_case_is_the_same() -> None:
    sheet = Sheet([["code", "owner"], ["1", "a"]])
    sheet.title = "KIM'S TAB"
    assert len(extract(sheet)[0]) == 1


def test_a_sheet_that_is_not_shared_says_with_whom_to_share_it() -> None:
    """googleapis/google-api-ruby-client #461, node-google-spreadsheet #164: the cure is nowhere in Google's words."""
    sheet = Sheet([])
    sheet.refusals = {
        "drive/": Refused('404 ("File not found: sheet-1.")', status=404),
        "v4/": Refused('403 ("The caller does not have permission")', status=403),
    }
    with pytest.raises(Refused, match=r"share it with reader@project\.iam\.gserviceaccount\.com") as raised:
        extract(sheet)
    assert all(part in str(raised.value) for part in (LINK, "the team sales", "not shared"))
    assert raised.value.status == 403


def test_a_deleted_sheet_says_so() -> None:
    sheet = Sheet([])
    sheet.refusals = {
        "drive/": Refused('404 ("File not found: sheet-1.")', status=404),
        "v4/": Refused('404 ("Requested entity was not found.")', status=404),
    }
    with pytest.raises(Refused, match="does not exist: it was deleted"):
        extract(sheet)


def test_a_sheet_in_the_trash_is_deleted_though_sheets_still_reads_it() -> None:
    """obot-platform/obot #108: the API works on in the trash, until the file is gone for good."""
    with pytest.raises(ContractBroken, match="in the trash, and gone after 30 days"):
        extract(Sheet([["code", "owner"]], trashed=True))


def test_an_excel_file_says_how_to_make_it_a_sheet() -> None:
    """tidyverse/googlesheets4 #275, node-google-spreadsheet #651: it looks like a sheet, and the API refuses it."""
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    with pytest.raises(ContractBroken, match="Save as Google Sheets"):
        extract(Sheet([], mimeType=kind))


def test_an_api_that_is_not_enabled_keeps_googles_words() -> None:
    sheet = Sheet([])
    words = "403: Google Sheets API has not been used in project 1 before or it is disabled"
    sheet.refusals = {"v4/": Refused(words, status=403)}
    with pytest.raises(Refused, match="has not been used in project 1"):
        extract(sheet)


def test_an_empty_tab_is_a_broken_header() -> None:
    with pytest.raises(ContractBroken, match="missing: code, owner"):
        extract(Sheet(None))


def test_columns_beyond_the_contract_and_spaces_around_names_are_welcome() -> None:
    check_header(STREAM, TAB, typed([[" owner ", "", "code", "note"]]))


def test_a_header_may_stand_further_down() -> None:
    low = SheetTab(spreadsheet_id="sheet-1", tab="Tab", header=("code",), header_row=3)
    rows = rows_of(STREAM, low, GERMAN, typed([["Title"], [], ["code"], ["1"]]))
    assert [json.loads(row.record) for row in rows] == [{"code": "1"}]
    assert json.loads(rows[0].parent)["row"] == 4


@given(st.lists(st.lists(CELLS, max_size=4), max_size=6))
def test_no_typed_cell_is_lost(body: list[list[str]]) -> None:
    rows = rows_of(STREAM, TAB, GERMAN, typed([["code", "owner"], *body]))
    landed = [[value for value in json.loads(row.record).values() if value] for row in rows]
    assert landed == [[cell for cell in cells if cell] for cells in body if any(cell.strip() for cell in cells)]


@given(st.text("ab:. ", max_size=12))
def test_a_state_that_is_none_is_read_as_none(text: str) -> None:
    state = TabState.parse(text)
    assert state is None or str(state) == text
    assert TabState.parse(None) is None


def test_columns_have_letters() -> None:
    assert [column_letters(index) for index in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]


def test_a_column_without_a_header_keeps_its_cell_beside_one_that_is_called_like_it() -> None:
    """Tried by hand for `make fuzz`: somebody typed the header "(C)", and column C had none. The cell of B was lost."""
    (row,) = rows_of(STREAM, TAB, GERMAN, typed([["code", "(C)"], ["x", "y", "z"]]))
    assert json.loads(row.record) == {"code": "x", "(C)": "y", "((C))": "z"}


@pytest.mark.parametrize("start", [-5, 1000, 99_999_999_999])
def test_rows_that_were_not_asked_for_are_the_vendors_trouble(start: int) -> None:
    """Tried by hand for `make fuzz`: a reply that began at row 99,999,999,999 was padded with as many empty rows."""
    reply = {"sheets": [{"data": [{"startRow": start, "rowData": [{"values": [{"formattedValue": "a"}]}]}]}]}
    client = cast(HttpClient, InProcess(lambda path, params: reply))
    with pytest.raises(VendorUnavailable, match="not asked for"):
        cells(client, "sheet-1", "Kim's tab", 1000)
