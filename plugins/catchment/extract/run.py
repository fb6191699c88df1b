"""Extract one batch: read it as planned, land it, write its manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec

from catchment import __version__
from catchment.batch import Batch, Mode
from catchment.errors import ContractBroken, Refused
from catchment.extract.http import Vendor
from catchment.extract.loops import BorderFilter
from catchment.extract.pipeline import Chain, in_order
from catchment.extract.plan import Plan, Progress, ReadAll, ReadOn, ReadSpan, Span, plan
from catchment.extract.privacy import Privacy
from catchment.extract.readers import Reached, list_pages, saved_cursor_pages, span_pages, time_export_pages
from catchment.extract.sheets import TabRead, TabState, read_tab
from catchment.extract.splitter import Page, Reject
from catchment.landing import (
    MANIFEST,
    Manifest,
    Parts,
    Store,
    read_lines,
    read_manifest,
    withdraw_manifest,
    write_manifest,
)
from catchment.spec import Parent, SavedCursor, SheetTab, Snapshot, SourceSpec, Stream, TimeExport, Window

Report = Callable[[int], None]


@dataclass(frozen=True)
class Chunk:
    """A page made ready to land: complete lines, and the records that can't be."""

    lines: bytes
    rows: int
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True)
class Reading:
    """How a batch is read: chains of pages, and what the manifest will say of it once they are read."""

    chains: Iterator[Chain[Chunk]]
    reached: Reached
    window: Span | None = None


def _now() -> datetime:
    return datetime.now(UTC)


