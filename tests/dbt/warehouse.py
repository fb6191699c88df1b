"""A local warehouse for these tests, its raw tables, and batches put into them as a load would leave them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from catchment.sources import SOURCES
from local.scratch_warehouse import ScratchWarehouse

STEPS = ("databases", "schemas", "ledger", "raw_tables", "cdc_ledger", "cdc_raw_tables", "cdc_watermarks")


@dataclass(frozen=True, kw_only=True)
class Load:
    """One batch of a stream, asked for and loaded at `at`, the end of its interval.

    Times are UTC; `window` for streams that are re-read window by window; `asked` where that was later than `at`.
    """

    stream: str
    name: str
    at: datetime
    records: Sequence[dict[str, Any]]
    parents: Sequence[dict[str, Any]] = ()
    window: tuple[datetime, datetime] | None = None
    asked: datetime | None = None
    kind: str = "scheduled"
    complete: bool = True

    @property
    def batch(self) -> str:
        return f"{self.stream}.{self.name}"


class Warehouse(ScratchWarehouse):
    """A scratch warehouse with the raw tables of all sources."""

    def __init__(self, data: Path) -> None:
        super().__init__(data, STEPS)

    def load(self, loads: Iterable[Load]) -> None:
        """Put batches in place, replacing those of the same name, as a load does."""
        with self.connect() as connection:
            cursor = connection.cursor()
            for load in loads:
                _put(cursor, load)

    def empty(self) -> None:
        """No batch was ever loaded."""
        with self.connect() as connection:
            cursor = connection.cursor()
            for spec in SOURCES.values():
                for stream in spec.streams:
                    cursor.execute(f"DELETE FROM RAW.{spec.name}.{stream.name}")
            cursor.execute("DELETE FROM RAW.CATCHMENT.LEDGER")


def _put(cursor: Any, load: Load) -> None:
    source, _, stream = load.stream.partition(".")
    table = f"RAW.{source}.{stream}"
    moment, asked = (f"'{t:%Y-%m-%d %H:%M:%S}'::TIMESTAMP_NTZ" for t in (load.at, load.asked or load.at))
    cursor.execute(f"DELETE FROM {table} WHERE BATCH_ID = %s", (load.batch,))
    cursor.execute("DELETE FROM RAW.CATCHMENT.LEDGER WHERE BATCH_ID = %s", (load.batch,))
    for number, record in enumerate(load.records, 1):
        metadata: dict[str, Any] = {"source": source, "stream": stream, "file": "part-0.jsonl.zst", "row": number}
        if load.parents:
            metadata["parent"] = load.parents[number - 1]
        cursor.execute(
            f"INSERT INTO {table} SELECT PARSE_JSON(%s), PARSE_JSON(%s), %s, {asked}",
            (json.dumps(record), json.dumps(metadata), load.batch),
        )
    window = [f"'{t:%Y-%m-%d %H:%M:%S}'::TIMESTAMP_NTZ" for t in load.window] if load.window else ["NULL", "NULL"]
    cursor.execute(
        f"""INSERT INTO RAW.CATCHMENT.LEDGER (BATCH_ID, BATCH, CHECKPOINT, COMPLETE, SOURCE, STREAM, KIND,
            INTERVAL_START, INTERVAL_END, WINDOW_FROM, WINDOW_TO, MANIFEST, FILES, ROWS_EXTRACTED, ROWS_LOADED,
            ROWS_REJECTED, BYTES, SPEC_VERSION, EXTRACTED_AT, AS_OF, LOADED_AT)
        SELECT %s, %s, 0, {load.complete}, %s, %s, %s, {moment}, {moment}, {window[0]}, {window[1]}, 'manifest.json', 1,
            %s, %s, 0, 0, 1, {asked}, {asked}, {asked}""",
        (load.batch, load.batch, source, stream, load.kind, len(load.records), len(load.records)),
    )
