"""Google Sheets: tabs that people keep.

A record holds what its cells show, so that `007` stays `007`; beside it, in the row's metadata, stands what a cell
holds where that is a number, a checkbox or an error (docs/adr/0021). A file's `modifiedTime` tells whether to read at
all; formulas can change a tab without moving it, so the batch that spans midnight reads in any case, and a hash of the
cells tells whether to load.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from catchment.errors import ContractBroken, Refused, VendorUnavailable
from catchment.extract.sheets_api import PAGE_ROWS, SPREADSHEET, Cell, File, Shape, cells, drive_file, shape
from catchment.http.client import HttpClient
from catchment.spec import Stream

if TYPE_CHECKING:
    from catchment.reads.sheet_tab import SheetTab

Grid = Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class TabState:
    """What a tab looked like when it was last read: the stream's cursor."""

    modified: str
    digest: str

    def __str__(self) -> str:
        return f"{self.modified} {self.digest}"

    @classmethod
    def parse(cls, cursor: str | None) -> TabState | None:
        parts = (cursor or "").split(" ")
        return cls(*parts) if len(parts) == 2 else None


@dataclass(frozen=True)
class TabRow:
    """A row as JSON, and where it stands and what its cells hold, as JSON."""

    record: bytes
    parent: bytes


@dataclass(frozen=True)
class TabRead:
    """The rows of a tab that has changed, and the state to remember."""

    rows: tuple[TabRow, ...]
    state: TabState


def read_tab(
    client: HttpClient, stream: Stream, tab: SheetTab, before: TabState | None, *, force: bool
) -> TabRead | None:
    """The tab's rows, or None when it is as it was.

    Args:
        force: Read a file that was not modified, too.

    Raises:
        ContractBroken: The tab or its header is not as declared, or the file is no spreadsheet any more.
        Refused: The file is gone, or not shared with our account.
        VendorUnavailable: A tab of many pages was edited while it was read.
    """
    file = drive_file(client, tab.spreadsheet_id)
    check_file(stream, tab, file)
    if before and file.modified and before.modified == file.modified and not force:
        return None
    found, grid = _read(client, stream, tab, file)
    check_header(stream, tab, grid)
    seen = [found.locale, found.time_zone, [[(cell.shown, cell.held) for cell in row] for row in grid]]
    state = TabState(file.modified, hashlib.sha256(msgspec.json.encode(seen)).hexdigest()[:16])
    if before and before.digest == state.digest:
        return None
    return TabRead(rows=rows_of(stream, tab, found, grid), state=state)


def _read(client: HttpClient, stream: Stream, tab: SheetTab, file: File) -> tuple[Shape, Grid]:
    try:
        found = shape(client, tab.spreadsheet_id)
    except Refused as error:
        raise not_readable(stream, tab, error, client.identity) from error
    title = title_of(stream, tab, found)
    grid = cells(client, tab.spreadsheet_id, title, found.tabs[title])
    if len(grid) > PAGE_ROWS and drive_file(client, tab.spreadsheet_id).modified != file.modified:
        raise VendorUnavailable(f"{_where(stream, tab)} was edited while its {len(grid)} rows were read in pages")
    return found, grid


def not_readable(stream: Stream, tab: SheetTab, error: Refused, account: str) -> Refused:
    """The sentence for a spreadsheet that Google's Sheets API does not give us."""
    file = f"the sheet {_link(tab)} of the team {stream.owner}"
    shared = f"share it with {account or 'the service account of the connection'} (viewer is enough)"
    if error.status == 404:
        message = (
            f"{stream.name}: {file} does not exist: it was deleted. Ask the team to restore it, or give its new id in "
            f"plugins/catchment/sources/google_sheets.py and {shared}. The rows loaded before stay."
        )
    elif error.status == 403 and "does not have permission" in str(error):
        message = (
            f"{stream.name}: {file} is not shared with us. Ask the team to {shared}, then clear the task. "
            "The rows loaded before stay."
        )
    else:
        message = f"{stream.name}: {file} can't be read: {error}"
    return Refused(message, status=error.status)


def check_file(stream: Stream, tab: SheetTab, file: File) -> None:
    """Raises for a file in the trash, which Sheets still reads for thirty days, and for one that is no Google sheet."""
    if file.trashed:
        raise ContractBroken(
            f"{_where(stream, tab)} was deleted: its file is in the trash, and gone after 30 days. Ask its owner, the "
            f"team {stream.owner}, to restore it, or take the stream out. The rows loaded before stay."
        )
    if file.kind != SPREADSHEET:
        raise ContractBroken(
            f"{_where(stream, tab)} is a file of the kind {file.kind}, which Google's Sheets API can't read. Ask its "
            f"owner, the team {stream.owner}, to use File → Save as Google Sheets, and give the new sheet's id in "
            "plugins/catchment/sources/google_sheets.py. The rows loaded before stay."
        )


