"""Every row of the table in docs/sheets.md, through the real SQL on the local warehouse.

The reports behind the rows: gspread #1122 (currency and percentages come as shown), #832 (days come as serial numbers);
grafana/google-sheets-datasource #379 (shown days were read by the server's locale, so 1/5 and 5/1 were swapped);
singer-io/tap-google-sheets #83, #85 (days and currency in number columns); appsmith #24166 (leading zeros lost);
brownplt/code.pyret.org #366 and evidence-dev/duckdb_gsheets #93 (`#N/A` among values).
Also: accounting.js #30, quadratic #2696 (`GBP (53,180.08)`, `(-$5)`: negative or not, so not read); appsmith #15219
(`12,444` is twelve in half of the world); letehaha/budget-tracker #572 (U+2212); shillelagh #299 (formats that show
millions); talendcomp_tGoogleSheet #18 (the code 8215434 shown as `8,215,434`); bad-data-guide #34, aspace-import-excel
#6 (codes that became days); Microsoft's Q214327 (`Mar 27` is a day of this year); node-edit-google-spreadsheet #22
(`1. March 2011` became 1); superpower #70, excel-writer-xlsx #160 (digits of other alphabets pass for numbers).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from babel import Locale, UnknownLocaleError, localedata

from tests.dbt.project import Dbt
from tests.dbt.warehouse import Warehouse

DOCS = Path(__file__).parents[2] / "docs" / "sheets.md"
FIELDS = {
    "text": "'text'",
    "name": "'name'",
    "number": "('number', 4)",
    "day": "'day'",
    "month": "'month'",
    "moment": "'moment'",
    "yes_no": "'yes_no'",
}
AREAS = "(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)/"
LOCALES = {"any": ("en_US", "de_DE", "xx_XX", None)}
TABLE = "RAW.GOOGLE_SHEETS.TYPED_CELLS"


@dataclass(frozen=True)
class Cell:
    """One cell of a field, and what the documentation says it means."""

    kind: str
    locale: str | None
    shown: str
    held: dict[str, Any] | None
    means: str
    zone: str = "Europe/Berlin"

    @property
    def name(self) -> str:
        return f"{self.kind} {self.locale} {self.shown!r} {self.held or ''}"


def documented() -> Iterator[Cell]:
    table = DOCS.read_text(encoding="utf-8").split("<!-- cells -->\n")[1].split("\n\n")[0]
    for line in table.splitlines()[2:]:
        kind, locale, shown, held, means = (part.strip() for part in line.strip("|").split("|"))
        for one in LOCALES.get(locale, (locale,)):
            yield Cell(kind, one, characters(shown[1:-1]), holding(held), characters(means))


def characters(text: str) -> str:
    return re.sub(r"<U\+([0-9A-F]{4})>", lambda match: chr(int(match[1], 16)), text)


def holding(text: str) -> dict[str, Any] | None:
    match text.split():
        case []:
            return None
        case ["error", error]:
            return {"error": error}
        case ["true" | "false" as value]:
            return {"bool": value == "true"}
        case [number, *form]:
            return {"number": float(number)} | ({"format": form[0]} if form else {})
    raise AssertionError(text)


class Reader:
    """Reads cells as a staging model does: typed values by kind, and what was not read."""

    def __init__(self, warehouse: Warehouse, dbt: Dbt) -> None:
        self._warehouse = warehouse
        fields = ", ".join(f"'{kind}_cell': {option}" for kind, option in FIELDS.items())
        query = f"""with current_rows as (select * from {TABLE}),
            {{{{ cells_as_typed({{{fields}}}, key=['sheet_row']) }}}}
            select sheet_row, {", ".join(f"{kind}_cell" for kind in FIELDS)}, _not_read from typed order by 1"""
        done = dbt.run("--quiet", "compile", "--no-introspect", "--no-populate-cache", "--inline", query)
        assert done.returncode == 0, done.stdout + done.stderr
        self._query = done.stdout

    def read(self, cells: list[Cell]) -> list[tuple[Any, str | None]]:
        """For each cell its value, and what `_not_read` says."""
        with self._warehouse.connect() as connection:
            cursor = connection.cursor()
            lines = [self._line(row, cell) for row, cell in enumerate(cells)]
            cursor.execute(
                f"""CREATE OR REPLACE TABLE {TABLE} AS
                SELECT value:"record" AS RECORD_CONTENT, value:"metadata" AS RECORD_METADATA, 'one' AS BATCH_ID,
                    '2026-03-01'::TIMESTAMP_NTZ AS EXTRACTED_AT
                FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s)))""",
                (json.dumps(lines),),
            )
            rows = cursor.execute(self._query).fetchall()
        kinds = list(FIELDS)
        return [(row[1 + kinds.index(cell.kind)], row[-1]) for cell, row in zip(cells, rows, strict=True)]

    @staticmethod
    def _line(row: int, cell: Cell) -> dict[str, Any]:
        field = f"{cell.kind}_cell"
        parent: dict[str, Any] = {"row": row, "time_zone": cell.zone, "locale": cell.locale}
        if cell.held:
            parent["cells"] = {field: cell.held}
        return {"record": {field: cell.shown}, "metadata": {"parent": parent}}


@pytest.fixture(scope="module")
def reader(warehouse: Warehouse, offline: Dbt) -> Reader:
    return Reader(warehouse, offline)


def agrees(cell: Cell, value: Any, not_read: str | None) -> bool:
    if cell.means == "nothing":
        return value is None and not_read is None
    if cell.means == "not read":
        return value is None and not_read is not None and not_read.startswith(f"{cell.kind}_cell: ")
    if cell.kind == "number":
        return value is not None and value == Decimal(cell.means) and not_read is None
    said = str(value).lower() if cell.kind == "yes_no" else str(value)
    return said == cell.means and not_read is None


def test_every_cell_of_the_table_is_read_as_it_says(reader: Reader) -> None:
    cells = list(documented())
    assert len(cells) > 400
    found = reader.read(cells)
    wrong = {
        cell.name: f"{value!r} ({not_read}), not {cell.means}"
        for cell, (value, not_read) in zip(cells, found, strict=True)
        if not agrees(cell, value, not_read)
    }
    assert wrong == {}


def test_no_invisible_character_keeps_two_texts_apart(reader: Reader) -> None:
    """A pasted space or format character joins nothing. The list is Unicode's own: Zs, Zl, Zp, and most of Cf."""
    spaces = [c for c in map(chr, range(0x10000)) if unicodedata.category(c) in ("Zs", "Zl", "Zp")] + list(
        "\t\n\r\v\f\x85"
    )
    invisible = [
        c
        for c in map(chr, range(0x10000))
        if unicodedata.category(c) == "Cf"
        and unicodedata.name(c, "").split()[0] not in ("ARABIC", "SYRIAC", "INTERLINEAR")
    ]
    joiners = {"\u200c", "\u200d"}
    cells = [Cell("text", None, f" a{c}b{c}", None, "a b") for c in spaces]
    cells += [Cell("text", None, f"{c}a{c}b{c}", None, "ab") for c in invisible if c not in joiners]
    cells += [Cell("text", None, f"{c}a{c}b{c}", None, f"a{c}b") for c in joiners]
    found = reader.read(cells)
    assert {ascii(c.shown): v for c, (v, _) in zip(cells, found, strict=True) if v != c.means} == {}


