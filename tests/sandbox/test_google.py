"""The sandbox's Google, read by the real gspread client with a real service account's token."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import google.auth.credentials
import gspread
import pytest
import requests
from gspread.http_client import HTTPClient

from local.company.cells import Held
from local.company.sheets import PRODUCT, SALES, TARGETS_HEADER
from local.company.truth import TABS, tab_cells
from local.sandbox.cells import grid_data, unformatted
from local.sandbox.google import trimmed
from local.sandbox.keys import make_key
from tests.sandbox.server import NOW, Server


@pytest.fixture(autouse=True)
def _no_boundary_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    """google-auth asks Google for regional boundaries on the side; there is no Google here."""
    monkeypatch.setattr(
        google.auth.credentials.CredentialsWithRegionalAccessBoundary,
        "_is_regional_access_boundary_lookup_required",
        lambda self: False,
        raising=False,
    )


def client(server: Server, key: dict[str, Any] | None = None) -> gspread.Client:
    """gspread with its hosts replaced by the sandbox's, and nothing else."""

    class Local(HTTPClient):
        def request(self, method: str, endpoint: str, *args: Any, **kwargs: Any) -> Any:
            for host in ("https://sheets.googleapis.com", "https://www.googleapis.com"):
                endpoint = endpoint.replace(host, f"{server.url}/google")
            return super().request(method, endpoint, *args, **kwargs)

    return gspread.service_account_from_dict(key or server.google_key, http_client=Local)


@pytest.mark.parametrize("stream", TABS)
def test_gspread_reads_every_tab_as_people_typed_it(server: Server, stream: str) -> None:
    spreadsheet, tab = TABS[stream]
    cells = client(server).open_by_key(spreadsheet).worksheet(tab).get_values()
    wanted = trimmed(tab_cells(server.company, spreadsheet, tab, NOW))
    width = max(map(len, wanted))
    assert cells == [[*row, *[""] * (width - len(row))] for row in wanted]


def test_records_keep_their_leading_zeros(server: Server) -> None:
    owners = client(server).open_by_key(SALES).worksheet("Owners").get_all_records(numericise_ignore=["all"])
    assert owners[0]["account_code"] == "001"
    assert owners[0]["account_id"] == "0000001"


def test_several_tabs_come_in_one_request(server: Server) -> None:
    ranges = client(server).open_by_key(SALES).values_batch_get(["Targets!A1:E1", "'Notes – bitte nicht löschen'"])
    assert ranges["valueRanges"][0]["values"] == [TARGETS_HEADER]
    assert ranges["valueRanges"][1]["values"] == [["Fragen? → #sales"], [], ["", "v2"]]


def test_numbers_come_as_numbers_when_asked_for(server: Server) -> None:
    sheet = client(server).open_by_key(SALES).worksheet("Targets")
    assert sheet.acell("D2", value_render_option="UNFORMATTED_VALUE").value == 20_000 + 1_000
    assert sheet.acell("D2").value == "21000"


CELL_FIELDS = "sheets(data(rowData(values(formattedValue,effectiveValue,effectiveFormat(numberFormat(type))))))"


def get(server: Server, path: str, **params: Any) -> requests.Response:
    """A request of our own, with a token of gspread's."""
    sheets = client(server)
    sheets.open_by_key(SALES)
    token = sheets.http_client.auth.token
    return requests.get(f"{server.url}/google/{path}", params, headers={"Authorization": f"Bearer {token}"}, timeout=10)


def test_cells_come_as_they_are_shown_and_as_they_are_held() -> None:
    row = [Held("25%", 0.25, "PERCENT"), Held.day(date(2026, 3, 31)), Held("TRUE", True), "007", ""]
    assert grid_data([row], 1)["rowData"] == [
        {
            "values": [
                {
                    "formattedValue": "25%",
                    "effectiveValue": {"numberValue": 0.25},
                    "effectiveFormat": {"numberFormat": {"type": "PERCENT"}},
                },
                {
                    "formattedValue": "2026-03-31",
                    "effectiveValue": {"numberValue": 46112},
                    "effectiveFormat": {"numberFormat": {"type": "DATE"}},
                },
                {"formattedValue": "TRUE", "effectiveValue": {"boolValue": True}},
                {"formattedValue": "007", "effectiveValue": {"stringValue": "007"}},
                {},
            ]
        }
    ]
    assert [unformatted(cell, times_as_shown=False) for cell in row] == [0.25, 46112, True, "007", ""]


