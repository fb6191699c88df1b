"""The ledger: one row for each batch loaded, written in the transaction that loads it.

A stream's cursor is read from here and from nowhere else.
"""

from __future__ import annotations

from datetime import UTC, datetime

from catchment.batch import Batch
from catchment.extract.plan import Progress
from catchment.landing import Manifest
from catchment.warehouse.names import LEDGER, raw_table
from catchment.warehouse.session import Cursor

_PROGRESS = f"""
SELECT
    (SELECT COUNT(*) FROM {LEDGER} WHERE SOURCE = %(source)s AND STREAM = %(stream)s) AS BATCHES,
    (
        SELECT CURSOR_TO FROM {LEDGER}
        WHERE SOURCE = %(source)s AND STREAM = %(stream)s AND KIND = 'scheduled'
            AND BATCH_ID <> %(batch)s AND INTERVAL_END <= %(until)s::TIMESTAMP_NTZ
        ORDER BY INTERVAL_END DESC, EXTRACTED_AT DESC
        LIMIT 1
    ) AS CURSOR_BEFORE,
    (SELECT CURSOR_TO FROM {LEDGER} WHERE BATCH_ID = %(batch)s) AS REACHED,
    (SELECT EXTRACTED_AT FROM {LEDGER} WHERE BATCH_ID = %(batch)s) AS REACHED_AT
"""

_INSERT = f"""
INSERT INTO {LEDGER} (
    BATCH_ID, SOURCE, STREAM, KIND, INTERVAL_START, INTERVAL_END, WINDOW_FROM, WINDOW_TO, CURSOR_FROM, CURSOR_TO,
    MANIFEST, FILES, ROWS_EXTRACTED, ROWS_LOADED, ROWS_REJECTED, BYTES, CONTENT, SAME_AS, SPEC_VERSION,
    EXTRACTED_AT, LOADED_AT, QUERY_TAG
)
SELECT
    %(batch)s, %(source)s, %(stream)s, %(kind)s, %(start)s::TIMESTAMP_NTZ, %(end)s::TIMESTAMP_NTZ,
    %(window_from)s::TIMESTAMP_NTZ, %(window_to)s::TIMESTAMP_NTZ, %(cursor_from)s, %(cursor_to)s,
    %(manifest)s, %(files)s, %(extracted)s, %(loaded)s, %(rejected)s, %(bytes)s, %(content)s, %(same_as)s,
    %(spec_version)s, %(extracted_at)s::TIMESTAMP_NTZ, %(loaded_at)s::TIMESTAMP_NTZ, %(query_tag)s
"""

_HOLDERS = f"""
SELECT COALESCE(SAME_AS, BATCH_ID), CONTENT
FROM {LEDGER}
WHERE SOURCE = %(source)s AND STREAM = %(stream)s
QUALIFY ROW_NUMBER() OVER (PARTITION BY BATCH_ID = %(batch)s ORDER BY EXTRACTED_AT DESC, LOADED_AT DESC) = 1
ORDER BY BATCH_ID = %(batch)s DESC
"""


def progress(cursor: Cursor, batch: Batch) -> Progress:
    """Where the stream stood before `batch`: the cursor of the newest other scheduled batch that ends no later.

    So a batch that is run again starts where it did the first time, and gets at least as far; and one that runs after
    a missed interval starts where the last loaded one ended.
    """
    cursor.execute(
        _PROGRESS,
        {"source": batch.source, "stream": batch.stream, "batch": batch.id, "until": sql_time(batch.end)},
    )
    batches, before, reached, reached_at = cursor.fetchone()
    return Progress(
        cursor=before,
        loaded=bool(batches),
        reached=reached,
        reached_at=reached_at.replace(tzinfo=UTC) if reached_at else None,
    )


def holder(cursor: Cursor, manifest: Manifest) -> str | None:
    """The batch whose rows in raw are just what this one brings: itself as it was, or the newest other; None: neither.

    Only a batch whose rows are all there counts, so running a batch again mends what somebody deleted.
    """
    values = {"source": manifest.source, "stream": manifest.stream, "batch": manifest.batch_id}
    cursor.execute(_HOLDERS, values)
    for batch, content in cursor.fetchall():
        if content == manifest.content and _rows(cursor, manifest, batch) == manifest.rows:
            return str(batch)
    return None


def _rows(cursor: Cursor, manifest: Manifest, batch: str) -> int:
    table = raw_table(manifest.source, manifest.stream)
    cursor.execute(f"SELECT COUNT(*) FROM {table} WHERE BATCH_ID = %(batch)s", {"batch": batch})
    return int(cursor.fetchone()[0])


def hand_over(cursor: Cursor, manifest: Manifest) -> None:
    """Before a batch's rows are replaced: the first batch that refers to them takes them, the others refer to it."""
    values = {"batch": manifest.batch_id}
    cursor.execute(f"SELECT MIN(BATCH_ID) FROM {LEDGER} WHERE SAME_AS = %(batch)s", values)
    heir = cursor.fetchone()[0]
    if heir is None:
        return
    values["heir"] = heir
    table = raw_table(manifest.source, manifest.stream)
    cursor.execute(f"UPDATE {table} SET BATCH_ID = %(heir)s WHERE BATCH_ID = %(batch)s", values)
    cursor.execute(
        f"UPDATE {LEDGER} SET SAME_AS = NULLIF(%(heir)s, BATCH_ID) WHERE SAME_AS = %(batch)s",
        values,
    )


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
    """Write the ledger row of a batch; the caller has deleted the old one in the same transaction."""
    cursor.execute(
        _INSERT,
        {
            "batch": manifest.batch_id,
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
            "extracted": manifest.rows + manifest.rejected,
            "loaded": loaded,
            "rejected": rejected,
            "bytes": manifest.bytes,
            "content": manifest.content,
            "same_as": same_as,
            "spec_version": manifest.spec_version,
            "extracted_at": sql_time(manifest.extracted_at),
            "loaded_at": sql_time(loaded_at),
            "query_tag": query_tag,
        },
    )


def sql_time(moment: datetime | None) -> str | None:
    """A moment as the text of a TIMESTAMP_NTZ in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") if moment else None
