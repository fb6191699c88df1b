"""The query history: one JSON line per ended statement in `query_history.jsonl`, kept under a size."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.warehouse.running import Run

LIMIT = 64 * 1024 * 1024
TEXT_LIMIT = 100_000
COLUMNS = {
    "QUERY_TEXT": "VARCHAR",
    "QUERY_TAG": "VARCHAR",
    "USER_NAME": "VARCHAR",
    "SESSION_ID": "BIGINT",
    "EXECUTION_STATUS": "VARCHAR",
    "START_TIME": "TIMESTAMPTZ",
}
_LOCK = threading.Lock()
PATH: list[Path] = []


def open_log(directory: Path) -> None:
    PATH[:] = [directory / "query_history.jsonl"]
    PATH[0].touch()


def append(run: Run) -> None:
    """Write one ended statement. A file that has grown past LIMIT is begun again."""
    session = run.session
    status = "FAILED_WITH_ERROR" if run.error else "SUCCESS"
    values = (run.text[:TEXT_LIMIT], session.query_tag, session.user, session.id, status, run.started_at.isoformat())
    with _LOCK, PATH[0].open("a", encoding="utf-8") as file:
        if file.tell() > LIMIT:
            file.truncate(0)
        file.write(json.dumps(dict(zip(COLUMNS, values, strict=True))) + "\n")
