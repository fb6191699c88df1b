"""The ledger: one row for each checkpoint loaded, written in the transaction that loads it.

A stream's cursor is read from here and from nowhere else. `AS_OF` is the moment that a checkpoint speaks of: of two
lists, or of two windows that hold the same time, the later one is right, whenever it was loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from catchment.batch import Batch
from catchment.cursor import CursorState, Unfinished
from catchment.landing import Manifest
from catchment.warehouse.names import FILES, LEDGER, REJECTS, raw_table
from catchment.warehouse.session import Cursor

_BEFORE = f"""
SELECT CURSOR_TO FROM {LEDGER}
WHERE SOURCE = %(source)s AND STREAM = %(stream)s AND KIND = 'scheduled'
    AND COALESCE(BATCH, BATCH_ID) <> %(batch)s AND INTERVAL_END <= %(until)s::TIMESTAMP_NTZ
ORDER BY INTERVAL_END DESC, EXTRACTED_AT DESC, CHECKPOINT DESC NULLS LAST
LIMIT 1
"""

_NEWEST = f"""
SELECT SUM(ROWS_EXTRACTED), MAX(CURSOR_TO) FROM {LEDGER}
WHERE SOURCE = %(source)s AND STREAM = %(stream)s AND (KIND = 'scheduled' OR WINDOW_FROM IS NULL)
GROUP BY COALESCE(BATCH, BATCH_ID), ATTEMPT
HAVING MAX(IFF(COALESCE(COMPLETE, TRUE), 1, 0)) = 1
ORDER BY MIN(WINDOW_FROM) NULLS FIRST, MAX(COALESCE(AS_OF, EXTRACTED_AT)) DESC, MAX(EXTRACTED_AT) DESC
LIMIT 1
"""

_NEWEST_READING = f"""
SELECT BATCH, ATTEMPT FROM {LEDGER}
WHERE SOURCE = %(source)s AND STREAM = %(stream)s AND KIND = 'scheduled' AND COMPLETE
ORDER BY COALESCE(AS_OF, EXTRACTED_AT) DESC, EXTRACTED_AT DESC
LIMIT 1
"""

_ROWS_BETWEEN = f"""
SELECT COUNT(*)
FROM (
    SELECT
        CONVERT_TIMEZONE('UTC', TRY_CAST(RECORD_CONTENT:"{{field}}"::VARCHAR AS TIMESTAMP_TZ))::TIMESTAMP_NTZ AS MOMENT
    FROM {{table}}
    WHERE BATCH_ID IN (
        SELECT COALESCE(SAME_AS, BATCH_ID) FROM {LEDGER} WHERE BATCH = %(batch)s AND ATTEMPT = %(attempt)s
    )
)
WHERE MOMENT >= %(start)s::TIMESTAMP_NTZ AND MOMENT < %(end)s::TIMESTAMP_NTZ
"""

_OWN = f"""
SELECT ATTEMPT, CURSOR_TO, CHECKPOINT, COALESCE(COMPLETE, TRUE), MAX(CHECKPOINT) OVER ()
FROM {LEDGER}
WHERE COALESCE(BATCH, BATCH_ID) = %(batch)s
ORDER BY EXTRACTED_AT DESC, CHECKPOINT DESC NULLS LAST
LIMIT 1
"""

_REJECTED_BEFORE = f"""
SELECT ROWS_REJECTED FROM {LEDGER}
WHERE SOURCE = %(source)s AND STREAM = %(stream)s AND COALESCE(BATCH, BATCH_ID) <> %(batch)s
    AND ROWS_EXTRACTED > 0
ORDER BY COALESCE(AS_OF, EXTRACTED_AT) DESC, LOADED_AT DESC
LIMIT 1
"""

_KNOWN_REJECTS = f"""
SELECT COUNT(*) FROM {REJECTS}
WHERE (BATCH_ID, REJECTED_AT) IN (
        SELECT BATCH_ID, LOADED_AT FROM {LEDGER} WHERE BATCH = %(batch)s AND ATTEMPT = %(attempt)s
    )  -- not those that an earlier reading left
    AND COALESCE(NULLIF(RECORD, ''), REASON) IN (
        SELECT COALESCE(NULLIF(RECORD, ''), REASON) FROM {REJECTS}
        WHERE SOURCE = %(source)s AND STREAM = %(stream)s
            AND BATCH_ID NOT IN (SELECT BATCH_ID FROM {LEDGER} WHERE BATCH = %(batch)s)
    )
