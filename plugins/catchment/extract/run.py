"""Extract one batch: read it as planned, land it, and seal a checkpoint every few minutes of a long reading."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from catchment import __version__
from catchment.batch import Batch
from catchment.cursor import CursorState
from catchment.errors import ContractBroken, TryAgain
from catchment.extract.pipeline import in_order
from catchment.extract.privacy import Privacy
from catchment.extract.progress import Progress
from catchment.http.client import HttpClient, Tally
from catchment.landing import (
    PART_BYTES,
    LandedFile,
    Manifest,
    Parts,
    Store,
    checkpoint_id,
    checkpoint_prefix,
    new_attempt,
    write_manifest,
)
from catchment.reads.protocol import Piece, ReadPlan, ReadTask
from catchment.spec import Current, SourceSpec

REJECTS_FLOOR = 20
"""So many rejects are a bad night; more of them than good records are another API."""


@dataclass(frozen=True)
class Sealing:
    """When a checkpoint is sealed: at the first mark after `every`, or after `pieces` pages.

    `read_for` is how long one run reads before it hands over to the next; None: to the end.
    """

    every: timedelta = timedelta(minutes=5)
    pieces: int = 2_000
    read_for: timedelta | None = None

    def is_due(self, *, seconds: float, pieces: int) -> bool:
        return seconds >= self.every.total_seconds() or pieces >= self.pieces

    def is_over(self, seconds: float) -> bool:
        return self.read_for is not None and seconds >= self.read_for.total_seconds()


@dataclass(frozen=True)
class Extracted:
    """What a run left: the manifest that is still to be loaded, if there is one, and whether the batch was read whole.

    Neither a key nor a rest: the stream is unchanged.
    """

    key: str | None = None
    complete: bool = True


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """Lands batches of one source.

    A child stream reads the batch that its parent landed for the same interval: extract the parent before. `load` is
    handed the manifest of each checkpoint that is sealed before the last. `report` is told the rows of each page,
    `progress` how far a long reading is. `accept_smaller` lands a list that shrank beyond its stream's `keep_share`;
    `rows_between` says how many rows the stream's newest reading has whose field lies between two moments.
    """

    source: SourceSpec
    client: HttpClient | None
    store: Store
    history_start: datetime
    load: Callable[[str], object]
    pii_key: bytes = b""
    sealing: Sealing = field(default_factory=Sealing)
    accept_smaller: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    report: Callable[[int], None] = lambda rows: None
    progress: Callable[[Progress], None] = lambda progress: None
    open_bucket: Callable[[str], Store] | None = None
    files_loaded: Callable[[], frozenset[tuple[str, str]]] = lambda: frozenset()
    rows_between: Callable[[str, datetime, datetime], int] = lambda field, start, end: 0
    part_bytes: int = PART_BYTES

    def run(self, batch: Batch, state: CursorState) -> Extracted:
        """Land `batch`, beside what an earlier attempt landed.

        Raises:
            CatchmentError: Its kind says what should happen next. What was sealed before stays; for exports that is
                all that was read when the vendor asked us to wait.
        """
        task = self._task(batch, state)
        asked_at = self.now()
        plan = task.stream.read.plan(task)
        if plan is None:
            return Extracted()
        with ExitStack() as stack:
            writer = _Writer(self, task, plan, stack, asked_at)
            try:
                if not self._read(plan, writer):
                    return Extracted(complete=False)
            except TryAgain:
                if writer.may_seal:
                    self.load(writer.seal(complete=False))
                raise
            return Extracted(writer.seal(complete=True))

    def _read(self, plan: ReadPlan, writer: _Writer) -> bool:
        """Whether the plan was read to its end."""
        parallel = self.source.api.parallel if self.source.api else 1
        on_error = self.client.cancel if self.client else lambda: None
        with closing(in_order(plan.streams, parallel=parallel, on_error=on_error)) as pieces:
            for piece in pieces:
                writer.add(piece)
                self.report(piece.rows)
                if writer.may_seal and self.sealing.is_due(seconds=writer.seconds, pieces=writer.pieces):
                    self.load(writer.seal(complete=False))
                    self.progress(writer.progress)
                    if self.sealing.is_over(writer.total_seconds):
                        return False
        return True

    def _task(self, batch: Batch, state: CursorState) -> ReadTask:
        stream = self.source.stream(batch.stream)
        return ReadTask(
            source=self.source,
            stream=stream,
            batch=batch,
            state=state,
            http=self.client,
            store=self.store,
            privacy=Privacy(secret=stream.secret, personal=stream.personal, key=self.pii_key),
            now=self.now,
            history_start=self.history_start,
            open_bucket=self.open_bucket or (lambda name: self.store),
            files_loaded=self.files_loaded,
        )


class _Writer:
    """Writes a reading's pieces, checkpoint by checkpoint."""

    def __init__(
        self, extraction: Extraction, task: ReadTask, plan: ReadPlan, stack: ExitStack, asked_at: datetime
    ) -> None:
        self._extraction = extraction
        self._task = task
        self._plan = plan
        self._stack = stack
        unfinished = task.state.unfinished
        self._attempt = unfinished.attempt if unfinished else new_attempt(task.batch.mode, task.now())
        self._number = first_checkpoint(task.state, task.stream.read.current, appends=plan.appends)
        self._extracted_at = asked_at
        self._sealed = self._mark = plan.start
        self._began = time.monotonic()
        self._began_at: datetime | None = None
        self._rows = 0
        self._found = 0
        self._before = self._rows_before()
        self._open()

    @property
    def may_seal(self) -> bool:
        """Whether something was read since the last checkpoint, and all of it is before a mark.

        One that is loaded before enough was read would delete, in its window, what a smaller list is held back for.
        """
        return self._at_mark and not self._is_smaller

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._opened

    @property
    def total_seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def progress(self) -> Progress:
        until = self._task.batch.end
        return Progress(self._rows, self.total_seconds, self._began_at, self._sealed.reached, until)

    def add(self, piece: Piece) -> None:
        if piece.rows:
            self._parts.add(piece.lines, piece.rows)
        for reject in piece.rejects:
            line = msgspec.json.encode({"reason": reject.reason, "record": reject.record})
            self._rejects.add(line + b"\n", 1)
        self._files.extend(piece.files)
        if piece.gap:
            self._gaps += (piece.gap,)
            self._rejects.add(msgspec.json.encode({"reason": f"a gap: {piece.gap}", "record": ""}) + b"\n", 1)
        self._rows += piece.rows
        self._found += piece.rows + len(piece.rejects)
        self.pieces += 1
        self._at_mark = piece.mark is not None
        if piece.mark is not None:
            self._mark = piece.mark
            self._began_at = self._began_at or piece.mark.reached

    def seal(self, *, complete: bool) -> str:
        """Make what was written a checkpoint; returns its manifest's key. One that fails is not sealed again."""
        self._at_mark = False
        self._checkpoint.close()
        manifest = self._manifest(complete=complete)
        refuse_rejects(manifest)
        if self._is_smaller:
            raise smaller(self._found, self._before)
        key = write_manifest(self._task.store, manifest, self._prefix)
        self._sealed = self._mark
        self._number += 1
        if not complete:
            self._open()
        return key

    def _open(self) -> None:
        self._prefix = checkpoint_prefix(self._task.batch, self._number)
        self._checkpoint = self._stack.enter_context(ExitStack())
        size = self._extraction.part_bytes
        self._parts = self._checkpoint.enter_context(Parts(self._task.store, self._prefix, part_bytes=size))
        self._rejects = self._checkpoint.enter_context(
            Parts(self._task.store, self._prefix, "rejects", part_bytes=size)
        )
        self._files: list[LandedFile] = []
        self._gaps: tuple[str, ...] = ()
        self.pieces = 0
        self._at_mark = False
        self._opened = time.monotonic()

    def _manifest(self, *, complete: bool) -> Manifest:
        task, batch = self._task, self._task.batch
        tally = task.http.tally if task.http else Tally()
        first = self._sealed is self._plan.start
        return Manifest(
            batch_id=checkpoint_id(batch, self._number),
            batch=batch.id,
            checkpoint=self._number,
            complete=complete,
            attempt=self._attempt,
            source=batch.source,
            stream=batch.stream,
            kind=batch.kind,
            mode=batch.mode,
            current=task.stream.read.current,
            key=task.stream.key,
            record_format=task.stream.read.record_format,
            columns=getattr(task.stream.read, "columns", ()),
            interval_start=batch.start,
            interval_end=batch.end,
            extracted_at=self._extracted_at,
            as_of=self._plan.as_of,
            files=(*self._parts.files, *self._files),
            rejects=tuple(self._rejects.files),
            gaps=self._gaps,
            rows=self._parts.rows,
            rejected=self._rejects.rows,
            window_from=self._plan.window_from if first else self._sealed.covered_to,
            window_to=self._mark.covered_to,
            cursor_from=self._sealed.cursor,
            cursor_to=self._mark.cursor,
            spec_version=task.source.version,
            extractor_version=__version__,
            requests=tally.requests,
            retries=tally.retries,
            waited_seconds=round(tally.waited, 3),
            seconds=round(self.seconds, 3),
        )

    @property
    def _is_smaller(self) -> bool:
        """Whether what was read so far is so much less than before that it may be the vendor's mistake."""
        share = self._task.stream.keep_share
        return bool(self._before) and share is not None and self._found <= share * self._before

    def _rows_before(self) -> int:
        """How many rows the newest reading had of what this one reads; 0 where fewer mean no deletions.

        A list is read whole, in a backfill too.
        """
        task, window_from = self._task, self._plan.window_from
        if self._extraction.accept_smaller or task.stream.keep_share is None:
            return 0
        if task.stream.read.current is Current.NEWEST_LIST:
            return task.state.rows_before or 0
        window = getattr(task.stream.read, "window", None)
        if window is None or window_from is None or not task.state.ever_loaded:
            return 0
        rows = self._extraction.rows_between(window.cursor_field, window_from, task.batch.end)
        whole = window_from <= task.history_start and task.state.unfinished is None
        return max(rows, task.state.rows_before or 0) if whole else rows


