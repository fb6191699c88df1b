"""What `dbt source freshness` found, as sentences. Pure, but for one file that is read."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from catchment.errors import NeedsPerson

RESULTS = Path("target/sources.json")
"""Where dbt writes what it found, below the project's folder."""

NEVER = "0001-"  # dbt dates a stream that was never loaded in year 1
PAGE = "docs/runbooks/source_late.md"
log = logging.getLogger("catchment.dbt")


def fail_if_stale(project: str | Path, **_: Any) -> None:
    """Read what dbt found in this project; for Cosmos, which calls it with the folder after each run.

    Raises NeedsPerson with a sentence for each stream beyond twice its promise; those beyond it once are logged.
    """
    file = Path(project) / RESULTS
    if not file.exists():
        return  # dbt itself failed, and says why
    found = json.loads(file.read_text(encoding="utf-8"))
    for sentence in sentences(found, "warn"):
        log.warning(sentence)
    if stale := sentences(found, "error"):
        raise NeedsPerson(f"{'; '.join(stale)}. See {PAGE}.")


def sentences(found: Mapping[str, Any], status: str) -> list[str]:
    """One sentence for each stream with this status (`pass`, `warn`, `error`), in the order of their names."""
    results = sorted(found["results"], key=lambda result: str(result["unique_id"]))
    return [_sentence(result) for result in results if result["status"] == status]


def _sentence(result: Mapping[str, Any]) -> str:
    stream = ".".join(result["unique_id"].split(".")[-2:])
    promise = result["criteria"]["warn_after"]
    wanted = f"it should never be older than {promise['count']} {promise['period']}s"
    if result["max_loaded_at"].startswith(NEVER):
        return f"{stream} was never loaded; {wanted}"
    upto = datetime.fromisoformat(result["max_loaded_at"])
    hours = result["max_loaded_at_time_ago_in_s"] / 3600
    return f"{stream} is loaded up to {upto:%Y-%m-%d %H:%M} UTC, {hours:.0f} hours ago; {wanted}"
