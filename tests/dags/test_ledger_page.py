"""The pages of the ledger and of the rejects: who may see them, what they ask the warehouse, and that they are text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from catchment.errors import WarehouseUnavailable
from catchment.ui import ledger_page
from catchment.ui.ledger_page import Wanted, application, guarded, statement

EVIL = "<script>alert(1)</script>"


class Warehouse:
    """Remembers what was asked and answers with what a test wrote."""

    def __init__(self, columns: list[str], *rows: tuple[Any, ...]) -> None:
        self.columns, self.rows = columns, rows
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def __call__(self, sql: str, values: Mapping[str, Any]) -> tuple[list[str], tuple[Any, ...]]:
        self.asked.append((sql, values))
        return self.columns, self.rows


@pytest.mark.parametrize("page", ["ledger", "rejects"])
def test_an_anonymous_caller_gets_401_and_no_row(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow signs nobody in for a plugin's app (apache/airflow #72655): an app that does not ask is open to all."""
    asked: list[str] = []
    monkeypatch.setattr(ledger_page, "_ask_warehouse", lambda sql, values: asked.append(sql))
    reply = TestClient(guarded()).get(f"/{page}", params={"source": "zendesk"})
    assert reply.status_code == 401
    assert asked == []


def test_every_route_is_guarded_and_nothing_describes_them() -> None:
    client = TestClient(guarded())
    assert [client.get(path).status_code for path in ("/docs", "/openapi.json", "/redoc")] == [404, 404, 404]
    assert {route.path for route in guarded().routes} == {"/ledger", "/rejects"}  # type: ignore[attr-defined]


def test_what_a_caller_writes_is_bound_and_never_part_of_the_statement() -> None:
    evil = "x' OR 1=1 --"
    for page in ("ledger", "rejects"):
        sql, values = statement(page, Wanted(evil, evil, evil))  # type: ignore[arg-type]
        assert evil not in sql
        assert set(values.values()) <= {evil, f"{evil}."}


def test_without_a_filter_the_newest_rows_of_all_are_asked_for() -> None:
    sql, values = statement("ledger", Wanted())
    assert "WHERE" not in sql
    assert sql.endswith("ORDER BY LOADED_AT DESC LIMIT 200")
    assert values == {}


def test_the_rejects_of_a_batch_are_those_of_all_its_checkpoints() -> None:
    sql, values = statement("rejects", Wanted(batch="b"))
    assert "(BATCH_ID = %(batch)s OR STARTSWITH(BATCH_ID, %(later)s))" in sql
    assert values == {"batch": "b", "later": "b."}


def test_a_record_that_may_hold_personal_data_is_not_asked_for() -> None:
    columns = statement("rejects", Wanted())[0].partition(" FROM ")[0]
    assert "RECORD" not in columns


@pytest.mark.parametrize("page", ["ledger", "rejects"])
def test_what_vendors_and_callers_write_is_text(page: str) -> None:
    warehouse = Warehouse(["REASON"], (EVIL,))
    reply = TestClient(application(warehouse, [])).get(f"/{page}", params={"source": EVIL, "batch": f'"{EVIL}'})
    assert reply.status_code == 200
    assert EVIL not in reply.text
    assert "&lt;script&gt;" in reply.text
    assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_rows_are_shown_with_null_as_nothing() -> None:
    warehouse = Warehouse(
        ["ROWS_LOADED", "CURSOR_TO", "AS_OF"], (7, None, datetime.fromisoformat("2026-03-01 02:00:00.000123"))
    )
    text = TestClient(application(warehouse, [])).get("/ledger").text
    assert "<th>rows loaded</th>" in text
    assert "<td>7</td><td></td><td>2026-03-01 02:00:00</td>" in text


def test_a_warehouse_that_is_away_is_a_sentence_and_no_empty_ledger() -> None:
    def away(sql: str, values: Mapping[str, Any]) -> Any:
        raise WarehouseUnavailable("The warehouse could not open a session: it is tried again later.")

    reply = TestClient(application(away, [])).get("/ledger")
    assert reply.status_code == 503
    assert "could not open a session" in reply.text
    assert "Nothing was loaded" not in reply.text
