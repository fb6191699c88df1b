"""Small factories: a stream, a source, a batch, a connection, with what a test does not care about filled in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from catchment.batch import Batch
from catchment.connection import Connection
from catchment.http.auth import BasicKey
from catchment.http.client import HttpApi
from catchment.http.limits import RateLimit
from catchment.http.paginators import CursorPages
from catchment.reads.http_list import HttpList
from catchment.reads.protocol import Read
from catchment.spec import SourceSpec, Stream
from catchment.times import SECOND

LISTS = CursorPages(size=3)
QUICK = {"tries": 3, "first": 0.001, "longest": 0.002, "timeout": 0.5}
NO_LIMITS = {"account": 5000, "incremental": 5000, "drive": 5000}


def moment(day: int, hour: int = 2, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def stream(name: str = "things", read: Read | None = None, **fields: Any) -> Stream:
    return Stream(name=name, read=read or http_list(name), **{"key": ("id",), **fields})


def http_list(path: str = "things", **fields: Any) -> HttpList:
    return HttpList(**{"path": path, "records": "entries", "paginator": LISTS, **fields})


def source(*streams: Stream, **fields: Any) -> SourceSpec:
    """A source called `vendor`; without streams, it has one list called `things`."""
    api = {name: fields.pop(name) for name in ("parallel", "auth", "actions", "limits") if name in fields}
    api = {"auth": BasicKey(), "limits": (RateLimit(1000, per=SECOND),), **api}
    fields = {"title": "Vendor", "api": HttpApi(base_url="https://vendor.example", **api), **fields}
    return SourceSpec(name="vendor", streams=streams or (stream(),), **fields)


def batch(name: str = "things", day: int = 1, **fields: Any) -> Batch:
    """The nightly batch that ends on the given day of March 2026 at 02:00."""
    fields = {"source": "vendor", "start": moment(day), "end": moment(day + 1), **fields}
    return Batch(stream=name, **fields)


def connection(url: str = "https://vendor.example", **fields: Any) -> Connection:
    """A connection with quick retries and limits that are never met."""
    extra = {"retry": QUICK, "rate_limits": NO_LIMITS, **fields.pop("extra", {})}
    return Connection(**{"conn_id": "vendor", "host": url, "password": "key", "extra": extra, **fields})
