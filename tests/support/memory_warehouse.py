"""A warehouse in memory that keeps the rules of `spec.Current`, written apart from the SQL that it stands for.

Its tests are `tests/integration/test_truth_in_sql.py`, which runs the same histories on the real SQL.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from catchment.batch import Batch, Kind
from catchment.cursor import CursorState, Unfinished
from catchment.landing import Manifest, RecordFormat, read_manifest
from catchment.spec import Current, Stream
from catchment.times import moment_of
from tests.support.store import MemoryStore

Key = tuple[Any, ...]


class Loads(Protocol):
    """What a history is played on."""

    def load(self, key: str) -> object: ...
    def cursor_state(self, batch: Batch) -> CursorState: ...
    def current(self, stream: Stream) -> Mapping[Key, Mapping[str, Any]]: ...


@dataclass(frozen=True)
class Row:
    batch_id: str
    key: Key
    record: Mapping[str, Any]
    extracted_at: datetime
    place: tuple[int, str, int]


class MemoryWarehouse:
    """Checkpoints loaded, in the order in which they were, and their rows."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.ledger: dict[str, Manifest] = {}
        self.rows: dict[str, list[Row]] = {}

    def load(self, key: str) -> None:
        manifest = read_manifest(self._store, key)
        brought = list(self._rows(manifest))
        kept: list[Row] = []
        if manifest.current is Current.NEWEST_VERSION:
            again = {row.key for row in brought}
            kept = [row for row in self.rows.get(manifest.batch_id, ()) if row.key not in again]
        self.ledger.pop(manifest.batch_id, None)
        self.ledger[manifest.batch_id] = manifest
        self.rows[manifest.batch_id] = kept + brought
        if manifest.current is Current.NEWEST_WINDOW and manifest.complete:
            self._drop_covered(manifest)

    def _drop_covered(self, manifest: Manifest) -> None:
        own = [m for m in self.ledger.values() if m.batch == manifest.batch and m.attempt == manifest.attempt]
        begin, end = min(m.window_from for m in own if m.window_from), manifest.window_to
        for other in list(self.ledger.values()):
            if other.batch != manifest.batch or other.attempt == manifest.attempt:
                continue
            assert other.window_from is not None
            assert other.window_to is not None
            assert end is not None
            if other.window_from >= begin and other.window_to <= end and other.extracted_at <= manifest.extracted_at:
                del self.ledger[other.batch_id], self.rows[other.batch_id]

    def _rows(self, manifest: Manifest) -> Iterable[Row]:
        for file in manifest.files:
            for number, line in enumerate(self._store.lines([file]), start=1):
                value = json.loads(line)
                parent: Key = ()
                if manifest.record_format is RecordFormat.ENVELOPES:
                    parent, value = tuple(value["parent"].values()), value["record"]
                key = parent + tuple(value[name] for name in manifest.key)
                place = (len(file.key), file.key, number)
                yield Row(manifest.batch_id, key, value, manifest.extracted_at, place)

    def cursor_state(self, batch: Batch) -> CursorState:
        of_stream = [m for m in self.ledger.values() if m.stream == batch.stream]
        before = [
            m for m in of_stream if m.kind == Kind.SCHEDULED and m.batch != batch.id and m.interval_end <= batch.end
        ]
        newest = max(before, key=lambda m: (m.interval_end, m.extracted_at, m.checkpoint), default=None)
        read = self._newest_reading(of_stream)
        own = [m for m in of_stream if m.batch == batch.id]
        latest = max(own, key=lambda m: (m.extracted_at, m.checkpoint), default=None)
        unfinished = None
        if latest and not latest.complete and latest.attempt.startswith(f"{batch.mode}-"):
            unfinished = Unfinished(latest.attempt, latest.cursor_to, latest.checkpoint + 1)
        return CursorState(
            cursor=newest.cursor_to if newest else None,
            ever_loaded=bool(of_stream),
            rows_before=sum(m.rows + m.rejected for m in read) if read else None,
            newest=max((m.cursor_to for m in read if m.cursor_to), default=None),
            next_checkpoint=max((m.checkpoint for m in own), default=-1) + 1,
            unfinished=unfinished,
        )

    @staticmethod
    def _newest_reading(of_stream: list[Manifest]) -> list[Manifest]:
        """All checkpoints of the newest reading that is whole, of those that began the earliest."""
        readings: dict[tuple[str, str], list[Manifest]] = {}
        for m in of_stream:
            if m.kind == Kind.SCHEDULED or m.window_from is None:
                readings.setdefault((m.batch, m.attempt), []).append(m)
        whole = [read for read in readings.values() if any(m.complete for m in read)]
        began = min((m.window_from for read in whole for m in read if m.window_from), default=None)
        return max(
            (read for read in whole if min((m.window_from for m in read if m.window_from), default=None) == began),
            key=lambda read: (max(m.as_of for m in read), max(m.extracted_at for m in read)),
            default=[],
        )

    def current(self, stream: Stream) -> Mapping[Key, Mapping[str, Any]]:
        of_stream = [m for m in self.ledger.values() if m.stream == stream.name]
        rows = [row for manifest in of_stream for row in self.rows[manifest.batch_id]]
        match stream.read.current:
            case Current.NEWEST_LIST:
                newest = max(
                    (m for m in of_stream if m.complete), key=lambda m: (m.as_of, m.extracted_at), default=None
                )
                rows = self.rows[newest.batch_id] if newest else []
            case Current.NEWEST_WINDOW:
                field = stream.read.window.cursor_field  # type: ignore[attr-defined]
                rows = [row for row in rows if row.batch_id == winner(of_stream, moment_of(row.record[field]))]
        ordered = sorted(rows, key=order_by(stream))
        return {row.key: row.record for row in ordered}


def winner(of_stream: Iterable[Manifest], at: datetime | None) -> str | None:
    """The checkpoint that decides about a moment."""
    around = [m for m in of_stream if at and m.window_from and m.window_to and m.window_from <= at < m.window_to]
    found = max(around, key=lambda m: (m.as_of, m.extracted_at), default=None)
    return found.batch_id if found else None


def order_by(stream: Stream) -> Callable[[Row], tuple[Any, ...]]:
    version = stream.version
    return lambda row: (row.record[version] if version else 0, row.extracted_at, row.place)
