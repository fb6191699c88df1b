"""Load one checkpoint: its rows, its rejects and its ledger row in one transaction.

What it replaces follows from the rule of its stream (`spec.Current`):

- NEWEST_LIST: all that an earlier load of the same batch left.
- NEWEST_WINDOW: the same checkpoint's rows and, once its reading is whole, those of earlier readings of the same batch
  whose windows it covers.
- NEWEST_VERSION: rows with a key that it brings again, and rejects of records that it brings again. Others stay: a
  record that has changed since moves to the export's end, and is not in this batch when it is read again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from catchment.errors import ContractBroken
from catchment.landing import LandedFile, Manifest, Store, read_lines, read_manifest, verify
from catchment.spec import Current
from catchment.warehouse import ledger
from catchment.warehouse.formats import format_of, literal
from catchment.warehouse.ledger import sql_time
from catchment.warehouse.names import FILE_FORMAT, LEDGER, REJECTS, STAGE, raw_table, stage_of
from catchment.warehouse.session import Cursor, Session, explained, transaction

FILES_PER_COPY = 1000  # Snowflake's limit for FILES = (…)
_OUR_KEY = re.compile(r"[A-Za-z0-9_.,=:/+@-]+")
_ANY_KEY = re.compile(r"[^'\\\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class Loaded:
    """What a load did: records that it brought to raw or to the rejects, or the batch that holds just the same.

    `gaps`: what the vendor could not show. `new_rejects`, for the last checkpoint of a batch: how many more records
    its reading has rejected, in all its checkpoints, than the batch before. A gap counts as one.
    """

    rows: int
    rejected: int
    same_as: str | None = None
    gaps: tuple[str, ...] = ()
    new_rejects: int = 0


@dataclass(frozen=True)
class CopiedFile:
    """One line of a COPY's result."""

    key: str
    parsed: int
    loaded: int
    first_error: str | None


def load(
    session: Session,
    store: Store,
    key: str,
    *,
    query_tag: str = "",
    open_bucket: Callable[[str], Store] | None = None,
) -> Loaded:
    """Load the checkpoint whose manifest is at `key`. Any number of times, from any point of failure: the same rows.

    Reads exactly the files that the manifest names, after it has compared the size and digest of each (others' files:
    size and ETag). A line that the warehouse can't read goes to the rejects with its reason. A list that is as it was
    brings no rows: its ledger row says which batch has them.

    A checkpoint that a later attempt at the same batch has loaded already is left as it is: what is newer stays.

    Raises:
        ContractBroken: The files are not what the manifest says.
    """
    manifest = read_manifest(store, key)
    check_names(manifest)
    for file in (*manifest.files, *manifest.rejects):
        verify(_store_of(store, file, open_bucket), file)
    loaded_at = datetime.now(UTC)
    with explained(f"load {manifest.batch_id}"), transaction(session, manifest.batch) as cursor:
        if ledger.has_later_attempt(cursor, manifest):
            return Loaded(rows=0, rejected=0, same_as=manifest.batch_id, gaps=manifest.gaps)
        rejected_before = ledger.rejected_before(cursor, manifest)
        loaded = _LOADS[manifest.current](_Load(cursor, store, manifest, loaded_at))
        ledger.record(
            cursor,
            manifest,
            key,
            loaded=loaded.rows,
            rejected=loaded.rejected,
            same_as=loaded.same_as,
            loaded_at=loaded_at,
            query_tag=query_tag,
        )
        if manifest.current is Current.NEWEST_WINDOW and manifest.complete:
            ledger.drop_covered(cursor, manifest)
        rejected = ledger.rejected_in_reading(cursor, manifest) if manifest.complete else 0
    return replace(loaded, gaps=manifest.gaps, new_rejects=max(0, rejected - rejected_before))


def check_names(manifest: Manifest) -> None:
    """Raise unless every name may stand in a COPY statement. Ours have few characters; others' may have any but quotes.

    A manifest is a file that somebody may have written to.
    """
    for file in (*manifest.files, *manifest.rejects):
        if not (_ANY_KEY if file.uri else _OUR_KEY).fullmatch(file.key):
            raise ContractBroken(
                f"{manifest.batch_id}: the manifest names a file {file.key!r}, which can't stand in a COPY statement. "
                "Nothing was loaded: see who wrote to the landing, and extract the batch again."
            )


