"""Files with a line that COPY could not read as JSON: the same files again, line by line as text.

Snowflake's reference (COPY INTO <table>, ON_ERROR) says that in JSON the rest of a file is skipped after an error, with
CONTINUE too; others report that it goes on. In text a line is a record whatever it holds. So all lines of such a file
come into the rejects, and those that parse leave for raw. (A COPY's own SELECT may call few functions; this one calls
none.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from catchment.landing import LandedFile, Manifest
from catchment.warehouse.copies import CopiedFile, Copy, names
from catchment.warehouse.formats import Format, metadata
from catchment.warehouse.names import REJECT_COLUMNS, REJECTS, raw_table
from catchment.warehouse.session import Cursor

UNREADABLE = "the warehouse could not read it"
_LINES = "TRY_PARSE_JSON(RECORD)"


def bring(
    cursor: Cursor,
    manifest: Manifest,
    files: Sequence[LandedFile],
    stage: str,
    how: Format,
    errors: Mapping[str, str | None],
    values: Mapping[str, object],
) -> dict[str, CopiedFile]:
    """Load `files` again by line, in place of what a COPY has loaded of them. `errors`: what it said first of each.

    `values` are those of the COPY. Returns what became of each file, by its key; lines that do not parse are rejects.
    """
    table = raw_table(manifest.source, manifest.stream)
    bound = {**values, "lines": f"{manifest.batch_id}#lines"}  # no batch has such an id, and none is left at the end
    lines = Copy(
        into=f"{REJECTS} {REJECT_COLUMNS}",
        select="%(lines)s, %(source)s, %(stream)s, METADATA$FILENAME, METADATA$FILE_ROW_NUMBER, "
        f"'{UNREADABLE}', $1, %(loaded_at)s::TIMESTAMP_NTZ",
        stage=stage,
        file_format=how.lines,
    )
    cursor.execute(
        f"DELETE FROM {table} WHERE BATCH_ID = %(batch)s AND RECORD_METADATA:file::VARCHAR IN ({names(files)})", bound
    )
    found: dict[str, CopiedFile] = {}
    for _, copied in lines.run(cursor, files, bound):
        found |= {file.key: file for file in copied}
    parent = how.parent and how.parent.replace("$1", "LINE")
    cursor.execute(
        f"""
INSERT INTO {table} (RECORD_CONTENT, RECORD_METADATA, BATCH_ID, LOADED_AT)
SELECT
    {how.record.replace("$1", "LINE")},
    {metadata("FILE", "ROW_NUMBER", parent)},
    %(batch)s,
    %(loaded_at)s::TIMESTAMP_NTZ
FROM (SELECT {_LINES} AS LINE, FILE, ROW_NUMBER FROM {REJECTS} WHERE BATCH_ID = %(lines)s)
WHERE LINE IS NOT NULL
""",
        bound,
    )
    cursor.execute(f"DELETE FROM {REJECTS} WHERE BATCH_ID = %(lines)s AND {_LINES} IS NOT NULL", bound)
    return {key: _rejected(cursor, file, errors.get(key), bound) for key, file in found.items()}


def _rejected(cursor: Cursor, file: CopiedFile, error: str | None, bound: Mapping[str, object]) -> CopiedFile:
    """Give the lines that are left to the batch, with the reason; there are as many rejects of the file."""
    reason = f"{UNREADABLE}: {error}" if error else UNREADABLE
    cursor.execute(
        f"UPDATE {REJECTS} SET BATCH_ID = %(batch)s, REASON = %(reason)s "
        "WHERE BATCH_ID = %(lines)s AND FILE = %(file)s",
        {**bound, "reason": reason, "file": file.key},
    )
    rejected = int(cursor.fetchone()[0])
    return replace(file, loaded=file.loaded - rejected, rejected=rejected, first_error=file.first_error or error)
