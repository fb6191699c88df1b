"""What a kill costs: the pages that a killed try had asked for and not loaded, so that the next asks for them again.

Counted from the vendor's own log of requests and from the cursor in the ledger, not by what extraction says of itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from catchment.extract.run import Sealing
from catchment.reads.http_export import CursorExport, TimeExport
from catchment.reads.http_list import HttpList

AHEAD = 6  # pages of one page stream that may be read beyond what is written: four queued, one in hand, one asked for


def seals(read: Any) -> bool:
    """Whether a reading of this kind has places before its end where a checkpoint may be sealed."""
    return isinstance(read, CursorExport | TimeExport) or (
        isinstance(read, HttpList) and read.window is not None and read.window.slice is not None
    )


def pages_again(read: Any, asked: Sequence[str], before: str | None, after: str | None) -> int:
    """How many of the requests `asked`, the addresses in their order, are beyond what the try loaded.

    `before` and `after` are the batch's cursor in the ledger, before the try and after it: an export's own cursor or
    start time, a window's end of the last slice.
    """
    if after is None or after == before:
        return len(asked)
    if isinstance(read, HttpList):
        assert read.dates is not None
        day = datetime.fromisoformat(after).date().isoformat()
        return sum(_parameter(address, read.dates.start) >= day for address in asked)
    name = read.cursor_param if isinstance(read, CursorExport) else read.start_param
    places = [_parameter(address, name) for address in asked]
    return len(asked) - places.index(after) if after in places else 0


def most_again(read: Any, sealing: Sealing, parallel: int) -> int:
    """A checkpoint's worth of pages, and what is read ahead of it."""
    return sealing.pieces + AHEAD * (2 * parallel if isinstance(read, HttpList) else 1)


def _parameter(address: str, name: str) -> str:
    return parse_qs(urlsplit(address).query).get(name, [""])[0]
