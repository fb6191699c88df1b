"""`python -m local.application`: write to the shards like a live application, until SIGTERM.

How much: `CATCHMENT_APPLICATION_RATE` commits a second over all shards. It can be killed and started again at any
moment, and rides out its databases being down.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from threading import Event

from local.application.writer import Writer
from local.cdc import shards
from local.credentials import ensure_credentials
from local.settings import Settings

STATUS_SECONDS = 1.0
LOG_SECONDS = 60.0

log = logging.getLogger("application")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.application", description=__doc__)
    parser.add_argument("--status", type=Path, help="a file for its status, as JSON")
    parser.add_argument("--seed", help="the same choices in the same order, for a test")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    writers = make_writers(Settings.from_environment(), stop, arguments.seed)
    for writer in writers:
        writer.start()
    said = time.monotonic()
    while not stop.wait(STATUS_SECONDS):
        if arguments.status:
            write_status(arguments.status, writers)
        if time.monotonic() - said >= LOG_SECONDS:
            said = time.monotonic()
            log.info("since the start: %s", dict(_done(writers).most_common()))
    for writer in writers:
        writer.join(5)
    return 0


def make_writers(settings: Settings, stop: Event, seed: str | None = None) -> list[Writer]:
    """One a shard; together they commit at the settings' rate."""
    credentials = ensure_credentials(settings)
    dsns = {name: shards.cluster(settings, credentials, name).dsn(shards.DATABASE) for name in settings.ports.shards}
    return [
        Writer(name, dsns, rate=settings.rate / len(dsns), stop=stop, draw=Random(seed and f"{seed}:{name}"))
        for name in dsns
    ]


def write_status(file: Path, writers: Iterable[Writer]) -> None:
    """When, what was done, and why it can't write, where it can't."""
    problems = [writer.progress.problem for writer in writers if writer.progress.problem]
    status = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "pid": os.getpid(),
        "problem": "; ".join(problems) or None,
        "done": _done(writers),
    }
    draft = file.with_name(f"{file.name}.new")
    draft.write_text(json.dumps(status) + "\n")
    draft.replace(file)


def _done(writers: Iterable[Writer]) -> Counter[str]:
    return sum((writer.progress.done for writer in writers), Counter())


if __name__ == "__main__":
    raise SystemExit(main())
