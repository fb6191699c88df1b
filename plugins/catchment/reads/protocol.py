"""What a kind of read is asked and what it answers.

A kind is a frozen value with two properties and one method, `plan`. The plan is made before the first request for
records; its page streams are then read side by side, their pieces landed in order, and a checkpoint may be sealed after
any piece that carries a mark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from catchment.batch import Batch, Kind, Mode
from catchment.cursor import CursorState
from catchment.errors import NeedsPerson
from catchment.extract.splitter import Reject
from catchment.landing import LandedFile, RecordFormat, Store
from catchment.spec import Current, Parent, SourceSpec, Stream

if TYPE_CHECKING:
    from catchment.extract.privacy import Privacy
    from catchment.http.client import HttpClient


@dataclass(frozen=True)
class Mark:
    """All before this place was read: up to `cursor` and, for windows, up to `covered_to`.

    `reached` is the time that the records have got to, where they are in order of time: for the progress shown.
    """

    cursor: str | None = None
    covered_to: datetime | None = None
    reached: datetime | None = None


@dataclass(frozen=True)
class Piece:
    """What is landed at once: complete lines, or objects that others wrote; and the records that can't be landed.

    `gap` says what the vendor could not show, as a sentence; a batch with gaps is loaded, and its task fails.
    """

    lines: bytes = b""
    rows: int = 0
    rejects: tuple[Reject, ...] = ()
    files: tuple[LandedFile, ...] = ()
    gap: str = ""
    mark: Mark | None = None


PageStream = Callable[[], Iterator[Piece]]


@dataclass(frozen=True)
class ReadPlan:
    """What a batch reads. `as_of` is the moment that it speaks of: of two lists or windows the later one is right.

    `start` is the mark before the first piece, `window_from` where the covered window begins. `appends`: it brings only
    what no earlier reading of the same batch brought, and so takes the place of none of their checkpoints.
    """

    streams: Iterable[PageStream]
    as_of: datetime
    start: Mark = field(default_factory=Mark)
    window_from: datetime | None = None
    appends: bool = False


@dataclass(frozen=True, kw_only=True)
class ReadTask:
    """One batch to be read, and the tools for it."""

    source: SourceSpec
    stream: Stream
    batch: Batch
    state: CursorState
    http: HttpClient | None
    store: Store
    privacy: Privacy
    now: Callable[[], datetime]
    history_start: datetime
    open_bucket: Callable[[str], Store]
    files_loaded: Callable[[], frozenset[tuple[str, str]]]

    @property
    def client(self) -> HttpClient:
        if self.http is None:
            raise NeedsPerson(f"{self.source.name}.{self.stream.name} asks an API, and its source declares none.")
        return self.http

    @property
    def cursor(self) -> str | None:
        """Where the batch begins: where an unfinished reading of it stopped, else the ledger's cursor.

        A backfill and a full refresh know no cursor but their own.
        """
        if self.state.unfinished:
            return self.state.unfinished.cursor
        if self.batch.kind is Kind.BACKFILL or self.batch.mode is Mode.FULL:
            return None
        return self.state.cursor

    @property
    def begins(self) -> datetime:
        """Where a reading without a cursor begins."""
        return self.batch.start if self.batch.kind is Kind.BACKFILL else self.history_start


class Read(Protocol):
    """How the records of a stream are had."""

    @property
    def current(self) -> Current:
        """The rule that says which of its rows are current."""

    @property
    def parent(self) -> Parent | None:
        """The stream whose records it is read for, if there is one: that stream is read before it."""

    @property
    def record_format(self) -> RecordFormat:
        """What the files of a batch hold."""

    def plan(self, task: ReadTask) -> ReadPlan | None:
        """What to read; None when nothing has changed. Raises the errors of `catchment.errors`."""