def first_checkpoint(state: CursorState, current: Current, *, appends: bool = False) -> int:
    """The number of a run's first checkpoint.

    An unfinished reading goes on with the next number. A window that is read again gets numbers of its own, and takes
    the place of the earlier ones when it is whole. One that only appends gets its own too, and replaces nothing. The
    others take the place of the earlier ones number by number.
    """
    if state.unfinished:
        return state.unfinished.next_checkpoint
    return state.next_checkpoint if appends or current is Current.NEWEST_WINDOW else 0


def refuse_rejects(manifest: Manifest) -> None:
    """Raise when most records are not what the spec says; a few bad ones are rejects, on the quietest night too."""
    if manifest.rejected > manifest.rows and manifest.rejected >= REJECTS_FLOOR:
        raise ContractBroken(
            f"{manifest.rejected} of {manifest.rows + manifest.rejected} records are not what the spec says. The "
            "vendor seems to have changed its API: compare the stream's spec. The records are in "
            f"{manifest.rejects[0].key}"
        )


def smaller(rows: int, before: int) -> ContractBroken:
    """What a person should know of a list that shrank so much that it may be the vendor's mistake."""
    return ContractBroken(
        f"the vendor's list has {rows} records, and had {before}. It is held back, for loading it would delete what it "
        "lacks. If the vendor is right, trigger the DAG with `Accept a smaller list`, or run "
        "`python -m catchment sync … --accept-smaller`; else see docs/runbooks/smaller_list.md"
    )
