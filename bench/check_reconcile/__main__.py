"""`make check-reconcile`: damage staging, raw and ledger by hand in twenty kinds; the comparison must name every row.

The parts are real: what is written to the shards goes through Debezium, Kafka, the loader and dbt, and a table of edge
values is laid beside it by hand. First nothing is damaged, and nothing may be called different. The last line is one
JSON object; the exit status is not 0 unless every kind was named, with the keys of all its rows, and nothing else was.
`--small` leaves Kafka, and so the ledger's kind, out.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.chaos_cdc.settling import Dbt, settle
from bench.check_reconcile.bed import FALSE_ALARM, Bed, NotWaiting, Outcome, judged, together
from bench.check_reconcile.damages import Damage, damages, harmless
from bench.check_reconcile.progress import ODD, progress
from catchment.cdc import shard as database
from catchment.cdc.compare.reconcile import Reconciliation
from local.cdc.stack import STREAM, Stack, free_ports

BEGAN = time.monotonic()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.check_reconcile", description=__doc__)
    parser.add_argument("--small", action="store_true", help="staging and raw alone, without Kafka and dbt")
    small = parser.parse_args().small
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parts = ("shard_s0", "s3", "warehouse") if small else (*STREAM, "s3", "warehouse", "loader")
    with (
        tempfile.TemporaryDirectory(prefix="catchment-check-") as folder,
        Stack(Path(folder), free_ports(), parts=parts, scale=0.05, connectors=not small) as stack,
    ):
        say("the parts are up")
        bed = Bed(stack, NotWaiting if small else Reconciliation)
        outcomes = []
        for outcome in _all(bed, stack, small=small):
            say(f"{outcome.word}: {outcome.damage.kind}, {outcome.damage.what}: {outcome.said}")
            outcomes.append(outcome)
    done = [outcome for outcome in outcomes if outcome.damage.keys]
    kinds = {outcome.damage.kind for outcome in done}
    missed = {outcome.damage.kind for outcome in done if not outcome.named}
    alarms = sum(outcome.damage is FALSE_ALARM for outcome in outcomes)
    print(json.dumps({"damages": len(kinds), "named": len(kinds - missed), "false_alarms": alarms}), flush=True)
    return 0 if kinds and not missed and not alarms else 1


def _all(bed: Bed, stack: Stack, *, small: bool) -> Iterator[Outcome]:
    if not small:
        yield from _undamaged(bed, stack)
    yield from bed.outcomes([UNDAMAGED])
    yield from bed.outcomes(list(harmless()))
    for batch in together(damages()):
        yield from bed.outcomes(batch)
    yield from bed.outcomes([UNDAMAGED])
    if not small:
        yield from progress(bed, stack)


UNDAMAGED = Damage("harmless", "no damage at all", ())


def _undamaged(bed: Bed, stack: Stack) -> Iterator[Outcome]:
    """What really flows, edge values among it: false alarms, if any."""
    declared = bed.application
    settle(bed.systems, declared, say)
    with bed.systems.owner(bed.shard) as owner:
        database.rows(owner, ODD)
    settle(bed.systems, declared, say)
    if not Dbt(bed.systems.look_up("snowflake_default"), stack.settings.var / "dbt").build(tries=3, report=say):
        raise RuntimeError("dbt did not build the current state: see above.")
    for shard in declared.shards:
        tables = [table for table in shard.tables if table.name != "edges"]
        for result in bed.compared(shard, tables):
            yield from judged([UNDAMAGED], result)


def say(text: str) -> None:
    print(f"{time.monotonic() - BEGAN:5.0f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