def test_separators_and_the_order_of_days_are_the_locales_own(reader: Reader) -> None:
    """CLDR is the oracle: no locale reads `1,234` or 3/4 against its own custom; the ones that people use are read."""
    locales = [str(name) for name in sorted(_locales())]
    found = reader.read([Cell("number", name, "1,234", None, "") for name in locales])
    days = reader.read([Cell("day", name, "3/4/2026", None, "") for name in locales])
    for name, (number, _), (day, _) in zip(locales, found, days, strict=True):
        cldr = Locale.parse(name)
        if number is not None:
            assert cldr.number_symbols["latn"]["decimal"] == ".", name
        if day is not None:
            order = "".join(c for c in cldr.date_formats["short"].pattern if c in "dM")
            assert day.isoformat() == ("2026-04-03" if order.startswith("d") else "2026-03-04"), name
    read = {name for name, (number, _) in zip(locales, found, strict=True) if number is not None}
    assert {"en_US", "en_GB", "ja_JP", "de_CH", "es_MX"} <= read


def test_no_locale_is_read_against_its_own_custom(reader: Reader) -> None:
    """The Sheets API names a locale by language and country, or by the language alone ("SpreadsheetProperties").

    `en` alone is American to CLDR, as to Google; it was read with the day first. CLDR is the oracle for all that exist.
    """
    locales = [name for name in localedata.locale_identifiers() if re.fullmatch(r"[a-z]{2,3}(_[A-Z]{2})?", name)]
    assert len(locales) > 500
    thousands = reader.read([Cell("number", name, "1,234", None, "") for name in locales])
    thousandths = reader.read([Cell("number", name, "1.234", None, "") for name in locales])
    days = reader.read([Cell("day", name, "3/4/2026", None, "") for name in locales])
    wrong = []
    for name, (comma, _), (dot, _), (day, _) in zip(locales, thousands, thousandths, days, strict=True):
        cldr = Locale.parse(name)
        decimal = cldr.number_symbols["latn"]["decimal"]
        order = "".join(c for c in cldr.date_formats["short"].pattern if c in "dM")
        if (comma is not None and decimal == ",") or (dot is not None and decimal == "."):
            wrong.append((name, decimal))
        if day is not None and day.isoformat() != ("2026-04-03" if order.startswith("d") else "2026-03-04"):
            wrong.append((name, order))
    assert wrong == []


