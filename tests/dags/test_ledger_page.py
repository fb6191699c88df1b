"""The pages of the ledger and of the rejects: who may see them, what they ask the warehouse, and that they are text."""

from __future__ import annotations

import re
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
        sql, values = statement(page, Wanted(evil, evil, evil))
        assert evil not in sql
        assert set(values.values()) <= {evil, f"{evil}."}


def test_without_a_filter_the_newest_rows_of_all_are_asked_for() -> None:
    sql, values = statement("ledger", Wanted())
    assert "WHERE" not in sql
    assert sql.endswith("ORDER BY LOADED_AT DESC, BATCH_ID LIMIT 201 OFFSET 0")
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
    assert re.findall(r"<td[^>]*>(.*?)</td>", text) == ["7", "", "2026-03-01 02:00:00"]


def test_a_count_of_rejects_leads_to_them() -> None:
    warehouse = Warehouse(
        ["SOURCE", "STREAM", "ROWS_REJECTED", "BATCH"],
        ("zendesk", "tickets", 3, "b&1"),
        ("z", "t", 0, "c"),
    )
    text = TestClient(application(warehouse, [])).get("/ledger").text
    assert re.findall(r'<a href="(rejects\?source=[^"]*)">(.*?)</a>', text) == [
        ("rejects?source=zendesk&amp;stream=tickets&amp;batch=b%261", "3")
    ]


def test_every_row_is_on_one_page_and_the_last_page_says_that_it_is_the_last() -> None:
    """Rejects of one load share their moment: pages are counted, for one that began at a time would skip some."""

    def ask(sql: str, values: Mapping[str, Any]) -> tuple[list[str], list[tuple[str]]]:
        limit, offset = re.search(r"LIMIT (\d+) OFFSET (\d+)$", sql).groups()  # type: ignore[union-attr]
        return ["REASON"], [(f"reason {n}.",) for n in range(450)][int(offset) :][: int(limit)]

    client, url, seen = TestClient(application(ask, [])), "rejects?source=zendesk", []
    for _ in range(3):
        text = client.get(f"/{url}").text
        seen += re.findall(r"reason (\d+)\.", text)
        older = re.findall(r'<a href="([^"]*)" rel="next">', text)
        url = older[0].replace("&amp;", "&") if older else ""
    assert seen == [str(n) for n in range(450)]
    assert url == ""
    assert re.findall(r'<a href="([^"]*)" rel="prev">', text)[0] == "rejects?source=zendesk&amp;page=2"
    assert "Rows 401 to 450" in text
    assert "There are no more rows." in client.get("/rejects?page=4").text


@pytest.mark.parametrize("page", ["0", "-1", "1;DROP", "99999999"])
def test_a_page_that_is_none_asks_for_nothing(page: str) -> None:
    warehouse = Warehouse(["REASON"])
    assert TestClient(application(warehouse, [])).get("/rejects", params={"page": page}).status_code == 422
    assert warehouse.asked == []


def test_a_source_that_does_not_exist_is_not_said_to_be_in_order() -> None:
    text = TestClient(application(Warehouse(["REASON"]), [])).get("/rejects", params={"source": "zendsk"}).text
    assert 'There is no source "zendsk". The sources are:' in text
    assert "Nothing was rejected" not in text


def test_a_warehouse_that_is_away_is_a_sentence_and_no_empty_ledger() -> None:
    def away(sql: str, values: Mapping[str, Any]) -> Any:
        raise WarehouseUnavailable("The warehouse could not open a session: it is tried again later.")

    reply = TestClient(application(away, [])).get("/ledger")
    assert reply.status_code == 503
    assert "could not open a session" in reply.text
    assert "Nothing was loaded" not in reply.text
