"""Files on S3 that others write: loaded by reference, where they lie. Nothing is copied.

A batch is the files that the ledger's table of files does not have yet, by key and ETag: so late files, replays and
files that were written again are found, whatever their dates say. A backfill takes the files that were last modified in
its window, a full refresh all of them. Which rows are current: the newest version of each key over all batches.
Source: Amazon S3 API reference, "ListObjectsV2"; Snowflake reference, "COPY INTO <table>".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from catchment.batch import Kind, Mode
from catchment.errors import NeedsPerson
from catchment.landing import LandedFile, Listed, RecordFormat
from catchment.reads.protocol import Mark, Piece, ReadPlan, ReadTask
from catchment.spec import Current

FILES_PER_PIECE = 500


@dataclass(frozen=True, kw_only=True)
class S3Files:
    """Objects below `prefix` whose keys match `pattern` (a regular expression, anywhere in the key).

    The bucket is `bucket`, or what the source's connection names in its extra, and one for all streams of a source:
    `snowflake-apply` makes the stage over it. `columns` names the columns of CSV files, in their order; their first
    line is a header and is skipped.
    """

    prefix: str
    pattern: str = r"."
    record_format: RecordFormat = RecordFormat.RECORDS
    columns: tuple[str, ...] = ()
    bucket: str = ""
    current = Current.NEWEST_VERSION
    parent = None

    def __post_init__(self) -> None:
        if (self.record_format is RecordFormat.CSV) != bool(self.columns):
            raise ValueError(f"{self.prefix}: `columns` names the columns of CSV files, and only of those.")

    def plan(self, task: ReadTask) -> ReadPlan | None:
        listed_at = task.now()
        bucket = task.open_bucket(self.bucket)
        found = [entry for entry in bucket.entries(self.prefix) if re.search(self.pattern, entry.key)]
        wanted = self._wanted(task, found, bucket.uri)
        if not wanted:
            return None
        if bad := next((entry for entry in wanted if not safe_key(entry.key)), None):
            raise NeedsPerson(
                f"{bucket.uri}{bad.key!r} has a name that can't stand in a COPY statement: rename the object, or "
                f"leave it out by the stream's pattern {self.pattern!r}."
            )
        only_new = task.batch.kind is Kind.SCHEDULED and task.batch.mode is Mode.INCREMENTAL
        pieces = partial(self._pieces, bucket.uri, wanted)
        return ReadPlan([pieces], as_of=listed_at, start=Mark(task.cursor), appends=only_new)

    def _wanted(self, task: ReadTask, found: list[Listed], uri: str) -> list[Listed]:
        entries = sorted((entry for entry in found if entry.bytes), key=lambda entry: (entry.modified, entry.key))
        batch = task.batch
        if batch.kind is Kind.BACKFILL:
            return [entry for entry in entries if batch.start <= entry.modified < batch.end]
        if batch.mode is Mode.FULL and not task.state.unfinished:
            return entries
        known = task.files_loaded()
        return [entry for entry in entries if (uri + entry.key, entry.etag) not in known]

    def _pieces(self, uri: str, entries: list[Listed]) -> Iterator[Piece]:
        for some in _some_at_a_time(entries):
            files = tuple(
                LandedFile(key=entry.key, uri=uri + entry.key, bytes=entry.bytes, etag=entry.etag) for entry in some
            )
            yield Piece(files=files, mark=Mark(some[-1].modified.isoformat()))


def safe_key(key: str) -> bool:
    """Whether a key may stand between quotes in a COPY statement: no quotes, backslashes or control characters."""
    return not re.search(r"['\\\x00-\x1f\x7f]", key)


def _some_at_a_time(entries: list[Listed]) -> Iterator[list[Listed]]:
    for at in range(0, len(entries), FILES_PER_PIECE):
        yield entries[at : at + FILES_PER_PIECE]