"""

_INSERT = f"""
INSERT INTO {LEDGER} (
    BATCH_ID, BATCH, CHECKPOINT, ATTEMPT, COMPLETE, SOURCE, STREAM, KIND, INTERVAL_START, INTERVAL_END,
    WINDOW_FROM, WINDOW_TO, CURSOR_FROM, CURSOR_TO, MANIFEST, FILES, ROWS_EXTRACTED, ROWS_LOADED, ROWS_REJECTED,
    BYTES, CONTENT, SAME_AS, SPEC_VERSION, EXTRACTED_AT, AS_OF, LOADED_AT, QUERY_TAG
)
SELECT
    %(batch_id)s, %(batch)s, %(checkpoint)s, %(attempt)s, %(complete)s, %(source)s, %(stream)s, %(kind)s,
    %(start)s::TIMESTAMP_NTZ, %(end)s::TIMESTAMP_NTZ, %(window_from)s::TIMESTAMP_NTZ, %(window_to)s::TIMESTAMP_NTZ,
    %(cursor_from)s, %(cursor_to)s, %(manifest)s, %(files)s, %(extracted)s, %(loaded)s, %(rejected)s,
    %(bytes)s, %(content)s, %(same_as)s, %(spec_version)s,
    %(extracted_at)s::TIMESTAMP_NTZ, %(as_of)s::TIMESTAMP_NTZ, %(loaded_at)s::TIMESTAMP_NTZ, %(query_tag)s
"""

_SOURCE_BATCHES = f"""
SELECT COALESCE(SAME_AS, BATCH_ID), CONTENT
FROM {LEDGER}
WHERE SOURCE = %(source)s AND STREAM = %(stream)s
QUALIFY ROW_NUMBER() OVER (
    PARTITION BY BATCH_ID = %(batch)s ORDER BY COALESCE(AS_OF, EXTRACTED_AT) DESC, LOADED_AT DESC
) = 1
ORDER BY BATCH_ID = %(batch)s DESC
"""

_LATER_ATTEMPT = f"""
SELECT COUNT(ATTEMPT) FROM {LEDGER}
WHERE BATCH_ID = %(batch)s AND ATTEMPT <> %(attempt)s AND EXTRACTED_AT > %(extracted_at)s::TIMESTAMP_NTZ
"""

_COVERED = f"""
SELECT BATCH_ID FROM {LEDGER}
WHERE BATCH = %(batch)s AND ATTEMPT <> %(attempt)s
    AND WINDOW_FROM >= (SELECT MIN(WINDOW_FROM) FROM {LEDGER} WHERE BATCH = %(batch)s AND ATTEMPT = %(attempt)s)
    AND WINDOW_TO <= %(window_to)s::TIMESTAMP_NTZ
    AND EXTRACTED_AT <= %(extracted_at)s::TIMESTAMP_NTZ
