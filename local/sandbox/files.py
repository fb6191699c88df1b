"""Spreadsheets as files: what the company's teams keep, until a client edits them by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from local.company.moments import FOUNDED
from local.company.sheets import Grid, Spreadsheet

ROWS, COLUMNS = 1000, 26


@dataclass
class Sheet:
    """One tab. `edited` holds its cells once a client has written to it; the teams' own edits end then."""

    title: str
    sheet_id: int
    cells: Callable[[int], Grid]
    edited: Grid | None = None


class File:
    """One spreadsheet."""

    def __init__(
        self, id: str, title: str, sheets: list[Sheet], edited: Callable[[int], int], *, locale: str = "en_US"
    ) -> None:
        self.id = id
        self.title = title
        self.locale = locale
        self.trashed = False
        self.sheets = sheets
        self.created = FOUNDED
        self._edited = edited
        self._touched: int | None = None

    def modified(self, at: int) -> int:
        """The moment of the last edit, by the teams or by a client."""
        return max(self._edited(at), self._touched or 0)

    def sheet(self, title: str | None) -> Sheet | None:
        """A tab by its title, or the first one."""
        if title is None:
            return self.sheets[0] if self.sheets else None
        return next((s for s in self.sheets if s.title.casefold() == title.casefold()), None)

    def grid(self, sheet: Sheet, at: int) -> Grid:
        """A tab's cells, without trailing empty cells and rows."""
        return trimmed(sheet.edited if sheet.edited is not None else sheet.cells(at))

    def write(self, sheet: Sheet, at: int, row: int, column: int, values: list[list[str | None]]) -> None:
        """Set cells from a corner on; None leaves a cell as it is."""
        grid = [list(r) for r in self.grid(sheet, at)]
        for down, line in enumerate(values):
            for right, value in enumerate(line):
                if value is not None:
                    _put(grid, row + down, column + right, value)
        self.replace(sheet, at, grid)

    def replace(self, sheet: Sheet, at: int, grid: Grid) -> None:
        sheet.edited = trimmed(grid)
        self.touch(at)

    def touch(self, at: int) -> None:
        self._touched = at


class Files:
    """All spreadsheets, with the edits made through the sandbox; `reset` forgets the edits."""

    def __init__(self, originals: Callable[[], dict[str, Spreadsheet]], now: Callable[[], int]) -> None:
        self._originals = originals
        self._now = now
        self._open: dict[str, File] = {}

    def all(self) -> list[File]:
        return [self.get(id) for id in self._originals()]

    def find(self, id: str) -> File | None:
        return self.get(id) if id in self._originals() else None

    def get(self, id: str) -> File:
        if id not in self._open:
            original = self._originals()[id]
            sheets = [Sheet(t.title, t.sheet_id, self._teams(id, n)) for n, t in enumerate(original.tabs)]
            self._open[id] = File(id, original.title, sheets, original.edited, locale=original.locale)
        return self._open[id]

    def _teams(self, id: str, number: int) -> Callable[[int], Grid]:
        """A tab's cells as the teams keep them, of the company as it is built then."""
        return lambda at: self._originals()[id].tabs[number].cells(at)

    def cells(self, id: str, title: str) -> Grid:
        """A tab's cells now; none when the tab is gone."""
        file = self.get(id)
        sheet = file.sheet(title)
        return file.grid(sheet, self._now()) if sheet else []

    def reset(self) -> None:
        self._open.clear()


def trimmed(grid: Grid) -> Grid:
    rows = [row[: max((n for n, cell in enumerate(row, 1) if cell != ""), default=0)] for row in grid]
    while rows and not rows[-1]:
        rows.pop()
    return rows


def _put(grid: Grid, row: int, column: int, value: str) -> None:
    while len(grid) <= row:
        grid.append([])
    grid[row].extend([""] * (column + 1 - len(grid[row])))
    grid[row][column] = value