def _store_of(store: Store, file: LandedFile, open_bucket: Callable[[str], Store] | None) -> Store:
    if not file.uri or open_bucket is None:
        return store
    return open_bucket(file.uri.removeprefix("s3://").split("/", 1)[0])


@dataclass(frozen=True)
class _Load:
    """One load inside its transaction."""

    cursor: Cursor
    store: Store
    manifest: Manifest
    loaded_at: datetime

    @property
    def table(self) -> str:
        return raw_table(self.manifest.source, self.manifest.stream)

    def clear(self, *tables: str) -> None:
        """Take out what an earlier load of the same checkpoint left."""
        for table in tables:
            self.cursor.execute(f"DELETE FROM {table} WHERE BATCH_ID = %(batch)s", {"batch": self.manifest.batch_id})

    def count(self, table: str) -> int:
        """How many rows of this checkpoint a table has."""
        batch = {"batch": self.manifest.batch_id}
        self.cursor.execute(f"SELECT COUNT(*) FROM {table} WHERE BATCH_ID = %(batch)s", batch)
        return int(self.cursor.fetchone()[0])

    def rename(self, old: str, new: str, tables: Iterable[str]) -> None:
        """Give rows of one batch id another."""
        for table in tables:
            values = {"old": old, "new": new}
            self.cursor.execute(f"UPDATE {table} SET BATCH_ID = %(new)s WHERE BATCH_ID = %(old)s", values)

    def bring(self) -> Loaded:
        """Copy rows and rejects."""
        copied = self._copy()
        check_counts(self.manifest, copied)
        refused = self._refused(copied)
        self._copy_rejects()
        if any(file.uri for file in self.manifest.files):
            ledger.record_files(self.cursor, self.manifest, {file.key: file.loaded for file in copied}, self.loaded_at)
        return Loaded(rows=sum(file.loaded for file in copied), rejected=self.manifest.rejected + refused)

    def _copy(self) -> tuple[CopiedFile, ...]:
        copied: list[CopiedFile] = []
        manifest = self.manifest
        values = {
            "source": manifest.source,
            "stream": manifest.stream,
            "start": manifest.interval_start.isoformat(),
            "end": manifest.interval_end.isoformat(),
            "extracted_at": manifest.extracted_at.isoformat(),
            "batch": manifest.batch_id,
            "loaded_at": sql_time(self.loaded_at),
        }
        for files in _some_at_a_time(manifest.files):
            prefix = common_folder(files)
            self.cursor.execute(copy_statement(manifest, prefix, files), values)
            # One column: it found no file.
            copied.extend(_copied(prefix, files, row) for row in self.cursor.fetchall() if len(row) > 1)
        return tuple(copied)

    def _refused(self, copied: Sequence[CopiedFile]) -> int:
        """Move the lines that the warehouse could not read to the rejects; returns how many."""
        refused = 0
        landed = {file.key: file for file in self.manifest.files}
        for file in copied:
            if file.loaded == file.parsed:
                continue
            lines = self._lines_not_in_raw(landed[file.key])
            rejects = [self._reject(file, number, text) for number, text in lines]
            if len(rejects) < file.parsed - file.loaded:  # lines of others' files are not looked for one by one
                missing = file.parsed - file.loaded - len(rejects)
                rejects.append(self._reject(file, None, f"{missing} lines of this file"))
                refused += missing - 1
            self.cursor.executemany(
                f"INSERT INTO {REJECTS} (BATCH_ID, SOURCE, STREAM, FILE, ROW_NUMBER, REASON, RECORD, REJECTED_AT) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                rejects,
            )
            refused += len(rejects)
        return refused

    def _lines_not_in_raw(self, file: LandedFile) -> Iterator[tuple[int, str]]:
        if file.uri:
            return
        self.cursor.execute(
            f"SELECT RECORD_METADATA:row::NUMBER FROM {self.table} "
            "WHERE BATCH_ID = %(batch)s AND RECORD_METADATA:file::VARCHAR = %(file)s",
            {"batch": self.manifest.batch_id, "file": file.key},
        )
        kept = {int(number) for (number,) in self.cursor.fetchall()}
        for number, line in enumerate(read_lines(self.store, file), start=1):
            if number not in kept:
                yield number, line.decode("utf-8", "backslashreplace")

    def _reject(self, file: CopiedFile, number: int | None, text: str) -> tuple[Any, ...]:
        manifest = self.manifest
        reason = f"the warehouse could not read it: {file.first_error}"
        at = sql_time(self.loaded_at)
        return (manifest.batch_id, manifest.source, manifest.stream, file.key, number, reason, clipped(text), at)

    def _copy_rejects(self) -> None:
        """Bring the rejects that extraction found into the table that people look at."""
        manifest = self.manifest
        values = {
            "batch": manifest.batch_id,
            "source": manifest.source,
            "stream": manifest.stream,
            "loaded_at": sql_time(self.loaded_at),
        }
        for files in _some_at_a_time(manifest.rejects):
            prefix = common_folder(files)
            self.cursor.execute(
                f"""
COPY INTO {REJECTS} (BATCH_ID, SOURCE, STREAM, FILE, ROW_NUMBER, REASON, RECORD, REJECTED_AT)
FROM (
    SELECT
        %(batch)s, %(source)s, %(stream)s, METADATA$FILENAME, METADATA$FILE_ROW_NUMBER,
        $1:reason::VARCHAR, $1:record::VARCHAR, %(loaded_at)s::TIMESTAMP_NTZ
    FROM @{STAGE}/{prefix}
)
FILES = ({_names(prefix, files)})
FILE_FORMAT = (FORMAT_NAME = '{FILE_FORMAT}')
ON_ERROR = ABORT_STATEMENT
FORCE = TRUE
""",
                values,
            )


