"""A tab of a spreadsheet that a team keeps, read whole when the file has changed.

Which rows are current: those of the newest reading, of whatever batch. The cursor is what the tab looked like then
(`TabState`); the tab is compared with that, and not with the batch before: an old run that was cleared since, or a
backfill, may have brought another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from catchment.batch import Kind, Mode
from catchment.extract.sheets import TabRead, TabState, read_tab
from catchment.landing import RecordFormat
from catchment.reads.http_pages import in_envelopes
from catchment.reads.protocol import Mark, Piece, ReadPlan, ReadTask
from catchment.spec import Current


@dataclass(frozen=True, kw_only=True)
class SheetTab:
    """A tab with a header contract: every name of `header` stands once in row `header_row`."""

    spreadsheet_id: str
    tab: str
    header: tuple[str, ...]
    header_row: int = 1
    current = Current.NEWEST_LIST
    parent = None
    record_format = RecordFormat.ENVELOPES

    def plan(self, task: ReadTask) -> ReadPlan | None:
        forced = task.batch.mode is Mode.FULL or task.batch.kind is Kind.BACKFILL
        before = None if forced else TabState.parse(task.state.newest)
        spans_midnight = task.batch.start.date() != task.batch.end.date()
        read_at = task.now()
        read = read_tab(task.client, task.stream, self, before, force=spans_midnight)
        if read is None:
            return None
        return ReadPlan([partial(_piece, read, task)], as_of=read_at, start=Mark(str(read.state)))


def _piece(read: TabRead, task: ReadTask) -> Iterator[Piece]:
    lines = (in_envelopes(task.privacy.apply([row.record]).lines, row.parent) for row in read.rows)
    yield Piece(b"".join(lines), len(read.rows))
