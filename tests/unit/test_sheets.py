"""Tabs that people keep: read as they are typed, skipped when unchanged, refused when the header is broken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

import pytest
from catchment.extract.http import Vendor
from catchment.extract.plan import Progress
from hypothesis import given
from hypothesis import strategies as st

from catchment.batch import Batch, Mode
from catchment.errors import ContractBroken, VendorUnavailable
from catchment.extract.run import Extraction
from catchment.extract.sheets import TabState, check_header, column_letters, rows_of
from catchment.landing import Manifest
from catchment.spec import SheetTab
from tests.support.make import batch, moment, source, stream
from tests.support.store import MemoryStore
from tests.support.vendor import InProcess

TAB = SheetTab("sheet-1", "Kim's tab", ("code", "owner"))
STREAM = stream("tab", TAB, owner="sales")
SPEC = source(STREAM)
HOURLY = Batch(source="vendor", stream="tab", start=moment(1, 8), end=moment(1, 9))
CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


class Sheet:
    """A spreadsheet with one tab, and Drive's word on when it changed."""

    def __init__(self, values: Any, modified: Any = "2026-03-01T08:00:00.000Z") -> None:
        self.values = values
        self.modified = modified
        self.asked: list[str] = []

    def reply(self, path: str, params: Mapping[str, Any]) -> Any:
        self.asked.append(path)
        if path.startswith("drive/"):
            return {"id": "sheet-1"} | ({"modifiedTime": self.modified} if self.modified is not None else {})
        return {"range": "A1:Z99"} | ({"values": self.values} if self.values is not None else {})


def extract(sheet: Sheet, cursor: str | None = None, of: Batch = HOURLY) -> tuple[list[Any], Manifest | None]:
    store = MemoryStore()
    extraction = Extraction(SPEC, cast(Vendor, InProcess(sheet.reply)), store)
    manifest = extraction.run(of, Progress(cursor, cursor is not None))
    rows = [json.loads(line) for line in store.rows(of.prefix, manifest)] if manifest else []
    return rows, manifest


def test_values_land_as_people_typed_them() -> None:
    typed = [["code", "owner"], ["007", "Ann 😀"], ["1e5"], [], ["9007199254740993", "=1+1", "beyond"]]
    rows, _ = extract(Sheet(typed))
    assert [row["record"] for row in rows] == [
        {"code": "007", "owner": "Ann 😀"},
        {"code": "1e5", "owner": ""},
        {"code": "9007199254740993", "owner": "=1+1", "(C)": "beyond"},
    ]
    assert [row["parent"]["row"] for row in rows] == [2, 3, 5]
    assert rows[0]["parent"] == {"spreadsheet_id": "sheet-1", "tab": "Kim's tab", "row": 2}


def test_the_tabs_title_is_quoted_as_sheets_wants_it() -> None:
    sheet = Sheet([["code", "owner"]])
    extract(sheet)
    assert sheet.asked == ["drive/v3/files/sheet-1", "v4/spreadsheets/sheet-1/values/%27Kim%27%27s%20tab%27"]


def test_a_file_that_was_not_modified_is_not_read() -> None:
    sheet = Sheet([["code", "owner"], ["1", "a"]])
    _, first = extract(sheet)
    assert first is not None
    sheet.asked.clear()
    assert extract(sheet, first.cursor_to)[1] is None
    assert sheet.asked == ["drive/v3/files/sheet-1"]


def test_a_file_that_was_modified_elsewhere_is_read_and_not_loaded() -> None:
    sheet = Sheet([["code", "owner"], ["1", "a"]])
    _, first = extract(sheet)
    sheet.modified = "2026-03-01T08:30:00.000Z"
    assert first is not None
    assert extract(sheet, first.cursor_to)[1] is None
    assert len(sheet.asked) == 4


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


@pytest.mark.parametrize("values", ["text", {"a": 1}, ["a", "b"], [{"a": 1}], 5])
def test_values_that_are_no_rows_are_the_vendors_trouble(values: Any) -> None:
    with pytest.raises(VendorUnavailable, match="not what Google's API sends"):
        extract(Sheet(values))


@pytest.mark.parametrize(
    ("header", "difference"),
    [
        (["code"], "missing: owner"),
        (["code", "Owner"], "missing: owner; not declared: Owner"),
        (["code", "owner", "code"], "twice: code"),
        ([], "missing: code, owner"),
    ],
)
def test_a_broken_header_names_sheet_tab_owner_and_difference(header: list[str], difference: str) -> None:
    with pytest.raises(ContractBroken) as raised:
        extract(Sheet([header, ["1", "a"]]))
    said = str(raised.value)
    assert all(part in said for part in ("Kim's tab", "sheet-1", "the team sales", "mend row 1", difference))


def test_an_empty_tab_is_a_broken_header() -> None:
    with pytest.raises(ContractBroken, match="missing: code, owner"):
        extract(Sheet(None))


def test_columns_beyond_the_contract_and_spaces_around_names_are_welcome() -> None:
    check_header(STREAM, TAB, [[" owner ", "", "code", "note"]])


def test_a_header_may_stand_further_down() -> None:
    low = SheetTab("sheet-1", "Tab", ("code",), header_row=3)
    rows = rows_of(low, [["Title"], [], ["code"], ["1"]])
    assert [json.loads(row.record) for row in rows] == [{"code": "1"}]
    assert json.loads(rows[0].parent)["row"] == 4


@given(st.lists(st.lists(CELLS, max_size=4), max_size=6))
def test_no_typed_cell_is_lost(body: list[list[str]]) -> None:
    rows = rows_of(TAB, [["code", "owner"], *body])
    landed = [[value for value in json.loads(row.record).values() if value] for row in rows]
    assert landed == [[cell for cell in cells if cell] for cells in body if any(cell.strip() for cell in cells)]


@given(st.text("ab:. ", max_size=12))
def test_a_state_that_is_none_is_read_as_none(text: str) -> None:
    state = TabState.parse(text)
    assert state is None or str(state) == text
    assert TabState.parse(None) is None


def test_columns_have_letters() -> None:
    assert [column_letters(index) for index in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]
