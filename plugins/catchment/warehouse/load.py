"""Load one batch: its rows, its rejects and its ledger row in one transaction, replacing what it loaded before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from catchment.errors import ContractBroken
from catchment.landing import MANIFEST, LandedFile, Manifest, Store, read_lines, read_manifest
from catchment.spec import SheetTab, Snapshot, Stream, Window
from catchment.warehouse import ledger
from catchment.warehouse.ledger import sql_time
from catchment.warehouse.names import FILE_FORMAT, LEDGER, REJECTS, STAGE, raw_table
from catchment.warehouse.session import Cursor, Session, explained, transaction

FILES_PER_COPY = 1000  # Snowflake's limit for FILES = (…)


@dataclass(frozen=True)
class Loaded:
    """What a load did: records that it brought to raw or to the rejects, or the batch that holds just the same."""

    rows: int
    rejected: int
    same_as: str | None = None


@dataclass(frozen=True)
class CopiedFile:
    """One line of a COPY's result."""

    name: str
    parsed: int
    loaded: int
    first_error: str | None


def load(session: Session, store: Store, key: str, stream: Stream, *, query_tag: str = "") -> Loaded:
    """Load the batch whose manifest is at `key`. Any number of times, from any point of failure: the same rows.

    Reads exactly the files that the manifest names and compares the rows of each. A line that the warehouse can't read
    goes to the rejects with its reason. A list that is read whole and is as it was brings no rows: its ledger row says
    which batch has them. Raises `ContractBroken` when the files are not what the manifest says.
    """
    manifest = read_manifest(store, key)
    loaded_at = datetime.now(UTC)
    with explained(f"load {manifest.batch_id}"), transaction(session, manifest.batch_id) as cursor:
        held_by = ledger.holder(cursor, manifest) if _read_whole(stream) and not manifest.rejected else None
        if held_by == manifest.batch_id:
            loaded = Loaded(rows=manifest.rows, rejected=0)
            _clear(cursor, manifest, REJECTS, LEDGER)
        else:
            if _read_whole(stream):
                ledger.hand_over(cursor, manifest)
            _clear(cursor, manifest, raw_table(manifest.source, manifest.stream), REJECTS, LEDGER)
            loaded = (
                Loaded(rows=0, rejected=0, same_as=held_by)
                if held_by
                else _bring(cursor, store, manifest, key.removesuffix(MANIFEST), stream, loaded_at)
            )
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
    return loaded


def _read_whole(stream: Stream) -> bool:
    """Whether a batch says all that there is, so that an equal one says nothing new."""
    return isinstance(stream.read, Snapshot | Window | SheetTab)


def _bring(
    cursor: Cursor, store: Store, manifest: Manifest, prefix: str, stream: Stream, loaded_at: datetime
) -> Loaded:
    copied = _copy(cursor, manifest, prefix, stream, loaded_at)
    _check(manifest, copied)
    refused = _refused(cursor, store, manifest, prefix, copied, loaded_at)
    _copy_rejects(cursor, manifest, prefix, loaded_at)
    return Loaded(rows=sum(file.loaded for file in copied), rejected=manifest.rejected + refused)


def _clear(cursor: Cursor, manifest: Manifest, *tables: str) -> None:
    """Take out what an earlier load of the same batch left."""
    for table in tables:
        cursor.execute(f"DELETE FROM {table} WHERE BATCH_ID = %(batch)s", {"batch": manifest.batch_id})


def copy_statement(manifest: Manifest, prefix: str, stream: Stream, files: Sequence[LandedFile]) -> str:
    """COPY for some files of a batch, its values still to be bound.

    Lines of child streams and of sheets are envelopes with the record and its parent's key. FORCE, because a batch
    that is loaded again may bring a file that the load history remembers.
    """
    enveloped = stream.parent is not None or isinstance(stream.read, SheetTab)
    record = "$1:record" if enveloped else "$1"
    parent = ", 'parent', $1:parent" if enveloped else ""
    names = ", ".join(f"'{file.name}'" for file in files)
    return f"""
COPY INTO {raw_table(manifest.source, manifest.stream)} (RECORD_CONTENT, RECORD_METADATA, BATCH_ID, LOADED_AT)
FROM (
    SELECT
        {record},
        OBJECT_CONSTRUCT(
            'source', %(source)s, 'stream', %(stream)s,
            'interval_start', %(start)s, 'interval_end', %(end)s,
            'file', METADATA$FILENAME, 'row', METADATA$FILE_ROW_NUMBER{parent}
        ),
        %(batch)s,
        %(loaded_at)s::TIMESTAMP_NTZ
    FROM @{STAGE}/{prefix}
)
FILES = ({names})
FILE_FORMAT = (FORMAT_NAME = '{FILE_FORMAT}')
ON_ERROR = CONTINUE
FORCE = TRUE
"""


