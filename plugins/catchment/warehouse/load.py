"""Load one checkpoint: its rows, its rejects and its ledger row in one transaction.

What it replaces follows from the rule of its stream (`spec.Current`):

- NEWEST_LIST: all that an earlier load of the same batch left.
- NEWEST_WINDOW: the same checkpoint's rows and, once its reading is whole, those of earlier readings of the same batch
  whose windows it covers.
- NEWEST_VERSION: rows with a key that it brings again, and rejects of records that it brings again. Others stay: a
  record that has changed since moves to the export's end, and is not in this batch when it is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from catchment.landing import LandedFile, Manifest, Store, read_lines, read_manifest, verify
from catchment.spec import Current
from catchment.warehouse import by_line, ledger
from catchment.warehouse.copies import CopiedFile, Copy, check_counts, check_names
from catchment.warehouse.formats import format_of, metadata
from catchment.warehouse.ledger import sql_time
from catchment.warehouse.names import FILE_FORMAT, LEDGER, REJECT_COLUMNS, REJECTS, STAGE, raw_table, stage_of
from catchment.warehouse.session import Cursor, Session, explained, transaction


@dataclass(frozen=True)
class Loaded:
    """What a load did: records that it brought to raw or to the rejects, or the batch that holds just the same.

    `gaps`: what the vendor could not show. `new_rejects`, for the last checkpoint of a batch: how many more records
    its reading has rejected, in all its checkpoints, than the batch before, or, for an export, that no other batch has
    rejected. A gap counts as one.
    """

    rows: int
    rejected: int
    same_as: str | None = None
    gaps: tuple[str, ...] = ()
    new_rejects: int = 0


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
    size and ETag). A line that the warehouse can't read goes to the rejects with its reason, the others to raw. A list
    that is as it was brings no rows: its ledger row says which batch has them.

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
        if rejected and manifest.current is Current.NEWEST_VERSION:
            rejected_before = ledger.known_rejects(cursor, manifest)
    return replace(loaded, gaps=manifest.gaps, new_rejects=max(0, rejected - rejected_before))


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
        copy, how = raw_copy(manifest), format_of(manifest.record_format, manifest.columns)
        copied: list[CopiedFile] = []
        for files, some in copy.run(self.cursor, manifest.files, values):
            by_key = {file.key: file for file in some}
            broken = [file for file in files if _is_broken(file, by_key.get(file.key))] if how.lines else []
            if broken:
                errors = {key: file.first_error for key, file in by_key.items()}
                by_key |= by_line.bring(self.cursor, manifest, broken, copy.stage, how, errors, values)
            copied.extend(by_key.values())
        return tuple(copied)

    def _refused(self, copied: Sequence[CopiedFile]) -> int:
        """Reject what the warehouse could not take as text either; returns how many records it refused in all."""
        refused = sum(file.rejected + file.missing for file in copied)
        landed = {file.key: file for file in self.manifest.files}
        for file in copied:
            if not file.missing:
                continue
            rejects = [self._reject(file, number, text) for number, text in self._lines_nowhere(landed[file.key])]
            if len(rejects) < file.missing:  # lines of others' files are not looked for one by one
                rejects.append(self._reject(file, None, f"{file.missing - len(rejects)} lines of this file"))
            self.cursor.executemany(
                f"INSERT INTO {REJECTS} {REJECT_COLUMNS} VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", rejects
            )
        return refused

    def _lines_nowhere(self, file: LandedFile) -> Iterator[tuple[int, str]]:
        """Lines of our file that are neither in raw nor in the rejects, with their numbers."""
        if file.uri:
            return
        self.cursor.execute(
            f"SELECT RECORD_METADATA:row::NUMBER FROM {self.table} "
            "WHERE BATCH_ID = %(batch)s AND RECORD_METADATA:file::VARCHAR = %(file)s "
            f"UNION ALL SELECT ROW_NUMBER FROM {REJECTS} WHERE BATCH_ID = %(batch)s AND FILE = %(file)s",
            {"batch": self.manifest.batch_id, "file": file.key},
        )
        kept = {int(number) for (number,) in self.cursor.fetchall()}
        for number, line in enumerate(read_lines(self.store, file), start=1):
            if number not in kept:
                yield number, line.decode("utf-8", "backslashreplace")

    def _reject(self, file: CopiedFile, number: int | None, text: str) -> tuple[Any, ...]:
        manifest = self.manifest
        first = "" if file.missing == 1 else "; the first error of its file"
        reason = f"{by_line.UNREADABLE}{first}: {file.first_error}"
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
        copy = Copy(
            into=f"{REJECTS} {REJECT_COLUMNS}",
            select="%(batch)s, %(source)s, %(stream)s, METADATA$FILENAME, METADATA$FILE_ROW_NUMBER, "
            "$1:reason::VARCHAR, $1:record::VARCHAR, %(loaded_at)s::TIMESTAMP_NTZ",
            stage=STAGE,
            file_format=FILE_FORMAT,
            on_error="ABORT_STATEMENT",
        )
        for _ in copy.run(self.cursor, manifest.rejects, values):
            pass


def _is_broken(file: LandedFile, copied: CopiedFile | None) -> bool:
    """Whether COPY has not loaded all lines of a file. (How many lines others' files have, it says.)"""
    return copied is not None and copied.loaded < max(copied.parsed, file.rows)


def raw_copy(manifest: Manifest) -> Copy:
    """The COPY of a checkpoint's files into its raw table."""
    how = format_of(manifest.record_format, manifest.columns)
    return Copy(
        into=f"{raw_table(manifest.source, manifest.stream)} (RECORD_CONTENT, RECORD_METADATA, BATCH_ID, LOADED_AT)",
        select=f"""{how.record},
        {metadata("METADATA$FILENAME", "METADATA$FILE_ROW_NUMBER", how.parent)},
        %(batch)s,
        %(loaded_at)s::TIMESTAMP_NTZ""",
        stage=stage_of(manifest.source) if any(file.uri for file in manifest.files) else STAGE,
        file_format=how.file_format,
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
