"""`make chaos-cdc`: break the parts of change data capture while they work, then compare every row with the shards.

A workload that a seed decides writes to both shards; meanwhile broker, Connect, Postgres, loader and warehouse are
killed or frozen at random, and started again as supervisord would; connectors and tasks are the health check's. At the
end dbt builds the current state, and everything is compared: rows, Kafka's records, transactions.
The last line is one JSON object; the exit status is not 0 unless every fault fired and nothing differs.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

from bench.chaos_cdc import contents
from bench.chaos_cdc.campaign import Campaign, Plan
from bench.chaos_cdc.judge import Row, audit, compare, transactions
from bench.chaos_cdc.settling import Dbt, settle
from bench.verdict import Verdict
from catchment.cdc.declared import Application, Shard, Table, application
from catchment.cdc.systems import Systems
from catchment.connection import Connection
from local.cdc.stack import STREAM, Stack, free_ports, ports_from

PARTS = (*STREAM, "s3", "warehouse", "loader")
BEGAN = time.monotonic()


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plan = Plan(seed=args.seed, faults=args.faults, lanes=args.lanes, rate=args.rate, bulk=args.bulk)
    declared = application()
    ports = ports_from(args.first_port) if args.first_port else free_ports()
    with (
        tempfile.TemporaryDirectory(prefix="catchment-chaos-") as folder,
        Stack(args.var or Path(folder), ports, parts=PARTS, scale=args.scale, connectors=True) as stack,
    ):
        say(f"the parts are up; {plan}")
        environment = stack.environment()
        systems = Systems(lambda name: Connection.from_env(name, environment), declared)
        dbt = Dbt(systems.look_up("snowflake_default"), stack.settings.var / "dbt")
        # What is written before the initial snapshot ends comes as a row of it, and not as a change of its transaction.
        say("the changes stream" if settle(systems, declared, say) else "the initial snapshots have not ended")
        with Campaign(stack, declared, plan, dbt, say) as campaign:
            campaign.run()
            settled = settle(systems, declared, say)
            say("everything written has passed" if settled else "not everything written has passed")
            built = dbt.build(tries=3, report=say)
        verdict = judge(systems, declared, campaign.committed, stack.settings.ports.kafka)
    for example in verdict.examples:
        print(f"    {example}")
    say("done")
    counts = {"lost": verdict.lost, "duplicated": verdict.duplicated, "stale": verdict.stale}
    print(json.dumps({"faults": plan.faults, "fired": campaign.fired, **counts}), flush=True)
    return 0 if built and verdict.good and campaign.fired == plan.faults else 1


def judge(systems: Systems, declared: Application, committed: dict[str, set[int]], kafka_port: int) -> Verdict:
    """Everything that was written beside everything that arrived."""
    total = Verdict()
    topics = [shard.topic(table) for shard, table in declared.replicated()]
    records = contents.committed_places(f"127.0.0.1:{kafka_port}", topics)
    with systems.warehouse(role="TRANSFORMER", warehouse="TRANSFORMING") as warehouse:
        cursor = warehouse.cursor()
        came: dict[str, set[int]] = {shard.name: set() for shard in declared.shards}
        for shard, table in declared.replicated():
            topic, raw = shard.topic(table), shard.raw_table(table)
            verdict = audit(records[topic], contents.raw_places(cursor, raw))
            twice = contents.emitted_twice(cursor, raw)
            examples = tuple(f"came to Kafka {times + 1} times: {change}" for change, times in twice[:3])
            total += _said(topic, f"{len(records[topic])} records in Kafka", verdict)
            total += _said(topic, "changes that Debezium wrote", Verdict(0, sum(n for _, n in twice), 0, examples))
            came[shard.name] |= contents.raw_transactions(cursor, raw)
        for name, numbers in committed.items():
            total += _said(name, f"{len(numbers)} transactions committed", transactions(numbers, came[name]))
        return total + _rows(systems, declared, cursor)


def _rows(systems: Systems, declared: Application, cursor: object) -> Verdict:
    """Each model that says what is alive, beside each shard."""
    total = Verdict()
    truth = {shard: {table.name: _truth(systems, shard, table) for table in shard.tables} for shard in declared.shards}
    for table, model, alive in contents.living(declared.database("application")):
        found = contents.current_rows(cursor, table, model, alive)
        for shard in declared.shards:
            rows = truth[shard][table.name]
            raw = shard.raw_table(table)
            verdict = compare(
                tuple(table.columns),
                rows,
                found.pop(shard.name, ()),
                lambda raw=raw, table=table: contents.raw_changes(cursor, raw, table),
            )
            total += _said(f"{shard.name} {model}", f"{len(rows)} rows on the shard", verdict)
        strangers = sum(map(len, found.values()))
        total += Verdict(stale=strangers, examples=(f"{model} has rows of {sorted(found)}",) if strangers else ())
    return total


def _truth(systems: Systems, shard: Shard, table: Table) -> dict[tuple[str | None, ...], Row]:
    with systems.shard(shard, autocommit=False) as session:
        return contents.shard_rows(session, table)


def _said(of: str, what: str, verdict: Verdict) -> Verdict:
    """The verdict, whose examples now say of what."""
    if not verdict.good or what.endswith(("shard", "committed")):
        say(f"{of}: {what}, lost {verdict.lost}, duplicated {verdict.duplicated}, stale {verdict.stale}")
    examples = tuple(f"{of}: {example}" for example in verdict.examples)
    return Verdict(verdict.lost, verdict.duplicated, verdict.stale, examples)


def say(text: str) -> None:
    print(f"{time.monotonic() - BEGAN:5.0f} s  {text}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos_cdc", description=__doc__)
    parser.add_argument("--faults", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=3, help="clients of each shard")
    parser.add_argument("--rate", type=float, default=2.0, help="transactions a second of each client")
    parser.add_argument("--bulk", type=int, default=50_000, help="rows of the one large transaction")
    parser.add_argument("--scale", type=float, default=0.1, help="of the synthetic company")
    parser.add_argument("--first-port", type=int, default=0, help="of the parts' ports; 0: any that are free")
    parser.add_argument("--var", type=Path, help="a folder for the parts' state, which is kept; default: none is")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
