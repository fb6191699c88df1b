"""What a source and its streams are like, as frozen values.

`Stream` says what a record is; its `read` says how records are had, in one module per kind (`catchment/reads/`). A spec
says nothing about when or where a stream runs. Field paths are dotted (`meta.after_cursor`); a path that passes through
a list means every element of it (`line_items.account_code`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from catchment.times import MINUTE, SECOND, TimeFormat, days, hours

if TYPE_CHECKING:
    from catchment.http.client import HttpApi
    from catchment.reads.protocol import Read

__all__ = [
    "MINUTE",
    "SECOND",
    "Current",
    "Deleted",
    "Parent",
    "SourceSpec",
    "Stream",
    "TimeFormat",
    "days",
    "hours",
]


class Current(StrEnum):
    """Which of a stream's raw rows are current: one rule for each way of reading (docs/streams.md).

    NEWEST_LIST: the rows of the batch that speaks of the latest moment; what it lacks is deleted.
    NEWEST_WINDOW: a row at time t counts when its batch is the latest of those whose window holds t.
    NEWEST_VERSION: the newest version of each key over all batches; nothing is deleted by being absent.
    """

    NEWEST_LIST = "newest_list"
    NEWEST_WINDOW = "newest_window"
    NEWEST_VERSION = "newest_version"


@dataclass(frozen=True)
class Parent:
    """A child stream is read once per record of its parent; its path holds `{param}`, the parent's `field`."""

    stream: str
    field: str
    param: str


@dataclass(frozen=True)
class Deleted:
    """A record is a deletion when `field` equals `equals`; with None, when `field` is not null."""

    field: str
    equals: str | None = None


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One kind of record of a source.

    `key` are the fields that identify a record; `version` orders several versions of it. `secret` fields are dropped
    and `personal` ones hashed before anything is written. `plan_gated`: the vendor sells it apart, so 403 skips it
    until it first worked. `keep_share`: a list with at most this share of the rows that it had is held back until a
    person accepts it (0: one that became empty); None: it may shrink.
    """

    name: str
    key: tuple[str, ...]
    read: Read
    version: str | None = None
    deleted: Deleted | None = None
    secret: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    fresh_within: timedelta | None = None
    plan_gated: bool = False
    keep_share: float | None = 0.0
    owner: str | None = None
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """A vendor or system and its streams. `api` is its HTTP API, where it is read over one.

    `history_start` is where reads of all history begin, for vendors that want a start: nothing can be older. The
    connection may set another one (extra `history_start`). Raise `version` when a change of the spec changes what a
    batch holds: it is written into every manifest.
    """

    name: str
    title: str
    streams: tuple[Stream, ...]
    api: HttpApi | None = None
    history_start: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    version: int = 1

    def stream(self, name: str) -> Stream:
        for stream in self.streams:
            if stream.name == name:
                return stream
        known = ", ".join(s.name for s in self.streams)
        raise KeyError(f"{self.name} has no stream {name!r}; it has: {known}")
