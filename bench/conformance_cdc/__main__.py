"""`make conformance-cdc`: every type that can be declared, on the real parts, compared with what Postgres prints.

The last line is one JSON object; the exit status is not 0 when a cell is wrong. Also writes docs/cdc_types.md.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.conformance_cdc import document, judge, refused
from bench.conformance_cdc.judge import WRONG, Cell
from bench.conformance_cdc.matrix import LARGE, SUBJECTS
from bench.conformance_cdc.run import Run
from bench.conformance_cdc.tables import trials
from catchment.connection import Connection
from local.cdc.stack import Stack, free_ports, ports_from

PARTS = ("shard_s0", "kafka", "connect", "s3", "warehouse")
BEGAN = time.monotonic()


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    subjects = [subject for subject in SUBJECTS if not args.only or subject.name in args.only]
    large = {subject: ways for subject, ways in LARGE.items() if not args.only or subject.name in args.only}
    ports = ports_from(args.first_port) if args.first_port else free_ports()
    with (
        tempfile.TemporaryDirectory(prefix="catchment-conformance-") as folder,
        Stack(args.var or Path(folder), ports, parts=PARTS, rows=False) as stack,
    ):
        say("the parts are up")
        environment = stack.environment()
        run = Run(
            lambda name: Connection.from_env(name, environment),
            trials(subjects, large),
            stack.settings.var / "run",
            say,
        )
        found = [*refused.at_declaration(), *tried(run)]
    counts = judge.counted(found)
    for line in examples(found):
        print(f"    {line}")
    if not args.only:
        document.FILE.write_text(document.render(), encoding="utf-8")
    say(f"done; {document.FILE.name} is written" if not args.only else "done")
    print(json.dumps({"cells": len(found), **counts}), flush=True)
    return 1 if counts[WRONG] else 0


def tried(run: Run) -> Iterator[Cell]:
    """Every cell that needs the real parts."""
    run.prepare()
    run.capture()
    with run.session() as session:
        truth = {trial.name: judge.truth(session, trial) for trial in run.trials}
        yield from refused.by_check(session)
    run.finish()
    run.build()
    with run.session() as session, run.systems.warehouse(role="TRANSFORMER", warehouse="TRANSFORMING") as warehouse:
        cursor = warehouse.cursor()
        for trial in run.trials:
            staged = judge.staged(cursor, trial)
            judge.as_postgres_reads(session, trial, staged)
            yield from judge.cells(trial, truth[trial.name], staged)


def examples(found: Iterable[Cell]) -> Iterator[str]:
    """The wrong cells, those of one value together."""
    ways = defaultdict(list)
    for cell in found:
        if cell.verdict == WRONG:
            role = "in the key" if cell.is_key else "as a column"
            value, got = (str(text)[:100] for text in (cell.value, cell.got))
            ways[cell.subject, role, value, got].append(cell.way.words if cell.way else "declaration")
    for (subject, role, value, got), names in ways.items():
        yield f"{subject} {role}: {value!r} became {got!r} by {', '.join(names)}"


def say(text: str) -> None:
    print(f"{time.monotonic() - BEGAN:5.0f} s  {text}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.conformance_cdc", description=__doc__)
    parser.add_argument("--only", nargs="*", default=(), metavar="COLUMN", help="only these columns of the matrix")
    parser.add_argument("--first-port", type=int, default=0, help="of the parts' ports; 0: any that are free")
    parser.add_argument("--var", type=Path, help="a folder for the parts' state, which is kept; default: none is")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
