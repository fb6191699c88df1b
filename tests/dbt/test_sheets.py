"""What nobody could read on a sheet is empty in the warehouse; a warning names the rows, the owner and what to do."""

from __future__ import annotations

import json
from typing import Any

from catchment.sources import SOURCES
from tests.dbt.history import FIRST, Record
from tests.dbt.project import Dbt
from tests.dbt.warehouse import Load, Warehouse

STAGING = "stg_google_sheets__team_targets"


def target(month: str, team: str, amount: str, metric: str = "new_mrr") -> Record:
    return {"month": month, "team": team, "metric": metric, "target": amount, "owner": "Ann"}


def load(rows: dict[int, Record]) -> Load:
    parents: list[dict[str, Any]] = [
        {"spreadsheet_id": "sheet-1", "tab": "Targets", "row": row, "locale": "de_DE"} for row in rows
    ]
    return Load(stream="google_sheets.team_targets", name="one", at=FIRST, records=list(rows.values()), parents=parents)


def build(dbt: Dbt, *models: str) -> tuple[dict[str, str], str]:
    """The status of each node, and what dbt printed."""
    done = dbt.run("build", "--select", *models, "--exclude", "test_type:unit")
    results = json.loads((dbt.target / "run_results.json").read_text())["results"]
    (dbt.target / "run_results.json").unlink()
    return {r["unique_id"].split(".")[2]: r["status"] for r in results}, " ".join(done.stdout.split())


def test_cells_that_are_not_read_are_named_with_their_owner(warehouse: Warehouse, dbt: Dbt) -> None:
    warehouse.empty()
    warehouse.load([load({2: target("2026-02", "EMEA", "100"), 7: target("2026-02", "EMAE", "10k")})])
    statuses, said = build(dbt, STAGING)
    assert statuses[f"cells_are_read_{STAGING}_team_targets"] == "warn"
    assert (
        'The tab "Targets" of https://docs.google.com/spreadsheets/d/sheet-1: cells are not read '
        "(row 7: team: EMAE; target: 10k). Ask its owner, the team sales, to correct the cells"
    ) in said
    rows = warehouse.rows(f"SELECT SHEET_ROW, TEAM, TARGET, _NOT_READ FROM ANALYTICS.STAGING.{STAGING} ORDER BY 1")
    assert [(row, team, notes) for row, team, _, notes in rows] == [
        (2, "emea", None),
        (7, None, "team: EMAE; target: 10k"),
    ]


def test_rows_without_a_key_and_with_anothers_are_named(warehouse: Warehouse, dbt: Dbt) -> None:
    """Sorted, copied and half-typed rows. The same month may be typed in two ways."""
    warehouse.empty()
    rows = {
        2: target("2026-02", "EMEA", "1"),
        5: target("2026-02", "EMEA", "2"),
        9: target("02/2026", "emea\u200b", "3"),
        11: target("", "EMEA", "4"),
        12: target("2026-03", "EMEA", "5"),
    }
    warehouse.load([load(rows)])
    statuses, said = build(dbt, STAGING)
    names = [name for name in statuses if name.startswith("rows_have_a_key_of_their_own")]
    assert [statuses[name] for name in names] == ["warn"]
    doubled = "a row below it has the same month, team, metric"
    assert f"row 2: {doubled}; row 5: {doubled}; row 11: no month" in said
    assert "the team sales, to give each row its own key" in said
    kept = warehouse.rows(f"SELECT SHEET_ROW FROM ANALYTICS.STAGING.{STAGING} ORDER BY 1")
    assert kept == [(9,), (11,), (12,)]


def test_a_sheet_in_order_says_nothing(warehouse: Warehouse, dbt: Dbt) -> None:
    warehouse.empty()
    warehouse.load([load({2: target("2026-02", "EMEA", "100"), 3: target("2026-02", "All", "")})])
    statuses, said = build(dbt, STAGING)
    assert set(statuses.values()) == {"success", "pass"}
    assert "not read" not in said


def test_a_team_that_does_not_exist_does_not_get_the_whole_companys_figure(warehouse: Warehouse, dbt: Dbt) -> None:
    warehouse.empty()
    teams = {row: target("2026-02", team, "100") for row, team in enumerate(["EMAE", "Sales", "#N/A", "", "All"], 2)}
    warehouse.load([load(teams)])
    done = dbt.run("run", "--select", "+rpt_targets_vs_actual")
    assert done.returncode == 0, done.stdout
    assert warehouse.rows("SELECT TEAM FROM ANALYTICS.MARTS.RPT_TARGETS_VS_ACTUAL") == [("all",)]


def test_the_keys_that_the_test_names_are_the_streams(manifest: dict[str, Any]) -> None:
    found = {
        node["test_metadata"]["kwargs"]["stream"]: tuple(node["test_metadata"]["kwargs"]["key"])
        for node in manifest["nodes"].values()
        if node.get("test_metadata", {}).get("name") == "rows_have_a_key_of_their_own"
    }
    assert found == {stream.name: stream.key for stream in SOURCES["google_sheets"].streams}
