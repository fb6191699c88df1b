"""The query history: one JSON line per statement in `query_history.jsonl`, kept under a size."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.warehouse.running import Run

FILE = "query_history.jsonl"
LIMIT = 64 * 1024 * 1024
TEXT_LIMIT = 100_000
COLUMNS = {
    "QUERY_ID": "VARCHAR",
    "QUERY_TEXT": "VARCHAR",
    "QUERY_TAG": "VARCHAR",
    "USER_NAME": "VARCHAR",
    "ROLE_NAME": "VARCHAR",
    "WAREHOUSE_NAME": "VARCHAR",
    "DATABASE_NAME": "VARCHAR",
    "SCHEMA_NAME": "VARCHAR",
    "SESSION_ID": "BIGINT",
    "EXECUTION_STATUS": "VARCHAR",
    "ERROR_MESSAGE": "VARCHAR",
    "START_TIME": "TIMESTAMPTZ",
    "END_TIME": "TIMESTAMPTZ",
    "TOTAL_ELAPSED_TIME": "BIGINT",
    "ROWS_PRODUCED": "BIGINT",
}

_LOCK = threading.Lock()
_path: Path | None = None


def open_log(directory: Path) -> None:
    global _path
    _path = directory / FILE
    _path.touch()


def path() -> Path:
    if _path is None:
        raise RuntimeError("The query history is not open: open_log() comes first.")
    return _path


def record(run: Run) -> dict[str, object]:
    """A statement as a row of the history; one that has not ended has no end yet."""
    session, end = run.session, run.ended_at
    status = "RUNNING" if end is None else "FAILED_WITH_ERROR" if run.error else "SUCCESS"
    values = (
        run.query_id,
        run.text[:TEXT_LIMIT],
        session.query_tag,
        session.user,
        session.role,
        session.warehouse,
        session.connection.database,
        session.connection.schema,
        session.id,
        status,
        run.error,
        run.started_at.isoformat(),
        end and end.isoformat(),
        round(((end or datetime.now(UTC)) - run.started_at).total_seconds() * 1000),
        run.rows,
    )
    return dict(zip(COLUMNS, values, strict=True))


def append(run: Run) -> None:
    """Write one ended statement. A file that has grown past LIMIT is kept as `.1`, and a new one begins."""
    if _path is None:
        return
    line = json.dumps(record(run))
    with _LOCK:
        if _path.stat().st_size > LIMIT:
            _path.replace(_path.with_suffix(".jsonl.1"))
        with _path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
