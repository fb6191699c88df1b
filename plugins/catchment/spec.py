"""The vocabulary: what a source and its streams are like, as frozen values.

A spec says nothing about when or where a stream runs. Field paths are dotted (`meta.after_cursor`); a path that
passes through a list means every element of it (`line_items.account_code`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

NOTHING: Mapping[str, str] = MappingProxyType({})
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def hours(n: int) -> timedelta:
    return timedelta(hours=n)


def days(n: int) -> timedelta:
    return timedelta(days=n)


# --- authentication -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BasicKey:
    """HTTP Basic: the connection's key is the user name, the password is empty (ChartMogul)."""


@dataclass(frozen=True)
class BasicToken:
    """HTTP Basic: user is `user` with the connection's login filled in, the password is its token (Zendesk).

    With `{"auth": "bearer"}` in the connection's extra, the password is sent as an OAuth bearer token instead.
    """

    user: str = "{login}/token"


@dataclass(frozen=True)
class GoogleServiceAccount:
    """A service account's key (`keyfile_dict` in the connection's extra), exchanged for short-lived bearer tokens."""

    scopes: tuple[str, ...]


Auth = BasicKey | BasicToken | GoogleServiceAccount


# --- limits ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RateLimit:
    """At most `calls` requests in any span of `per`, over all processes that share `name` of a source.

    A connection may raise or lower it: extra `{"rate_limits": {"<name>": calls}}`.
    """

    calls: int
    per: timedelta
    name: str = "account"


# --- paging: how one page of a list leads to the next ---------------------------------------------------------------


@dataclass(frozen=True)
class OnePage:
    """The whole answer comes at once."""


@dataclass(frozen=True)
class CursorPages:
    """The reply carries an opaque cursor for the next page; the list ends when `more` is false."""

    param: str = "cursor"
    field: str = "cursor"
    more: str = "has_more"
    size_param: str = "per_page"
    size: int = 200


Pages = OnePage | CursorPages


# --- reading: which records a batch asks for ------------------------------------------------------------------------


class TimeFormat(StrEnum):
    """How a vendor spells a moment in a query."""

    ISO = "iso"
    DATE = "date"
    UNIX = "unix"


@dataclass(frozen=True)
class Snapshot:
    """The whole list, every time. A record that is absent from the newest snapshot is deleted.

    `start` and `end` name date parameters that some lists require; they then span all history up to the batch's end.
    """

    start: str | None = None
    end: str | None = None
    format: TimeFormat = TimeFormat.DATE


@dataclass(frozen=True)
class Window:
    """Records whose `at` lies in [from, to): the window is re-read `lookback` deep, and replaces what it covers.

    Without a `lookback` it is all of history each time.

    The vendor may recompute history, so a record that is gone from a re-read window is deleted. Windows longer than
    `slice` are read as independent slices, side by side within the source's limits.
    """

    at: str
    start: str
    end: str
    format: TimeFormat = TimeFormat.ISO
    lookback: timedelta | None = None
    slice: timedelta | None = None
    full_each_month: bool = False


@dataclass(frozen=True)
class SavedCursor:
    """An export that goes on from the last batch's cursor; `start` (a Unix time) is used for the first batch only."""

    start: str = "start_time"
    param: str = "cursor"
    field: str = "after_cursor"
    done: str = "end_of_stream"


@dataclass(frozen=True)
class TimeExport:
    """An export ordered by time: the next page starts at the last one's end, and repeats the records on that second.

    What is younger than `settle` is not asked for yet.
    """

    start: str = "start_time"
    next: str = "end_time"
    done: str = "end_of_stream"
    settle: timedelta = timedelta(seconds=65)


@dataclass(frozen=True)
class SheetTab:
    """A tab of a spreadsheet, read whole when the file has changed."""

    spreadsheet_id: str
    tab: str
    header: tuple[str, ...]
    header_row: int = 1


Read = Snapshot | Window | SavedCursor | TimeExport | SheetTab


# --- streams and sources --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parent:
    """A child stream is read once per record of its parent; its `path` holds `{param}`, the parent's `field`."""

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

    `records` is the path of the list in a reply ("" means: the reply itself is the one record). `key` are the fields
    that identify a record; `version` orders several versions of it. `secret` fields are dropped and `personal` ones
    hashed before anything is written. `plan_gated`: the vendor sells it apart, so 403 skips it until it first worked.
    """

    name: str
    path: str
    records: str
    key: tuple[str, ...]
    read: Read
    pages: Pages = OnePage()
    params: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    parent: Parent | None = None
    version: str | None = None
    deleted: Deleted | None = None
    secret: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    rate: RateLimit | None = None
    fresh_within: timedelta | None = None
    plan_gated: bool = False
    owner: str | None = None
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """A vendor: where it lives, how one signs in, what it allows, and its streams.

    Paths that begin with a key of `other_hosts` live there, unless the connection names a base URL of its own.
    `parallel` is the number of requests that one stream may have in flight. Raise `version` when a change of the spec
    changes what a batch holds: it is written into every manifest.
    """

    name: str
    title: str
    base_url: str
    auth: Auth
    rate: RateLimit
    streams: tuple[Stream, ...]
    other_hosts: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    parallel: int = 1
    history_start: datetime = datetime(2020, 1, 1, tzinfo=UTC)
    version: int = 1

    def stream(self, name: str) -> Stream:
        for stream in self.streams:
            if stream.name == name:
                return stream
        known = ", ".join(s.name for s in self.streams)
        raise KeyError(f"{self.name} has no stream {name!r}; it has: {known}")