ORDER BY BATCH_ID
"""


def cursor_state(cursor: Cursor, batch: Batch) -> CursorState:
    """Where the stream stands before `batch`: the cursor of the newest other scheduled batch that ends no later.

    So a batch that is run again starts where it did the first time, and one that runs after a missed interval starts
    where the last loaded one ended. A reading of this very batch that sealed checkpoints and did not end is gone on
    with, unless it was of another mode.
    """
    values = {"source": batch.source, "stream": batch.stream, "batch": batch.id, "until": sql_time(batch.end)}
    before = _one(cursor, _BEFORE, values)
    newest = _one(cursor, _NEWEST, values)
    count = _one(cursor, f"SELECT COUNT(*) FROM {LEDGER} WHERE SOURCE = %(source)s AND STREAM = %(stream)s", values)
    own = _one(cursor, _OWN, values)
    unfinished = None
    if own and not own[3] and str(own[0]).startswith(f"{batch.mode}-"):
        unfinished = Unfinished(attempt=own[0], cursor=own[1], next_checkpoint=int(own[2]) + 1)
    return CursorState(
        cursor=before[0] if before else None,
        ever_loaded=bool(count and count[0]),
        rows_before=int(newest[0]) if newest else None,
        newest=newest[1] if newest else None,
        next_checkpoint=int(own[4] or 0) + 1 if own else 0,
        unfinished=unfinished,
    )


def rows_between(cursor: Cursor, batch: Batch, field: str, start: datetime, end: datetime) -> int:
    """How many rows the newest scheduled reading of a stream has whose `field` lies in [start, end)."""
    values = {"source": batch.source, "stream": batch.stream, "start": sql_time(start), "end": sql_time(end)}
    newest = _one(cursor, _NEWEST_READING, values)
    if newest is None:
        return 0
    statement = _ROWS_BETWEEN.format(table=raw_table(batch.source, batch.stream), field=field)
    found = _one(cursor, statement, {**values, "batch": newest[0], "attempt": newest[1]})
    return int(found[0]) if found else 0


def rejected_before(cursor: Cursor, manifest: Manifest) -> int:
    """How many records of the newest other batch of the stream were rejected; 0 for an export, whose rows are new."""
    if manifest.current == "newest_version":
        return 0
    values = {"source": manifest.source, "stream": manifest.stream, "batch": manifest.batch}
    found = _one(cursor, _REJECTED_BEFORE, values)
    return int(found[0]) if found else 0


def rejected_in_reading(cursor: Cursor, manifest: Manifest) -> int:
    """How many records all checkpoints of a reading rejected, those of a run before this one too."""
    values = {"batch": manifest.batch, "attempt": manifest.attempt}
    found = _one(
        cursor,
        f"SELECT COALESCE(SUM(ROWS_REJECTED), 0) FROM {LEDGER} WHERE BATCH = %(batch)s AND ATTEMPT = %(attempt)s",
        values,
    )
    return int(found[0]) if found else 0


def has_later_attempt(cursor: Cursor, manifest: Manifest) -> bool:
    """Whether the ledger has this checkpoint from an attempt that began later: this one was stopped, and went on."""
    values = {
        "batch": manifest.batch_id,
        "attempt": manifest.attempt,
        "extracted_at": sql_time(manifest.extracted_at),
    }
    found = _one(cursor, _LATER_ATTEMPT, values)
    return bool(found and found[0])


def known_rejects(cursor: Cursor, manifest: Manifest) -> int:
    """How many rejects of a reading other batches of the stream have, too: an inclusive bound repeats a last second."""
    values = {
        "source": manifest.source,
        "stream": manifest.stream,
        "batch": manifest.batch,
        "attempt": manifest.attempt,
    }
    found = _one(cursor, _KNOWN_REJECTS, values)
    return int(found[0]) if found else 0


def source_batch(cursor: Cursor, manifest: Manifest) -> str | None:
    """The batch whose rows in raw are just what this one brings: itself as it was, or the newest other; None: neither.

    Only a batch whose rows are all there counts, so running a batch again restores what somebody deleted.
    """
    values = {"source": manifest.source, "stream": manifest.stream, "batch": manifest.batch_id}
    cursor.execute(_SOURCE_BATCHES, values)
    for batch, content in cursor.fetchall():
        if content == manifest.content and _rows(cursor, manifest, batch) == manifest.rows:
            return str(batch)
    return None


def _rows(cursor: Cursor, manifest: Manifest, batch: str) -> int:
    table = raw_table(manifest.source, manifest.stream)
    found = _one(cursor, f"SELECT COUNT(*) FROM {table} WHERE BATCH_ID = %(batch)s", {"batch": batch})
    return int(found[0]) if found else 0


def transfer(cursor: Cursor, source: str, stream: str, batch_id: str) -> None:
    """Before a batch's rows are replaced: the first batch that refers to them takes them, the others refer to it."""
    values = {"batch": batch_id}
    found = _one(cursor, f"SELECT MIN(BATCH_ID) FROM {LEDGER} WHERE SAME_AS = %(batch)s", values)
    if not found or found[0] is None:
        return
    values["successor"] = found[0]
    table = raw_table(source, stream)
    cursor.execute(f"UPDATE {table} SET BATCH_ID = %(successor)s WHERE BATCH_ID = %(batch)s", values)
    cursor.execute(
        f"UPDATE {LEDGER} SET SAME_AS = NULLIF(%(successor)s, BATCH_ID) WHERE SAME_AS = %(batch)s",
        values,
    )