def title_of(stream: Stream, tab: SheetTab, found: Shape) -> str:
    """The tab's title as it is in the file; Sheets tells titles apart without regard to case."""
    for title in found.tabs:
        if title.casefold() == tab.tab.casefold():
            return title
    titles = ", ".join(f'"{visible(title)}"' for title in found.tabs)
    raise ContractBroken(
        f'{stream.name}: the sheet {_link(tab)} has no tab "{visible(tab.tab)}". It has {titles}. If it was renamed, '
        f"ask its owner, the team {stream.owner}, to rename it back, or change `tab` in "
        "plugins/catchment/sources/google_sheets.py. The rows loaded before stay."
    )


def check_header(stream: Stream, tab: SheetTab, grid: Grid) -> None:
    """Raises unless the tab's header has every declared column, once. Columns beyond the contract are welcome."""
    found = [cell.shown.strip() for cell in grid[tab.header_row - 1]] if len(grid) >= tab.header_row else []
    missing = [name for name in tab.header if name not in found]
    twice = sorted({name for name in found if name and found.count(name) > 1})
    beyond = [name for name in found if name and name not in tab.header]
    differences = [
        f"{what}: {', '.join(map(visible, names))}"
        for what, names in (("missing", missing), ("twice", twice), ("not declared", beyond if missing else []))
        if names
    ]
    if missing or twice:
        raise ContractBroken(
            f"{_where(stream, tab)} has not the agreed header "
            f"({'; '.join(differences)}). Ask its owner, the team {stream.owner}, to correct row {tab.header_row}, or "
            "change the contract in plugins/catchment/sources/google_sheets.py. The rows loaded before stay."
        )


def rows_of(stream: Stream, tab: SheetTab, found: Shape, grid: Grid) -> tuple[TabRow, ...]:
    """Rows below the header as objects of header → text; short rows are padded, empty rows left out.

    Checkboxes that nobody ticked make no row: people put them below the data in advance.

    Columns without a header are named by their letter, in brackets, so that nothing that was typed is dropped. What a
    cell of a personal or secret column holds is left out: it would stand in plain beside the hashed text.
    """
    header = [cell.shown.strip() for cell in grid[tab.header_row - 1]]
    hidden = {*stream.personal, *stream.secret}
    place = {"spreadsheet_id": tab.spreadsheet_id, "tab": tab.tab}
    settings = {"locale": found.locale, "time_zone": found.time_zone}
    rows = []
    for number, line in enumerate(grid[tab.header_row :], start=tab.header_row + 1):
        if all(cell.is_empty for cell in line):
            continue
        width = max(len(header), len(line))
        names = [(header[i] if i < len(header) else "") or _in_brackets(i, header) for i in range(width)]
        padded = [*line, *[Cell()] * (width - len(line))]
        record = {name: cell.shown for name, cell in zip(names, padded, strict=True)}
        held = {n: dict(cell.held) for n, cell in zip(names, padded, strict=True) if cell.held and n not in hidden}
        parent: dict[str, Any] = {**place, "row": number, **settings, **({"cells": held} if held else {})}
        rows.append(TabRow(msgspec.json.encode(record), msgspec.json.encode(parent)))
    return tuple(rows)


def column_letters(index: int) -> str:
    """0 → A, 25 → Z, 26 → AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _in_brackets(index: int, header: Sequence[str]) -> str:
    """A name for a column without a header; where somebody has typed just that name, one with more brackets."""
    name = f"({column_letters(index)})"
    while name in header:
        name = f"({name})"
    return name


def visible(text: str) -> str:
    """Text with the code point for each character that can't be seen or told from a blank: `owner<U+200B>`."""
    unseen = ("Cc", "Cf", "Zs", "Zl", "Zp")
    return "".join(f"<U+{ord(c):04X}>" if c != " " and unicodedata.category(c) in unseen else c for c in text)


def _where(stream: Stream, tab: SheetTab) -> str:
    return f'{stream.name}: the tab "{tab.tab}" in the sheet {_link(tab)}'


def _link(tab: SheetTab) -> str:
    return f"https://docs.google.com/spreadsheets/d/{tab.spreadsheet_id}"
