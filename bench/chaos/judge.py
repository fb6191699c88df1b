"""What is current in the warehouse, by the rules that staging follows, beside the vendor's truth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from catchment.extract.plan import moment_of

from bench.verdict import Verdict
from catchment.spec import SheetTab, Snapshot, Stream, Window
from catchment.warehouse.names import LEDGER, raw_table
from catchment.warehouse.session import Session

Key = tuple[Any, ...]
_BATCHES = f"""
SELECT BATCH_ID, COALESCE(SAME_AS, BATCH_ID), EXTRACTED_AT, ROWS_LOADED, WINDOW_FROM, WINDOW_TO FROM {LEDGER}
WHERE SOURCE = %(source)s AND STREAM = %(stream)s
"""


@dataclass(frozen=True)
class BatchRow:
    """A row of the ledger."""

    id: str
    extracted_at: datetime
    rows: int
    window_from: datetime | None = None
    window_to: datetime | None = None
    held_by: str | None = None

    @property
    def holder(self) -> str:
        """The batch that its rows are under."""
        return self.held_by or self.id


@dataclass(frozen=True)
class RawRow:
    """A row of a raw table."""

    batch: str
    key: Key
    record: Mapping[str, Any]
    file: str = ""
    row: int = 0


def judge(stream: Stream, batches: Sequence[BatchRow], rows: Sequence[RawRow], truth: Mapping[Key, Any]) -> Verdict:
    """Compare what is current of a stream with its truth, and its raw table with the ledger."""
    return _against_truth(current(stream, batches, rows), truth) + _against_ledger(batches, rows)


def _against_truth(found: Mapping[Key, Mapping[str, Any]], truth: Mapping[Key, Any]) -> Verdict:
    lost = [key for key in truth if key not in found]
    extra = [key for key in found if key not in truth]
    changed = [key for key in truth if key in found and found[key] != truth[key]]
    examples = [f"lost {key}" for key in lost[:2]] + [f"not in the truth {key}" for key in extra[:2]]
    examples += [f"differs {key}: {_difference(found[key], truth[key])}" for key in changed[:2]]
    return Verdict(lost=len(lost), stale=len(extra) + len(changed), examples=tuple(examples))


def _difference(found: Mapping[str, Any], truth: Mapping[str, Any]) -> str:
    names = [name for name in {**found, **truth} if found.get(name) != truth.get(name)]
    return ", ".join(f"{name} is {found.get(name)!r}, not {truth.get(name)!r}" for name in names[:3])


def _against_ledger(batches: Sequence[BatchRow], rows: Sequence[RawRow]) -> Verdict:
    """Every batch once in the ledger, with as many rows in raw as it says; every key once in a batch."""
    in_ledger = Counter(batch.id for batch in batches)
    in_raw = Counter(row.batch for row in rows)
    keys = Counter((row.batch, row.key) for row in rows)
    twice = sum(count - 1 for count in in_ledger.values()) + sum(count - 1 for count in keys.values())
    missing = sum(max(0, batch.rows - in_raw[batch.id]) for batch in batches)
    unknown = sum(count for batch, count in in_raw.items() if batch not in in_ledger)
    texts = {"lines twice": twice, "rows that the ledger counts are not in raw": missing, "rows of no batch": unknown}
    examples = tuple(f"{count} {text}" for text, count in texts.items() if count)
    return Verdict(lost=missing, duplicated=twice, stale=unknown, examples=examples)


def current(stream: Stream, batches: Sequence[BatchRow], rows: Iterable[RawRow]) -> dict[Key, Mapping[str, Any]]:
    """The current record of each key.

    Lists and tabs: the newest batch's. Windows: a row counts when its batch is the newest of those whose window holds
    the row's time. Exports: the newest version of each key.
    """
    extracted = {batch.id: batch.extracted_at for batch in batches}
    known = [row for row in rows if row.batch in extracted]
    match stream.read:
        case Snapshot() | SheetTab():
            newest = max(batches, key=lambda batch: batch.extracted_at, default=None)
            return {row.key: row.record for row in known if newest and row.batch == newest.holder}
        case Window(at=at):
            return {row.key: row.record for row in known if row.batch == _winner(batches, row.record[at])}
        case _:
            order = _version_order(stream, extracted)
            return {row.key: row.record for row in sorted(known, key=order)}


def _version_order(stream: Stream, extracted: Mapping[str, datetime]) -> Callable[[RawRow], tuple[Any, ...]]:
    oldest = datetime(1970, 1, 1, tzinfo=UTC)

    def order(row: RawRow) -> tuple[Any, ...]:
        version = moment_of(row.record[stream.version]) if stream.version else None
        return version or oldest, extracted[row.batch], row.file, row.row

    return order


def _winner(batches: Iterable[BatchRow], value: object) -> str | None:
    at = moment_of(value)
    around = [b for b in batches if at and b.window_from and b.window_to and b.window_from <= at < b.window_to]
    return max(around, key=lambda batch: batch.extracted_at).holder if around else None


def read_batches(session: Session, source: str, stream: str) -> list[BatchRow]:
    """A stream's rows of the ledger."""
    found = _all(session, _BATCHES, {"source": source, "stream": stream})
    return [
        BatchRow(id, _utc(at), int(rows), _utc(start), _utc(end), held_by)
        for id, held_by, at, rows, start, end in found
    ]


def read_rows(session: Session, source: str, stream: Stream, *, key_length: int | None = None) -> list[RawRow]:
    """All rows of a stream's raw table.

    A tab's key is the row number; a child's begins with its parent's, unless `key_length` says that the truth does
    without, because the child's own key is enough.
    """
    table = raw_table(source, stream.name)
    found = _all(session, f"SELECT BATCH_ID, RECORD_CONTENT, RECORD_METADATA FROM {table}")
    rows = [_raw_row(stream, batch, json.loads(content), json.loads(about)) for batch, content, about in found]
    return [replace(row, key=row.key[-key_length:]) for row in rows] if key_length else rows


def _raw_row(stream: Stream, batch: str, record: Mapping[str, Any], about: Mapping[str, Any]) -> RawRow:
    key: Key = tuple(record[name] for name in stream.key)
    if isinstance(stream.read, SheetTab):
        key = (about["parent"]["row"],)
    elif stream.parent:
        key = (about["parent"][stream.parent.param], *key)
    return RawRow(batch, key, record, about["file"], int(about["row"]))


def _all(session: Session, statement: str, values: Mapping[str, str] | None = None) -> Sequence[Any]:
    cursor = session.cursor()
    try:
        cursor.execute(statement, values)
        rows: Sequence[Any] = cursor.fetchall()
        return rows
    finally:
        cursor.close()


def _utc(moment: datetime | None) -> Any:
    return moment.replace(tzinfo=UTC) if moment else None