def test_a_moment_is_read_in_the_spreadsheets_zone_or_not_at_all(reader: Reader) -> None:
    """Google's zones are CLDR's, or one of their own such as `GMT-07:00` (Sheets API, "SpreadsheetProperties"); CLDR
    has `Etc/Unknown`. Python's zoneinfo is the oracle. A zone that the warehouse does not know must not end the query.
    """
    noon = datetime(2026, 7, 1, 12)  # noqa: DTZ001 - on the wall, wherever that is
    own = ["GMT-07:00", "Etc/Unknown", "SystemV/PST8", "America/", "", "Mars/Phobos", "europe/berlin"]
    known = [zone for zone in sorted(available_timezones()) if re.match(AREAS, zone)]
    cells = [Cell("moment", None, "2026-07-01 12:00", None, "", zone) for zone in [*known, *own]]
    found = {cell.zone: value for cell, (value, _) in zip(cells, reader.read(cells), strict=True)}
    assert len(known) > 400
    right = {zone: (noon.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)) for zone in known}
    assert {zone: found[zone] for zone in known if found[zone] != right[zone]} == {}
    assert [found[zone] for zone in own] == [None] * len(own)


def _locales() -> Iterator[str]:
    """The locales that Google Sheets offers in *File → Settings*."""
    offered = """ar_EG az_AZ be_BY bg_BG bn_IN ca_ES cs_CZ cy_GB da_DK de_CH de_DE el_GR en_AU en_CA en_GB en_IE
        en_IN en_US en_ZA es_AR es_BO es_CL es_CO es_EC es_ES es_MX es_PY es_UY es_VE fi_FI fil_PH fr_CA
        fr_FR he_IL hi_IN hr_HR hu_HU hy_AM id_ID is_IS it_IT ja_JP ka_GE kk_KZ ko_KR lt_LT lv_LV mn_MN
        nb_NO nl_NL nn_NO pl_PL pt_BR pt_PT ro_RO ru_RU sk_SK sl_SI sr_RS sv_SE th_TH tr_TR uk_UA vi_VN
        zh_CN zh_HK zh_TW"""
    for name in offered.split():
        try:
            Locale.parse(name)
        except (UnknownLocaleError, ValueError):
            continue
        yield name
