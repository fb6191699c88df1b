"""A vendor with an export and windows, a landing and a warehouse, on which readings are ended and taken up again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from catchment.batch import Batch
from catchment.extract.progress import Progress
from catchment.extract.run import Extracted, Extraction, Sealing
from catchment.http.client import HttpClient
from catchment.http.paginators import SinglePage
from catchment.landing import Manifest, read_manifest
from catchment.reads.http_export import CursorExport
from catchment.reads.http_list import Dates, Window
from catchment.times import TimeFormat, days
from tests.support.make import batch, http_list, moment, source, stream
from tests.support.memory_warehouse import MemoryWarehouse
from tests.support.store import MemoryStore
from tests.support.vendor import InProcess

EXPORT = stream("tickets", CursorExport(path="tickets", records="entries"), version="t")
BOUNDS = Dates("from", "to", TimeFormat.UNIX)
MOVES = stream("moves", http_list("moves", paginator=SinglePage(), dates=BOUNDS, window=Window("at", slice=days(10))))
SPEC = source(EXPORT, MOVES, history_start=moment(1, month=1))
PAGES = 10


def number_of(cursor: str | None) -> int:
    return int(cursor.removeprefix("c")) if cursor else 0


@dataclass
class Vendor:
    """An export of ten pages of one record, and a window of records a day apart. `refuses` are raised, once each."""

    refuses: dict[int, Exception] = field(default_factory=dict)
    moves: int = 60
    asked: list[int] = field(default_factory=list)

    def reply(self, path: str, params: Mapping[str, Any]) -> Any:
        if path == "moves":
            low, high = params["from"], params["to"]
            first = int(moment(1, month=1).timestamp())
            return {
                "entries": [
                    {"id": day, "at": at} for day in range(self.moves) if low <= (at := first + day * 86_400) < high
                ]
            }
        page = number_of(params.get("cursor"))
        self.asked.append(page)
        if error := self.refuses.pop(page, None):
            raise error
        entries = [{"id": page, "t": page}] if page < PAGES else []
        after = min(page + 1, PAGES)
        return {"entries": entries, "after_cursor": f"c{after}", "end_of_stream": page >= PAGES - 1}


@dataclass
class Stack:
    """A vendor, a landing and a warehouse; `run` is one try of a task."""

    vendor: Vendor = field(default_factory=Vendor)
    store: MemoryStore = field(default_factory=MemoryStore)
    sealed: list[Manifest] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    fails_after: int | None = None

    def __post_init__(self) -> None:
        self.warehouse = MemoryWarehouse(self.store)

    def run(self, of: Batch, sealing: Sealing) -> Extracted:
        extraction = Extraction(
            source=SPEC,
            client=cast(HttpClient, InProcess(self.vendor.reply)),
            store=self.store,
            history_start=SPEC.history_start,
            load=self._load,
            sealing=sealing,
            progress=self.progress.append,
        )
        extracted = extraction.run(of, self.warehouse.cursor_state(of))
        if extracted.key:
            self._load(extracted.key)
        return extracted

    def _load(self, key: str) -> None:
        if self.fails_after == len(self.sealed):
            raise KeyboardInterrupt  # the task's process is killed between checkpoints
        self.sealed.append(read_manifest(self.store, key))
        self.warehouse.load(key)

    def ids(self, of: Any = EXPORT) -> list[int]:
        return sorted(record["id"] for record in self.warehouse.current(of).values())


def tickets(**fields: Any) -> Batch:
    return batch("tickets", **fields)