def test_ranges_choose_the_tabs_and_a_mask_the_fields(server: Server) -> None:
    path = f"v4/spreadsheets/{SALES}"
    titles = get(server, path, fields="sheets.properties.title").json()
    assert [s["properties"]["title"] for s in titles["sheets"]][:2] == ["Targets", "Owners"]
    (cells,) = get(server, path, ranges="Targets!2:2", fields=CELL_FIELDS).json()["sheets"]
    ((row,),) = [data["rowData"] for data in cells.pop("data")]
    assert (cells, {name for cell in row["values"] for name in cell}) == (
        {},
        {"formattedValue", "effectiveValue"},
    )
    one = get(server, path, ranges="Owners!1:1").json()
    assert [s["properties"]["title"] for s in one["sheets"]] == ["Owners"]
    assert "data" not in one["sheets"][0]
    page = get(server, path, ranges="Owners!900:1000", fields="sheets.data").json()
    assert page == {"sheets": [{"data": [{"startRow": 899}]}]}


def test_rows_beyond_the_grid_and_masks_that_are_none_are_refused(server: Server) -> None:
    path = f"v4/spreadsheets/{SALES}"
    beyond = get(server, path, ranges="Targets!1001:2000", fields="sheets.data")
    assert (beyond.status_code, "exceeds grid limits" in beyond.json()["error"]["message"]) == (400, True)
    assert get(server, path, fields="sheets(data").status_code == 400


def test_drive_tells_a_file_that_is_not_shared_as_one_that_is_gone(server: Server) -> None:
    server.settings(unshared=[PRODUCT])
    for id in (PRODUCT, "1Nobody"):
        reply = get(server, f"drive/v3/files/{id}")
        assert (reply.status_code, reply.json()["error"]["message"]) == (404, f"File not found: {id}.")
    assert get(server, f"v4/spreadsheets/{PRODUCT}").json()["error"]["status"] == "PERMISSION_DENIED"


def test_drive_tells_what_it_is_asked_for(server: Server) -> None:
    assert set(get(server, f"drive/v3/files/{SALES}").json()) == {"kind", "id", "name", "mimeType"}
    trashed = get(server, f"drive/v3/files/{SALES}", fields="id,trashed,modifiedTime").json()
    assert trashed["trashed"] is False


def test_the_teams_own_edits_move_the_file_s_time_and_its_cells(server: Server) -> None:
    sheets = client(server)
    before = sheets.get_file_drive_metadata(SALES)["modifiedTime"]
    rows = len(sheets.open_by_key(SALES).worksheet("Targets").get_values())
    server.control("POST", "/clock", {"advance": 40 * 86_400})
    assert sheets.get_file_drive_metadata(SALES)["modifiedTime"] > before
    assert len(sheets.open_by_key(SALES).worksheet("Targets").get_values()) > rows


def test_an_empty_range_has_no_values_key(server: Server) -> None:
    body = client(server).open_by_key(SALES).values_get("Targets!Z900:Z901")
    assert "values" not in body


def test_a_file_can_be_found_by_its_title(server: Server) -> None:
    assert client(server).open("Product features").id == PRODUCT


def test_a_file_that_is_not_shared_or_not_there_is_told_apart(server: Server) -> None:
    server.settings(unshared=[SALES])
    with pytest.raises(PermissionError):
        client(server).open_by_key(SALES)
    with pytest.raises(gspread.exceptions.SpreadsheetNotFound):
        client(server).open_by_key("1Nobody")


def test_an_unknown_tab_or_range_is_a_bad_request(server: Server) -> None:
    with pytest.raises(gspread.exceptions.APIError) as caught:
        client(server).open_by_key(SALES).values_get("Ghosts!A1")
    assert caught.value.code == 400


def test_the_61st_read_of_a_minute_is_refused(server: Server) -> None:
    server.settings(sheets_reads_per_minute=4)
    file = client(server).open_by_key(SALES)
    for _ in range(3):
        file.values_get("Targets!A1")
    with pytest.raises(gspread.exceptions.APIError) as caught:
        file.values_get("Targets!A1")
    assert caught.value.response.json()["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert "Retry-After" not in caught.value.response.headers


def test_a_key_of_somebody_else_gets_no_token(server: Server, tmp_path: Path) -> None:
    make_key(tmp_path / "other.json", server.google_key["token_uri"])
    other = json.loads((tmp_path / "other.json").read_text())
    key = {**server.google_key, "private_key": other["private_key"]}
    with pytest.raises(Exception, match="invalid_grant"):
        client(server, key).open_by_key(SALES)


def test_a_request_without_a_token_is_refused(server: Server) -> None:
    reply = requests.get(f"{server.url}/google/v4/spreadsheets/{SALES}", timeout=10)
    assert (reply.status_code, reply.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