def _load_list(load: _Load) -> Loaded:
    """A list, or a window, that says all that there is: an equal one says nothing new."""
    manifest = load.manifest
    held_by = ledger.source_batch(load.cursor, manifest) if not manifest.rejected else None
    if held_by == manifest.batch_id:
        load.clear(REJECTS, LEDGER)
        return Loaded(rows=manifest.rows, rejected=0)
    ledger.transfer(load.cursor, manifest.source, manifest.stream, manifest.batch_id)
    load.clear(load.table, REJECTS, LEDGER)
    return Loaded(rows=0, rejected=0, same_as=held_by) if held_by else load.bring()


def _load_versions(load: _Load) -> Loaded:
    """An export: what an earlier load of the same checkpoint left stays unless this one brings it again.

    Rejects too: a reading that stops earlier than the last one did has not seen their records.
    """
    load.clear(LEDGER)
    again = {table: there for table, there in _what_is_again(load).items() if load.count(table)}
    if not again:
        return load.bring()
    batch = load.manifest.batch_id
    before = f"{batch}#before"  # no batch has such an id, and none is left when the transaction ends
    load.rename(batch, before, again)
    brought = load.bring()
    for table, there in again.items():
        load.cursor.execute(
            f"DELETE FROM {table} WHERE BATCH_ID = %(before)s AND ({there})", {"batch": batch, "before": before}
        )
    load.rename(before, batch, again)
    return Loaded(rows=load.count(load.table), rejected=brought.rejected)


def _what_is_again(load: _Load) -> dict[str, str]:
    """By table, when a row of an earlier load is there again: a record by its key, a reject also by its text."""
    key = _key_expression("RECORD_CONTENT", load.manifest.key)
    brought = f"(SELECT {key} FROM {load.table} WHERE BATCH_ID = %(batch)s)"
    text = "COALESCE(NULLIF(RECORD, ''), REASON)"
    return {
        load.table: f"{key} IN {brought}",
        REJECTS: f"{text} IN (SELECT {text} FROM {REJECTS} WHERE BATCH_ID = %(batch)s) "
        f"OR {_key_expression('TRY_PARSE_JSON(RECORD)', load.manifest.key)} IN {brought}",
    }