class Extraction:
    """Lands batches of one source. `pii_key` is the key of the hash for personal fields.

    A child stream reads the batch that its parent landed for the same interval: extract the parent before.
    `report` is told the rows of each page as they arrive.
    """

    def __init__(
        self,
        source: SourceSpec,
        vendor: Vendor,
        store: Store,
        *,
        pii_key: bytes = b"",
        now: Callable[[], datetime] = _now,
        report: Report = lambda rows: None,
    ) -> None:
        self._source = source
        self._vendor = vendor
        self._store = store
        self._pii_key = pii_key
        self._now = now
        self._report = report

    def run(self, batch: Batch, progress: Progress) -> Manifest | None:
        """Land `batch`, replacing what an earlier attempt landed. None: the stream is unchanged, nothing was landed.

        Raises the errors of `catchment.errors`; nothing is a batch then, and the caller says which one failed.
        """
        stream = self._source.stream(batch.stream)
        began, extracted_at = time.monotonic(), self._now()
        reading = self._read(stream, batch, progress)
        if reading is None:
            return None
        with (
            Parts(self._store, batch.prefix) as parts,
            Parts(self._store, batch.prefix, "rejects") as rejects,
        ):
            self._write(batch, reading, parts, rejects)
        _refuse_bad_batch(batch, parts.rows, rejects.rows)
        tally = self._vendor.tally
        manifest = Manifest(
            batch_id=batch.id,
            source=batch.source,
            stream=batch.stream,
            kind=batch.kind,
            mode=batch.mode,
            interval_start=batch.start,
            interval_end=batch.end,
            extracted_at=extracted_at,
            files=tuple(parts.files),
            rejects=tuple(rejects.files),
            rows=parts.rows,
            rejected=rejects.rows,
            window_from=reading.window.start if reading.window else None,
            window_to=reading.window.end if reading.window else None,
            cursor_from=progress.cursor,
            cursor_to=reading.reached.cursor,
            spec_version=self._source.version,
            extractor_version=__version__,
            requests=tally.requests,
            retries=tally.retries,
            waited_seconds=round(tally.waited, 3),
            seconds=round(time.monotonic() - began, 3),
        )
        write_manifest(self._store, batch, manifest)
        return manifest

    def _write(self, batch: Batch, reading: Reading, parts: Parts, rejects: Parts) -> None:
        for number, chunk in enumerate(in_order(reading.chains, parallel=self._source.parallel)):
            if number == 0:
                withdraw_manifest(self._store, batch)
            if chunk.rows:
                parts.add(chunk.lines, chunk.rows)
            for reject in chunk.rejects:
                line = msgspec.json.encode({"reason": reject.reason, "record": reject.record})
                rejects.add(line + b"\n", 1)
            self._report(chunk.rows)

    def _read(self, stream: Stream, batch: Batch, progress: Progress) -> Reading | None:
        if isinstance(stream.read, SheetTab):
            return self._tab_reading(stream, stream.read, batch, progress)
        planned = plan(self._source, stream, batch, progress)
        privacy = Privacy(secret=stream.secret, personal=stream.personal, key=self._pii_key)
        if stream.parent:
            return Reading(self._children(stream, stream.parent, batch, privacy), Reached())
        reached = Reached()
        chains = (partial(_chunks, pages, privacy, None) for pages in self._chains(stream, planned, reached))
        match planned:
            case ReadSpan(span):
                reached.cursor = span.end.isoformat()
                return Reading(chains, reached, window=span)
            case _:
                return Reading(chains, reached)

    def _chains(self, stream: Stream, planned: Plan, reached: Reached) -> Iterator[Chain[Page]]:
        match stream.read, planned:
            case Snapshot() as read, ReadAll(span):
                yield partial(span_pages, self._vendor, stream, read, span)
            case Window() as read, ReadSpan(span):
                for part in span.sliced(read.slice):
                    yield partial(span_pages, self._vendor, stream, read, part)
            case SavedCursor() as read, ReadOn():
                yield partial(saved_cursor_pages, self._vendor, stream, read, planned, reached)
            case TimeExport() as read, ReadOn():
                yield partial(time_export_pages, self._vendor, stream, read, planned, reached, now=self._now)

    def _children(self, stream: Stream, parent: Parent, batch: Batch, privacy: Privacy) -> Iterator[Chain[Chunk]]:
        """One chain for each record of the parent's batch of the same interval."""
        of_parent = Batch(source=batch.source, stream=parent.stream, start=batch.start, end=batch.end, kind=batch.kind)
        manifest = read_manifest(self._store, of_parent.prefix + MANIFEST)
        record = msgspec.json.Decoder(dict[str, Any])
        for file in manifest.files:
            for line in read_lines(self._store, of_parent.prefix, file):
                key = {parent.param: record.decode(line)[parent.field]}
                path = stream.path.format(**{parent.param: quote(str(key[parent.param]), safe="")})
                pages = partial(list_pages, self._vendor, stream, path=path)
                yield partial(_chunks, partial(_unless_gone, pages), privacy, msgspec.json.encode(key))

    def _tab_reading(self, stream: Stream, tab: SheetTab, batch: Batch, progress: Progress) -> Reading | None:
        before = None if batch.mode is Mode.FULL else TabState.parse(progress.cursor)
        spans_midnight = batch.start.date() != batch.end.date()
        read = read_tab(self._vendor, stream, tab, before, force=spans_midnight)
        if read is None:
            return None
        privacy = Privacy(secret=stream.secret, personal=stream.personal, key=self._pii_key)
        return Reading(iter([partial(_tab_chunk, read, privacy)]), Reached(str(read.state)))


def _chunks(pages: Chain[Page], privacy: Privacy, parent: bytes | None) -> Iterator[Chunk]:
    borders = BorderFilter()
    for page in pages():
        records, rejects = privacy.apply(borders.fresh(page), page.rejects)
        yield Chunk(_lines(records, parent), len(records), rejects)


def _lines(records: list[bytes], parent: bytes | None) -> bytes:
    """JSON Lines: the records themselves or, for a child stream, each in an envelope with its parent's key."""
    if not records:
        return b""
    if parent is None:
        return b"\n".join(records) + b"\n"
    head = b'{"parent":' + parent + b',"record":'
    return b"".join(head + bytes(record) + b"}\n" for record in records)


def _unless_gone(pages: Chain[Page]) -> Iterator[Page]:
    """A parent that was deleted since it was listed has no children."""
    try:
        yield from pages()
    except Refused as error:
        if error.status != 404:
            raise


def _tab_chunk(read: TabRead, privacy: Privacy) -> Iterator[Chunk]:
    lines = (_lines(privacy.apply([row.record])[0], row.parent) for row in read.rows)
    yield Chunk(b"".join(lines), len(read.rows))


def _refuse_bad_batch(batch: Batch, rows: int, rejected: int) -> None:
    if rejected > rows:
        raise ContractBroken(
            f"{rejected} of {rows + rejected} records are not what the spec says. The vendor seems to have changed its "
            f"API: compare the stream's spec. The records are in {batch.prefix}rejects-*"
        )
