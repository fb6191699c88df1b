"""What is current in the warehouse, by the rules that staging follows, beside the vendor's truth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bench.verdict import Verdict
from catchment.reads.sheet_tab import SheetTab
from catchment.spec import Current, Stream
from catchment.times import moment_of
from catchment.warehouse.names import LEDGER, raw_table
from catchment.warehouse.session import Session

Key = tuple[Any, ...]
_BATCHES = f"""
SELECT BATCH_ID, BATCH, COALESCE(SAME_AS, BATCH_ID), AS_OF, EXTRACTED_AT, COMPLETE, ROWS_LOADED, WINDOW_FROM, WINDOW_TO
FROM {LEDGER}
WHERE SOURCE = %(source)s AND STREAM = %(stream)s
"""
_CURSOR = f"SELECT CURSOR_TO FROM {LEDGER} WHERE BATCH = %(batch)s ORDER BY LOADED_AT DESC LIMIT 1"
_OLDEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class BatchRow:
    """A row of the ledger: a checkpoint of `batch`, which is itself where a batch has only one.

    `as_of` is the moment that it speaks of; `complete`: it is the last of its batch.
    """

    id: str
    as_of: datetime
    rows: int
    window_from: datetime | None = None
    window_to: datetime | None = None
    held_by: str | None = None
    extracted_at: datetime = _OLDEST
    complete: bool = True
    of: str = ""

    @property
    def holder(self) -> str:
        """The checkpoint that its rows are under."""
        return self.held_by or self.id

    @property
    def batch(self) -> str:
        return self.of or self.id


@dataclass(frozen=True)
class RawRow:
    """A row of a raw table; `extracted_at` is when the vendor was asked for it."""

    batch: str
    key: Key
    record: Mapping[str, Any]
    file: str = ""
    row: int = 0
    extracted_at: datetime = _OLDEST

    @property
    def attempt(self) -> str:
        """The token of the writer that landed it, with which the file's name begins."""
        return self.file.rpartition("/")[2].partition("-")[0]


def judge(stream: Stream, batches: Sequence[BatchRow], rows: Sequence[RawRow], truth: Mapping[Key, Any]) -> Verdict:
    """Compare what is current of a stream with its truth, and its raw table with the ledger."""
    return _against_truth(current(stream, batches, rows), truth) + _against_ledger(stream, batches, rows)


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


def _against_ledger(stream: Stream, batches: Sequence[BatchRow], rows: Sequence[RawRow]) -> Verdict:
    """Every checkpoint once in the ledger, with as many rows in raw as it says; every key once in a checkpoint."""
    in_ledger = Counter(batch.id for batch in batches)
    in_raw = Counter(row.batch for row in rows)
    twice = sum(count - 1 for count in in_ledger.values()) + _repeated(stream, rows)
    missing = sum(max(0, batch.rows - in_raw[batch.id]) for batch in batches)
    unknown = sum(count for batch, count in in_raw.items() if batch not in in_ledger)
    texts = {"lines twice": twice, "rows that the ledger counts are not in raw": missing, "rows of no batch": unknown}
    examples = tuple(f"{count} {text}" for text, count in texts.items() if count)
    return Verdict(lost=missing, duplicated=twice, stale=unknown, examples=examples)


def _repeated(stream: Stream, rows: Sequence[RawRow]) -> int:
    """Rows of a checkpoint whose key it has already.

    A window's slices may share a day, where the vendor's bounds are inclusive: what one attempt then lands twice, in
    two lines, is the vendor's repetition. One line loaded twice is ours, as is one key from two attempts.
    """
    if stream.read.current is not Current.NEWEST_WINDOW:
        return len(rows) - len({(row.batch, row.key) for row in rows})
    lines = {(row.batch, row.file, row.row) for row in rows}
    keys = {(row.batch, row.key) for row in rows}
    attempts = {(row.batch, row.key, row.attempt) for row in rows}
    return len(rows) - len(lines) + len(attempts) - len(keys)


def current(stream: Stream, batches: Sequence[BatchRow], rows: Iterable[RawRow]) -> dict[Key, Mapping[str, Any]]:
    """The current record of each key, by the stream's rule (`spec.Current`)."""
    ids = {batch.id for batch in batches}
    known = [row for row in rows if row.batch in ids]
    match stream.read.current:
        case Current.NEWEST_LIST:
            newest = max((batch for batch in batches if batch.complete), key=_latest, default=None)
            return {row.key: row.record for row in known if newest and row.batch == newest.holder}
        case Current.NEWEST_WINDOW:
            field = stream.read.window.cursor_field  # type: ignore[attr-defined]
            return {row.key: row.record for row in known if row.batch == _winner(batches, row.record[field])}
        case Current.NEWEST_VERSION:
            return {row.key: row.record for row in sorted(known, key=_version_order(stream))}


def _latest(batch: BatchRow) -> tuple[datetime, datetime]:
    return batch.as_of, batch.extracted_at


def _version_order(stream: Stream) -> Callable[[RawRow], tuple[Any, ...]]:
    def order(row: RawRow) -> tuple[Any, ...]:
        version = moment_of(row.record[stream.version]) if stream.version else None
        return version or _OLDEST, row.extracted_at, len(row.file), row.file, row.row

    return order


def _winner(batches: Iterable[BatchRow], value: object) -> str | None:
    at = moment_of(value)
    around = [b for b in batches if at and b.window_from and b.window_to and b.window_from <= at < b.window_to]
    return max(around, key=_latest).holder if around else None


def read_batches(session: Session, source: str, stream: str) -> list[BatchRow]:
    """A stream's rows of the ledger."""
    found = _all(session, _BATCHES, {"source": source, "stream": stream})
    return [
        BatchRow(
            id,
            _utc(as_of),
            int(rows),
            _utc(start),
            _utc(end),
            held_by=held_by,
            extracted_at=_utc(extracted_at),
            complete=complete,
            of=of,
        )
        for id, of, held_by, as_of, extracted_at, complete, rows, start, end in found
    ]


def read_cursor(session: Session, batch: str) -> str | None:
    """Where the batch's last loaded checkpoint got to; None before there is one."""
    found = _all(session, _CURSOR, {"batch": batch})
    return str(found[0][0]) if found and found[0][0] is not None else None


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
    elif stream.read.parent:
        key = (about["parent"][stream.read.parent.param], *key)
    extracted_at = datetime.fromisoformat(about["extracted_at"])
    return RawRow(batch, key, record, about["file"], int(about["row"]), extracted_at)


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