def _copy(
    cursor: Cursor, manifest: Manifest, prefix: str, stream: Stream, loaded_at: datetime
) -> tuple[CopiedFile, ...]:
    copied: list[CopiedFile] = []
    values = {
        "source": manifest.source,
        "stream": manifest.stream,
        "start": manifest.interval_start.isoformat(),
        "end": manifest.interval_end.isoformat(),
        "batch": manifest.batch_id,
        "loaded_at": sql_time(loaded_at),
    }
    for files in _some_at_a_time(manifest.files):
        cursor.execute(copy_statement(manifest, prefix, stream, files), values)
        copied.extend(_copied(row) for row in cursor.fetchall() if len(row) > 1)  # one column: it found no file
    return tuple(copied)


def _some_at_a_time(files: Sequence[LandedFile]) -> Iterator[Sequence[LandedFile]]:
    for at in range(0, len(files), FILES_PER_COPY):
        yield files[at : at + FILES_PER_COPY]


def _copied(row: Sequence[Any]) -> CopiedFile:
    """A row of COPY's result: file, status, rows_parsed, rows_loaded, error_limit, errors_seen, first_error, …"""
    name, _, parsed, loaded, _, _, first_error = row[:7]
    return CopiedFile(str(name).rsplit("/", 1)[-1], int(parsed), int(loaded), first_error)


def _check(manifest: Manifest, copied: Sequence[CopiedFile]) -> None:
    """Every file was read, with the rows that its manifest counts."""
    found = {file.name: file.parsed for file in copied}
    for file in manifest.files:
        if found.get(file.name) != file.rows:
            raise ContractBroken(
                f"{manifest.batch_id}: {file.name} should hold {file.rows} rows, and the warehouse read "
                f"{found.get(file.name, 'none')}: the landing is not what the manifest says. Extract the batch again; "
                "the rows loaded before stay"
            )


def _refused(
    cursor: Cursor,
    store: Store,
    manifest: Manifest,
    prefix: str,
    copied: Sequence[CopiedFile],
    loaded_at: datetime,
) -> int:
    """Move the lines that the warehouse could not read to the rejects; returns how many."""
    landed = {file.name: file for file in manifest.files}
    refused = 0
    for file in copied:
        if file.loaded == file.parsed:
            continue
        kept = _rows_in_raw(cursor, manifest, prefix + file.name)
        lines = enumerate(read_lines(store, prefix, landed[file.name]), start=1)
        rejects = [
            (
                manifest.batch_id,
                manifest.source,
                manifest.stream,
                prefix + file.name,
                number,
                f"the warehouse could not read it: {file.first_error}",
                line.decode("utf-8", "backslashreplace"),
                sql_time(loaded_at),
            )
            for number, line in lines
            if number not in kept
        ]
        cursor.executemany(
            f"INSERT INTO {REJECTS} (BATCH_ID, SOURCE, STREAM, FILE, ROW_NUMBER, REASON, RECORD, REJECTED_AT) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            rejects,
        )
        refused += len(rejects)
    return refused


def _rows_in_raw(cursor: Cursor, manifest: Manifest, file: str) -> set[int]:
    cursor.execute(
        f"SELECT RECORD_METADATA:row::NUMBER FROM {raw_table(manifest.source, manifest.stream)} "
        "WHERE BATCH_ID = %(batch)s AND RECORD_METADATA:file::VARCHAR = %(file)s",
        {"batch": manifest.batch_id, "file": file},
    )
    return {int(number) for (number,) in cursor.fetchall()}


def _copy_rejects(cursor: Cursor, manifest: Manifest, prefix: str, loaded_at: datetime) -> None:
    """Bring the rejects that extraction found into the table that the UI shows."""
    for files in _some_at_a_time(manifest.rejects):
        names = ", ".join(f"'{file.name}'" for file in files)
        cursor.execute(
            f"""
COPY INTO {REJECTS} (BATCH_ID, SOURCE, STREAM, FILE, ROW_NUMBER, REASON, RECORD, REJECTED_AT)
FROM (
    SELECT
        %(batch)s, %(source)s, %(stream)s, METADATA$FILENAME, METADATA$FILE_ROW_NUMBER,
        $1:reason::VARCHAR, $1:record::VARCHAR, %(loaded_at)s::TIMESTAMP_NTZ
    FROM @{STAGE}/{prefix}
)
FILES = ({names})
FILE_FORMAT = (FORMAT_NAME = '{FILE_FORMAT}')
ON_ERROR = ABORT_STATEMENT
FORCE = TRUE
""",
            {
                "batch": manifest.batch_id,
                "source": manifest.source,
                "stream": manifest.stream,
                "loaded_at": sql_time(loaded_at),
            },
        )