def drop_covered(cursor: Cursor, manifest: Manifest) -> None:
    """Drop the checkpoints of earlier readings of a batch whose windows this reading, now whole, covers."""
    values = {
        "batch": manifest.batch,
        "attempt": manifest.attempt,
        "window_to": sql_time(manifest.window_to),
        "extracted_at": sql_time(manifest.extracted_at),
    }
    cursor.execute(_COVERED, values)
    for (batch_id,) in cursor.fetchall():
        transfer(cursor, manifest.source, manifest.stream, batch_id)
        for table in (raw_table(manifest.source, manifest.stream), LEDGER):
            cursor.execute(f"DELETE FROM {table} WHERE BATCH_ID = %(batch)s", {"batch": batch_id})


def record(
    cursor: Cursor,
    manifest: Manifest,
    key: str,
    *,
    loaded: int,
    rejected: int,
    same_as: str | None = None,
    loaded_at: datetime,
    query_tag: str,
) -> None:
    """Write the ledger row of a checkpoint; the caller has deleted the old one in the same transaction."""
    cursor.execute(
        _INSERT,
        {
            "batch_id": manifest.batch_id,
            "batch": manifest.batch,
            "checkpoint": manifest.checkpoint,
            "attempt": manifest.attempt,
            "complete": manifest.complete,
            "source": manifest.source,
            "stream": manifest.stream,
            "kind": manifest.kind,
            "start": sql_time(manifest.interval_start),
            "end": sql_time(manifest.interval_end),
            "window_from": sql_time(manifest.window_from),
            "window_to": sql_time(manifest.window_to),
            "cursor_from": manifest.cursor_from,
            "cursor_to": manifest.cursor_to,
            "manifest": key,
            "files": len(manifest.files),
            "extracted": max(manifest.rows + manifest.rejected, loaded + rejected),
            "loaded": loaded,
            "rejected": rejected,
            "bytes": manifest.bytes,
            "content": manifest.content,
            "same_as": same_as,
            "spec_version": manifest.spec_version,
            "extracted_at": sql_time(manifest.extracted_at),
            "as_of": sql_time(manifest.as_of),
            "loaded_at": sql_time(loaded_at),
            "query_tag": query_tag,
        },
    )


def record_files(cursor: Cursor, manifest: Manifest, rows: Mapping[str, int], loaded_at: datetime) -> None:
    """Write which files of others a checkpoint has loaded, so that no later batch takes them again."""
    cursor.execute(f"DELETE FROM {FILES} WHERE BATCH_ID = %(batch)s", {"batch": manifest.batch_id})
    cursor.executemany(
        f"INSERT INTO {FILES} (BATCH_ID, SOURCE, STREAM, URI, ETAG, BYTES, ROWS_LOADED, LOADED_AT) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        [
            (
                manifest.batch_id,
                manifest.source,
                manifest.stream,
                file.uri,
                file.etag,
                file.bytes,
                rows.get(file.key, 0),
                sql_time(loaded_at),
            )
            for file in manifest.files
        ],
    )


def files_loaded(cursor: Cursor, source: str, stream: str) -> frozenset[tuple[str, str]]:
    """The files of others that a stream has loaded, with the ETags that they had then."""
    cursor.execute(
        f"SELECT DISTINCT URI, ETAG FROM {FILES} WHERE SOURCE = %(source)s AND STREAM = %(stream)s",
        {"source": source, "stream": stream},
    )
    return frozenset((str(uri), str(etag)) for uri, etag in cursor.fetchall())


def _one(cursor: Cursor, statement: str, values: Mapping[str, object]) -> tuple[Any, ...] | None:
    cursor.execute(statement, values)
    row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def insert(cursor: Cursor, table: str, row: Mapping[str, Any]) -> None:
    """Insert one row, by its columns' names: moments as TIMESTAMP_NTZ in UTC, lists as JSON."""
    places, values = [], []
    for value in row.values():
        match value:
            case datetime():
                place, bound = "%s::TIMESTAMP_NTZ", sql_time(value)
            case list():
                place, bound = "PARSE_JSON(%s)", json.dumps(value, ensure_ascii=False)
            case _:
                place, bound = "%s", value
        places.append(place)
        values.append(bound)
    cursor.execute(f"INSERT INTO {table} ({', '.join(row)}) SELECT {', '.join(places)}", tuple(values))


def sql_time(moment: datetime | None) -> str | None:
    """A moment as the text of a TIMESTAMP_NTZ in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") if moment else None
