"""The loader's own status: a small JSON file for health checks, and lines in its log."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

FRESH = 30.0  # seconds


@dataclass
class LoaderStatus:
    """`state` is starting, loading, waiting or ended; `problem` is why it waits; `stopped` names topics left alone.

    `behind` is how many offsets Kafka is ahead of the ledger, transaction markers included, when it was last asked.
    """

    path: Path | None = None
    state: str = "starting"
    problem: str | None = None
    stopped: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    rejected: int = 0
    transactions: int = 0
    behind: int | None = None
    loaded_at: str | None = None
    _written: float = 0.0

    def committed(self, rows: int, rejected: int) -> None:
        """A batch is in the warehouse."""
        self.state, self.problem = "loading", None
        self.rows += rows
        self.rejected += rejected
        self.transactions += 1
        self.loaded_at = datetime.now(UTC).isoformat(timespec="milliseconds")

    def write(self, *, now: bool = False) -> None:
        """Write the file, at most once a second unless it must be `now`."""
        if self.path is None or (not now and time.monotonic() - self._written < 1):
            return
        self._written = time.monotonic()
        shown = {name: value for name, value in asdict(self).items() if name != "path" and not name.startswith("_")}
        text = json.dumps({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "pid": os.getpid(), **shown})
        draft = self.path.with_name(self.path.name + ".new")
        draft.write_text(text + "\n")
        draft.replace(self.path)


def is_well(path: Path, now: datetime) -> tuple[bool, str]:
    """Whether a loader that writes `path` is alive and loads, and a sentence about it."""
    try:
        said = json.loads(path.read_text())
        age = (now - datetime.fromisoformat(said["at"])).total_seconds()
    except (OSError, ValueError, KeyError) as error:
        return False, f"The loader has not written {path} ({error}): it is not running, or starts now."
    if age > FRESH:
        return False, f"The loader wrote {path} {age:.0f} s ago: it hangs or has ended."
    if said["problem"]:
        return False, f"The loader waits: {said['problem']}"
    return (
        True,
        f"The loader is {said['state']}: {said['rows']} rows since it started, {said['behind']} offsets behind.",
    )
