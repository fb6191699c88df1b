"""What we ask Google for: when a file changed, which tabs it has, and a tab's cells.

A cell is asked for as it is shown and as it is held (`effectiveValue`), with the type of its number format: see
docs/adr/0021. Sources: Google Sheets API v4, "spreadsheets.get", "CellData", "ErrorType"; Drive API v3, "files.get".
What the replies leave out (rows after the last value, a `startRow` of zero, the rows of an empty tab) was measured in
brekkylab/backlot #159.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from catchment.errors import Refused, VendorUnavailable
from catchment.extract.splitter import UNREADABLE
from catchment.http.client import HttpClient, Reply
from catchment.http.limits import RateLimit
from catchment.http.request import Request
from catchment.times import MINUTE

T = TypeVar("T")
DRIVE_LIMIT = RateLimit(100, per=MINUTE, name="drive")
PAGE_ROWS = 5_000
"""Rows in one request: Google asks for replies of a few megabytes, and ends a request after 180 seconds."""

SPREADSHEET = "application/vnd.google-apps.spreadsheet"
_CELL = "formattedValue,effectiveValue,effectiveFormat(numberFormat(type))"
_SHAPE = "properties(locale,timeZone),sheets(properties(title,gridProperties(rowCount)))"
_CELLS = f"sheets(data(startRow,rowData(values({_CELL}))))"


@dataclass(frozen=True)
class Cell:
    """A cell: what it shows and, unless that is all, what it holds: `number` and `format`, `bool`, or `error`."""

    shown: str = ""
    held: tuple[tuple[str, Any], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nobody has typed anything here: it shows nothing, or a checkbox that is not ticked."""
        return not self.shown.strip() or self.held == (("bool", False),)


class File(msgspec.Struct, rename={"modified": "modifiedTime", "kind": "mimeType"}):
    """What we read of a Drive file."""

    modified: str = ""
    kind: str = SPREADSHEET
    trashed: bool = False


@dataclass(frozen=True)
class Shape:
    """A spreadsheet without its cells: the rows of each tab by its title, in order."""

    locale: str
    time_zone: str
    tabs: dict[str, int]


def drive_file(client: HttpClient, spreadsheet_id: str) -> File:
    """The file as Drive knows it. Its 404 may mean gone or not shared; Sheets, asked next, tells them apart."""
    path = f"drive/v3/files/{quote(spreadsheet_id, safe='')}"
    params = {"supportsAllDrives": "true", "fields": "id,name,modifiedTime,mimeType,trashed"}
    try:
        return _ask(client, path, params, File, limit=DRIVE_LIMIT)
    except Refused as error:
        if error.status in (403, 404):
            return File()
        raise


def shape(client: HttpClient, spreadsheet_id: str) -> Shape:
    found = _ask(client, _path(spreadsheet_id), {"fields": _SHAPE}, _Spreadsheet)
    tabs = {sheet.properties.title: sheet.properties.grid.rows for sheet in found.sheets}
    return Shape(found.properties.locale, found.properties.zone, tabs)


def cells(client: HttpClient, spreadsheet_id: str, title: str, rows: int) -> list[list[Cell]]:
    """The tab's cells from its first row to the last that has any; rows end with their last cell that has a value."""
    grid: list[list[Cell]] = []
    for first in range(0, rows, PAGE_ROWS):
        quoted = title.replace("'", "''")
        params = {"ranges": f"'{quoted}'!{first + 1}:{min(first + PAGE_ROWS, rows)}", "fields": _CELLS}
        for sheet in _ask(client, _path(spreadsheet_id), params, _Spreadsheet).sheets:
            for data in sheet.data:
                if data.rows and not len(grid) <= data.start < rows:
                    raise VendorUnavailable(
                        f'Google\'s reply begins at row {data.start}, which was not asked for: "{title}"'
                    )
                grid.extend([] for _ in range(data.start - len(grid) if data.rows else 0))
                grid.extend(_trimmed([_cell(cell) for cell in row.values]) for row in data.rows)
    while grid and not grid[-1]:
        grid.pop()
    return grid


def _path(spreadsheet_id: str) -> str:
    return f"v4/spreadsheets/{quote(spreadsheet_id, safe='')}"


def _trimmed(row: list[Cell]) -> list[Cell]:
    while row and not row[-1].shown:
        row.pop()
    return row


def _cell(cell: _CellData) -> Cell:
    value, number_format = cell.effective, cell.format.number.type
    if value.error:
        return Cell(cell.shown or "#ERROR!", (("error", value.error.type),))
    if value.boolean is not None:
        return Cell(cell.shown or str(value.boolean).upper(), (("bool", value.boolean),))
    if value.number is not None:
        form = (("format", number_format),) if number_format else ()
        return Cell(cell.shown or str(value.number), (("number", value.number), *form))
    return Cell(cell.shown)


def _ask(client: HttpClient, path: str, params: dict[str, str], kind: type[T], *, limit: RateLimit | None = None) -> T:
    return client.send(Request(path, params=params), limits=(limit,) if limit else (), accept=_reader(kind))


def _reader(kind: type[T]) -> Callable[[Reply], T]:
    decoder = msgspec.json.Decoder(kind)

    def read(reply: Reply) -> T:
        try:
            return decoder.decode(reply.body)
        except UNREADABLE as error:
            raise VendorUnavailable(f"the reply is not what Google's API sends ({error})") from error

    return read


# --- what we read of a reply ----------------------------------------------------------------------------------------


class _Error(msgspec.Struct):
    type: str = "ERROR"


class _Value(msgspec.Struct, rename={"number": "numberValue", "boolean": "boolValue", "error": "errorValue"}):
    number: int | float | None = None
    boolean: bool | None = None
    error: _Error | None = None


class _NumberFormat(msgspec.Struct):
    type: str = ""


class _Format(msgspec.Struct, rename={"number": "numberFormat"}):
    number: _NumberFormat = msgspec.field(default_factory=_NumberFormat)


class _CellData(
    msgspec.Struct, rename={"shown": "formattedValue", "effective": "effectiveValue", "format": "effectiveFormat"}
):
    shown: str = ""
    effective: _Value = msgspec.field(default_factory=_Value)
    format: _Format = msgspec.field(default_factory=_Format)


class _Row(msgspec.Struct):
    values: list[_CellData] = []


class _GridData(msgspec.Struct, rename={"start": "startRow", "rows": "rowData"}):
    start: int = 0
    rows: list[_Row] = []


class _Grid(msgspec.Struct, rename={"rows": "rowCount"}):
    rows: int = 0


class _SheetProperties(msgspec.Struct, rename={"grid": "gridProperties"}):
    title: str = ""
    grid: _Grid = msgspec.field(default_factory=_Grid)


class _Sheet(msgspec.Struct):
    properties: _SheetProperties = msgspec.field(default_factory=_SheetProperties)
    data: list[_GridData] = []


class _Properties(msgspec.Struct, rename={"zone": "timeZone"}):
    locale: str = ""
    zone: str = ""


class _Spreadsheet(msgspec.Struct):
    properties: _Properties = msgspec.field(default_factory=_Properties)
    sheets: list[_Sheet] = []
