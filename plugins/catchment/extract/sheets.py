"""Google Sheets: tabs that people keep.

Values are read as they are shown (`FORMATTED_VALUE`), so that `007` stays `007`. A file's `modifiedTime` tells whether
to read at all; formulas can change a tab without moving it, so the batch that spans midnight reads in any case, and a
hash of the values tells whether to load. Source: Google Sheets API v4 and Drive API v3 references.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from catchment.errors import ContractBroken, VendorUnavailable
from catchment.extract.splitter import UNREADABLE
from catchment.http.client import HttpClient, Reply
from catchment.http.limits import RateLimit
from catchment.http.request import Request
from catchment.spec import Stream
from catchment.times import MINUTE

if TYPE_CHECKING:
    from catchment.reads.sheet_tab import SheetTab

T = TypeVar("T")
DRIVE_LIMIT = RateLimit(100, per=MINUTE, name="drive")


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
    """A row as JSON, and where it stands, as JSON."""

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
    """The tab's rows, or None when it is as it was. Raises `ContractBroken` when its header is not as declared.

    `force` reads a file that was not modified, too.
    """
    modified = _modified_time(client, tab)
    if before and modified and before.modified == modified and not force:
        return None
    values = _values(client, tab)
    check_header(stream, tab, values)
    digest = hashlib.sha256(json.dumps(values, ensure_ascii=False).encode()).hexdigest()[:16]
    state = TabState(modified, digest)
    if before and before.digest == digest:
        return None
    return TabRead(rows=rows_of(tab, values), state=state)


def check_header(stream: Stream, tab: SheetTab, values: Sequence[Sequence[str]]) -> None:
    """Raises unless the tab's header has every declared column, once. Columns beyond the contract are welcome."""
    found = [str(cell).strip() for cell in values[tab.header_row - 1]] if len(values) >= tab.header_row else []
    missing = [name for name in tab.header if name not in found]
    twice = sorted({name for name in found if name and found.count(name) > 1})
    beyond = [name for name in found if name and name not in tab.header]
    differences = [
        text
        for text in (
            f"missing: {', '.join(missing)}" if missing else "",
            f"twice: {', '.join(twice)}" if twice else "",
            f"not declared: {', '.join(beyond)}" if beyond and missing else "",
        )
        if text
    ]
    if missing or twice:
        raise ContractBroken(
            f'{stream.name}: the header of the tab "{tab.tab}" in the sheet {tab.spreadsheet_id} is not as agreed '
            f"({'; '.join(differences)}). Ask its owner, the team {stream.owner}, to mend row {tab.header_row}, or "
            "change the contract in plugins/catchment/sources/google_sheets.py. The rows loaded before stay."
        )


def rows_of(tab: SheetTab, values: Sequence[Sequence[str]]) -> tuple[TabRow, ...]:
    """Rows below the header as objects of header → text; short rows are padded, empty rows left out.

    Columns without a header are named by their letter, in brackets, so that nothing that was typed is dropped.
    """
    header = [str(cell).strip() for cell in values[tab.header_row - 1]]
    rows = []
    for number, cells in enumerate(values[tab.header_row :], start=tab.header_row + 1):
        texts = [_text(cell) for cell in cells]
        if not any(text.strip() for text in texts):
            continue
        width = max(len(header), len(texts))
        names = [(header[i] if i < len(header) else "") or f"({column_letters(i)})" for i in range(width)]
        record = {name: texts[i] if i < len(texts) else "" for i, name in enumerate(names)}
        parent = {"spreadsheet_id": tab.spreadsheet_id, "tab": tab.tab, "row": number}
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


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)


def _modified_time(client: HttpClient, tab: SheetTab) -> str:
    """Drive's `modifiedTime`, "" where it did not say: the tab is read then."""
    path = f"drive/v3/files/{quote(tab.spreadsheet_id, safe='')}"
    params = {"supportsAllDrives": "true", "fields": "id,name,modifiedTime"}
    return client.send(Request(path, params=params), limits=(DRIVE_LIMIT,), accept=_reader(_File)).modified


def _values(client: HttpClient, tab: SheetTab) -> list[list[Any]]:
    title = "'" + tab.tab.replace("'", "''") + "'"
    path = f"v4/spreadsheets/{quote(tab.spreadsheet_id, safe='')}/values/{quote(title, safe='')}"
    params = {"majorDimension": "ROWS", "valueRenderOption": "FORMATTED_VALUE"}
    return client.send(Request(path, params=params), accept=_reader(_Range)).values


class _File(msgspec.Struct, rename={"modified": "modifiedTime"}):
    """What we read of a Drive file."""

    modified: str = ""


class _Range(msgspec.Struct):
    """What we read of a range of cells; an empty one has no `values`."""

    values: list[list[Any]] = []


def _reader(kind: type[T]) -> Callable[[Reply], T]:
    decoder = msgspec.json.Decoder(kind)

    def read(reply: Reply) -> T:
        try:
            return decoder.decode(reply.body)
        except UNREADABLE as error:
            raise VendorUnavailable(f"the reply is not what Google's API sends ({error})") from error

    return read
