"""The application's first rows: the vendors' company, spread over the shards, and the same on every machine."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from catchment.cdc.declared import application
from local.application.copying import field
from local.application.placing import shard_of
from local.application.rows import COLUMNS, FirstRows
from local.company.company import Company
from local.settings import Settings

AT = int(datetime(2026, 11, 23, 9, tzinfo=UTC).timestamp())
SETTINGS = Settings(var=Path("/nonexistent"), scale=0.2)
TABLES = list(COLUMNS)


def rows(table: str, *, shards: tuple[str, ...] = ("s0", "s1")) -> list[dict[str, Any]]:
    """A table's rows over all shards, by column."""
    of = (row for shard in shards for row in getattr(FirstRows.of(SETTINGS, shard, AT), table)())
    return [dict(zip(COLUMNS[table].split(), row, strict=True)) for row in of]


@pytest.fixture(scope="module")
def vendor() -> Any:
    return Company.around(SETTINGS.seed, SETTINGS.scale, AT).chartmogul


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_of_declared_columns(table: str) -> None:
    declared = set(application().database("application").table(table).columns)
    assert set(COLUMNS[table].split()) | {"id"} == declared


@pytest.mark.parametrize("table", TABLES)
def test_the_seed_decides_every_row(table: str) -> None:
    assert repr(rows(table)) == repr(rows(table))


def test_each_account_lives_on_one_shard_with_all_that_is_its() -> None:
    for table in TABLES:
        of_s0, of_s1 = (
            {row["id" if table == "accounts" else "account_id"] for row in rows(table, shards=(s,))}
            for s in ("s0", "s1")
        )
        assert of_s0
        assert of_s1
        assert not of_s0 & of_s1


def test_a_shards_name_and_an_external_id_decide_the_place() -> None:
    places = [shard_of(f"{number:07d}", ("s0", "s1")) for number in range(1000)]
    assert 400 < places.count("s0") < 600


def test_accounts_that_are_alive_are_the_vendors_customers(vendor: Any) -> None:
    shown = [vendor.tables["customers"].render(row) for row in vendor.tables["customers"].live(AT)]
    ours = {row["external_id"] for row in rows("accounts") if row["status"] != "merged"}
    assert ours == {record["external_id"] for record in shown}


def test_first_e_mails_and_names_are_those_that_the_vendor_shows(vendor: Any) -> None:
    shown = [vendor.tables["customers"].render(row) for row in vendor.tables["customers"].live(AT)]
    ours = {row["external_id"]: row["email"] for row in rows("customers")}
    names = {row["external_id"]: row["name"] for row in rows("accounts")}
    assert all(ours[record["external_id"]] == record["email"] for record in shown)
    assert all(names[record["external_id"]] == record["company"] for record in shown if record.get("company"))


def test_invoices_have_the_vendors_amounts(vendor: Any) -> None:
    shown = [vendor.tables["invoices"].render(row) for row in vendor.tables["invoices"].live(AT)]
    ours = {row["external_id"]: [line["amount_in_cents"] for line in row["lines"]["lines"]] for row in rows("invoices")}
    assert shown
    for record in shown:
        assert ours[record["external_id"]] == [line["amount_in_cents"] for line in record["line_items"]]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\\N"),
        (True, "t"),
        ("", ""),
        ("NULL", "NULL"),
        ("a\tb\nc\\d\r", "a\\tb\\nc\\\\d\\r"),
        ({"a": 'q"'}, '{"a": "q\\\\""}'),
        ([1, 2], "{1,2}"),
        ([], "{}"),
        (b"\x00\xff", "\\\\x00ff"),
        (Decimal("-0.5000"), "-0.5000"),
        (float("nan"), "nan"),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00+00:00"),
    ],
)
def test_copy_writes_values_as_postgres_reads_them(value: Any, text: str) -> None:
    assert field(value) == text
