"""Small factories: a stream, a source, a batch, a connection, with what a test does not care about filled in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from catchment.batch import Batch
from catchment.connection import Connection
from catchment.spec import SECOND, BasicKey, CursorPages, RateLimit, Read, Snapshot, SourceSpec, Stream

LISTS = CursorPages(size=3)
QUICK = {"tries": 3, "first": 0.001, "longest": 0.002, "patience": 0.5}
NO_LIMITS = {"account": 5000, "incremental": 5000, "drive": 5000}


def moment(day: int, hour: int = 2, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def stream(name: str = "things", read: Read | None = None, **fields: Any) -> Stream:
    fields = {"path": name, "records": "entries", "key": ("id",), "pages": LISTS, **fields}
    return Stream(name=name, read=read or Snapshot(), **fields)


def source(*streams: Stream, **fields: Any) -> SourceSpec:
    """A source called `vendor`; without streams, it has one list called `things`."""
    fields = {"title": "Vendor", "base_url": "https://vendor.example", "auth": BasicKey(), **fields}
    rate = RateLimit(1000, per=SECOND)
    return SourceSpec(name="vendor", rate=rate, streams=streams or (stream(),), **fields)


def batch(name: str = "things", day: int = 1, **fields: Any) -> Batch:
    """The nightly batch that ends on the given day of March 2026 at 02:00."""
    fields = {"source": "vendor", "start": moment(day), "end": moment(day + 1), **fields}
    return Batch(stream=name, **fields)


def connection(url: str = "https://vendor.example", **fields: Any) -> Connection:
    """A connection with quick retries and limits that are never met."""
    extra = {"retry": QUICK, "rate_limits": NO_LIMITS, **fields.pop("extra", {})}
    return Connection(**{"conn_id": "vendor", "host": url, "login": "key", "extra": extra, **fields})
