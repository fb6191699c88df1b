"""Cells as Google's API gives and takes them.

- `spreadsheets.get`: CellData with `formattedValue`, `effectiveValue`, `effectiveFormat`. Rows end with their last
  cell, the grid with its last row; a `startRow` of zero and the rows of an empty range are left out (measured in
  brekkylab/backlot #159).
- `values.get`: what is shown; with UNFORMATTED_VALUE numbers and booleans as such, days as serial numbers unless
  FORMATTED_STRING is asked for (reference: ValueRenderOption, DateTimeRenderOption). A text that looks like a number
  stays a text. Errors come as shown (`#N/A`).
"""

from __future__ import annotations

from typing import Any

from local.company.cells import Held

TIMES = ("DATE", "TIME", "DATE_TIME")


def grid_data(rows: list[list[str]], first: int) -> dict[str, Any]:
    """GridData of the rows from row `first` (zero based) on."""
    found: dict[str, Any] = {"startRow": first} if first else {}
    if rows:
        found["rowData"] = [{"values": [cell_data(cell) for cell in row]} if row else {} for row in rows]
    return found


def cell_data(cell: str) -> dict[str, Any]:
    if not cell:
        return {}
    data: dict[str, Any] = {"formattedValue": str(cell), "effectiveValue": _effective(cell)}
    if isinstance(cell, Held) and cell.form:
        data["effectiveFormat"] = {"numberFormat": {"type": cell.form}}
    return data


def _effective(cell: str) -> dict[str, Any]:
    if not isinstance(cell, Held):
        return {"stringValue": cell}
    if isinstance(cell.value, bool):
        return {"boolValue": cell.value}
    if isinstance(cell.value, str):
        return {"errorValue": {"type": cell.value, "message": "The formula has an error."}}
    return {"numberValue": cell.value}


def unformatted(cell: str, *, times_as_shown: bool) -> Any:
    """A cell of `values.get` with UNFORMATTED_VALUE."""
    if not isinstance(cell, Held) or isinstance(cell.value, str) or (times_as_shown and cell.form in TIMES):
        return str(cell)
    return cell.value