_LOADS: dict[Current, Callable[[_Load], Loaded]] = {
    Current.NEWEST_LIST: _load_list,
    Current.NEWEST_WINDOW: _load_list,
    Current.NEWEST_VERSION: _load_versions,
}


def _key_expression(record: str, key: tuple[str, ...]) -> str:
    """A record's key as one text. Names of fields come from a spec; their values are compared as JSON."""
    fields = (f'TO_JSON({record}:"{name}")' for name in key)
    return " || ',' || ".join(f"COALESCE({field}, 'null')" for field in fields)


def clipped(text: str, limit: int = 1_000_000) -> str:
    """A record for the rejects: whole, or its beginning when it is beyond what a cell should hold."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text):,} characters; the rest is in the landed file)"


def copy_statement(manifest: Manifest, prefix: str, files: Sequence[LandedFile]) -> str:
    """COPY for some files of a checkpoint, its values still to be bound.

    FORCE, because a batch that is loaded again may bring a file that the load history remembers.
    """
    how = format_of(manifest.record_format, manifest.columns)
    parent = f", 'parent', {how.parent}" if how.parent else ""
    stage = stage_of(manifest.source) if files[0].uri else STAGE
    return f"""
COPY INTO {raw_table(manifest.source, manifest.stream)} (RECORD_CONTENT, RECORD_METADATA, BATCH_ID, LOADED_AT)
FROM (
    SELECT
        {how.record},
        OBJECT_CONSTRUCT(
            'source', %(source)s, 'stream', %(stream)s,
            'interval_start', %(start)s, 'interval_end', %(end)s, 'extracted_at', %(extracted_at)s,
            'file', METADATA$FILENAME, 'row', METADATA$FILE_ROW_NUMBER{parent}
        ),
        %(batch)s,
        %(loaded_at)s::TIMESTAMP_NTZ
    FROM @{stage}/{prefix}
)
FILES = ({_names(prefix, files)})
FILE_FORMAT = (FORMAT_NAME = '{how.file_format}')
ON_ERROR = CONTINUE
FORCE = TRUE
"""


def common_folder(files: Sequence[LandedFile]) -> str:
    """The longest prefix that ends in a slash and that all keys share."""
    folders = [file.key.split("/")[:-1] for file in files]
    shared = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) != 1:
            break
        shared.append(parts[0] + "/")
    return "".join(shared) if shared and _OUR_KEY.fullmatch("".join(shared)) else ""


def _names(prefix: str, files: Sequence[LandedFile]) -> str:
    return ", ".join(literal(file.key.removeprefix(prefix)) for file in files)


def _some_at_a_time(files: Sequence[LandedFile]) -> Iterator[Sequence[LandedFile]]:
    for at in range(0, len(files), FILES_PER_COPY):
        yield files[at : at + FILES_PER_COPY]


def _copied(prefix: str, files: Sequence[LandedFile], row: Sequence[Any]) -> CopiedFile:
    """A row of COPY's result: file, status, rows_parsed, rows_loaded, error_limit, errors_seen, first_error, …

    Snowflake names a file below the stage's location, or by its whole address: the landed key is its end.
    """
    name, _, parsed, loaded, _, _, first_error = row[:7]
    said = str(name)
    known = {file.key for file in files}
    places = (said, prefix + said, said.partition("://")[2].partition("/")[2])
    key = next((place for place in places if place in known), said)
    return CopiedFile(key, int(parsed), int(loaded), first_error)


def check_counts(manifest: Manifest, copied: Sequence[CopiedFile]) -> None:
    """Raise unless every file was read, ours with the rows that the manifest counts."""
    found = {file.key: file.parsed for file in copied}
    for file in manifest.files:
        if file.key not in found or (not file.uri and found[file.key] != file.rows):
            rows = "its rows" if file.uri else f"{file.rows} rows"
            raise ContractBroken(
                f"{manifest.batch_id}: {file.key} should hold {rows}, and the warehouse read "
                f"{found.get(file.key, 'none')}: the landing is not what the manifest says. Extract the batch again; "
                "the rows loaded before stay"
            )
