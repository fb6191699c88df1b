"""A1 notation: `'My tab'!B2:D`, `Tab`, `A1:C3`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CELLS = re.compile(r"([A-Za-z]{0,3})(\d*)(?::([A-Za-z]{0,3})(\d*))?")


@dataclass(frozen=True)
class Range:
    """A rectangle, zero based and exclusive at the end; None: as far as the tab goes."""

    tab: str | None
    row: int = 0
    column: int = 0
    row_end: int | None = None
    column_end: int | None = None


def parse(text: str, tabs: list[str]) -> Range | None:
    """The range that a text means in a file with these tabs; None when it means nothing."""
    title, mark, cells = text.rpartition("!")
    if not mark:
        bare = _unquoted(text)
        if bare.casefold() in (t.casefold() for t in tabs):
            return Range(bare)
        title, cells = "", text
    match = _CELLS.fullmatch(cells)
    if match is None or not cells:
        return None
    left, top, right, bottom = match.groups()
    single = right is None
    row = int(top) - 1 if top else 0
    column = _column(left) if left else 0
    row_end = (row + 1 if top else None) if single else (int(bottom) if bottom else None)
    column_end = (column + 1 if left else None) if single else (_column(right) + 1 if right else None)
    return Range(_unquoted(title) if title else None, row, column, row_end, column_end)


def name(tab: str, row: int, column: int, row_end: int, column_end: int) -> str:
    """The A1 name of a rectangle, with the tab quoted where that is needed."""
    shown = tab if re.fullmatch(r"[A-Za-z_]\w*", tab) else "'" + tab.replace("'", "''") + "'"
    first, last = f"{letters(column)}{row + 1}", f"{letters(column_end - 1)}{row_end}"
    return f"{shown}!{first}" if first == last else f"{shown}!{first}:{last}"


def letters(column: int) -> str:
    text = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text


def _column(text: str) -> int:
    number = 0
    for letter in text.upper():
        number = number * 26 + ord(letter) - 64
    return number - 1


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'") if len(text) > 1 and text[0] == text[-1] == "'" else text
