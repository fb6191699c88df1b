"""How long a commit takes to be visible in raw, how fast a million rows arrive there, and which rate is too much.

A private stack: two shards, Kafka, Connect with Debezium, the warehouse, the loader. First `--seconds` of `--rate`
commits a second, one row each, over both shards and three tables, after `--warm-up` seconds that are not measured (the
Java programs have just started); then rates that double, until rows pile up; then `--rows` rows in one transaction,
whose arrival on Kafka is Debezium's own rate and whose arrival in raw is ours. All clocks begin when COMMIT returns. A
row is on Kafka when a reader of committed records has it, and visible at the first look at RAW.CATCHMENT.OFFSETS, which
changes in the transaction of the rows, that has it; at the end every row is looked for in raw itself, once.

Machines differ, and so do the loads beside: what counts is ours as a multiple of Kafka's, in the same run.

Last line: `p50_ms, p95_ms, p99_ms, kafka_p50_ms, kafka_p99_ms, p50_of_kafka, p99_of_kafka, falls_behind_at` (commits a
second; null: it never did), `bottleneck, debezium_rows_s, visible_rows_s, ratio, rss_mb` (the loader's most),
`rss_mb_idle` (before), `rss_mb_end` (after).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import psutil

from bench.cdc_parts import TIMEOUT, Bench, Look, Memory, last, rows
from bench.cdc_rates import INSERTS, commit_at, falls_behind, measure, topics
from catchment.cdc.declared import application
from catchment.cdc.loader.batch import Partition
from local.cdc.stack import Stack, free_ports

PARTS = ("s3", "warehouse", "shard_s0", "shard_s1", "kafka", "connect", "loader")
RATES = (200.0, 400.0, 800.0, 1600.0, 3200.0)
LOOK = 0.5  # seconds: each look costs the parts processor time, and what is measured takes a minute
BULK = """
INSERT INTO events (account_id, user_id, name, properties, duration_ms, body)
SELECT mod(n, 1000), n, 'bulk', jsonb_build_object('n', n, 'page', '/pricing'), n * 1.5, repeat('z', 60)
FROM generate_series(1, %s) AS n
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.cdc", description=__doc__)
    parser.add_argument("--rate", type=float, default=100, help="commits a second")
    parser.add_argument("--seconds", type=float, default=30, help="for how long")
    parser.add_argument("--warm-up", type=float, default=10, help="seconds of commits before those that are measured")
    parser.add_argument("--rates", type=float, nargs="*", default=RATES, help="tried until one is too much")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the one transaction")
    parser.add_argument("--var", type=Path, help="where the stack keeps its state; default: a folder that is removed")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-cdc-") as made:
        stack = Stack(asked.var or Path(made), free_ports(), parts=PARTS, rows=False, connectors=True)
        with stack:
            bench = Bench(stack)
            idle = settle(bench)
            memory = Memory(psutil.Process(stack.pid("loader")))
            threading.Thread(target=memory.run, daemon=True).start()
            commit_at(bench, asked.rate, asked.warm_up)
            steady = measure(bench, asked.rate, asked.seconds)
            print(f"{len(steady.visible)} commits at {asked.rate:g}/s to raw: {shown(steady.visible)}", flush=True)
            print(f"of that to Kafka: {shown(steady.to_kafka)}", flush=True)
            too_much, bottleneck = falls_behind(bench, asked.rates, asked.seconds / 2)
            on_kafka, in_raw = bulk(bench, asked.rows)
            time.sleep(5)
            memory.done.set()
            print(f"the loader's memory: {idle:.0f} MB idle, {max(memory.samples):.0f} MB at most", flush=True)
    ours, kafka = (statistics.quantiles(waits, n=100) for waits in (steady.visible, steady.to_kafka))
    result = {
        "p50_ms": round(ours[49]),
        "p95_ms": round(ours[94]),
        "p99_ms": round(ours[98]),
        "kafka_p50_ms": round(kafka[49]),
        "kafka_p99_ms": round(kafka[98]),
        "p50_of_kafka": round(ours[49] / kafka[49], 2),
        "p99_of_kafka": round(ours[98] / kafka[98], 2),
        "falls_behind_at": too_much,
        "bottleneck": bottleneck,
        "debezium_rows_s": round(asked.rows / on_kafka),
        "visible_rows_s": round(asked.rows / in_raw),
        "ratio": round(on_kafka / in_raw, 3),
        "rss_mb": round(max(memory.samples)),
        "rss_mb_idle": round(idle),
        "rss_mb_end": round(memory.samples[-1]),
    }
    print(json.dumps(result))


def settle(bench: Bench) -> float:
    """Until a row of every table that we write to has come all the way; returns the loader's memory then."""
    for shard in application().shards:
        with closing(bench.shard(shard.name)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT ensure_activity_partitions(current_date, current_date + 1)")
            for insert in INSERTS:
                cursor.execute(insert)
            connection.commit()
    with closing(bench.warehouse()) as warehouse:
        bench.wait("a first row of every table", lambda: topics() <= {p.topic for p in warehouse.ledger()})
        bench.wait("rows of every table", lambda: all(rows(warehouse, topic) for topic in topics()))
    return float(psutil.Process(bench.stack.pid("loader")).memory_info().rss / 2**20)


def bulk(bench: Bench, count: int) -> tuple[float, float]:
    """Seconds from the COMMIT of so many rows until all are on Kafka, and until all are visible in raw."""
    declared = application()
    topic = declared.shard("s0").topic(declared.database("application").table("events"))
    with closing(bench.kafka()) as kafka, closing(bench.warehouse()) as warehouse, closing(bench.shard("s0")) as shard:
        partitions = [Partition(topic, number) for number in kafka.topics([topic])[topic].partitions]
        before = rows(warehouse, topic)
        on_kafka = Look(lambda: {p: end for p, (_, end) in kafka.bounds(partitions).items()}, every=LOOK)
        in_raw = Look(bench.ledger(), every=LOOK)
        with shard.cursor() as cursor:
            cursor.execute(BULK, (count,))
        shard.commit()
        began = time.time()
        print(f"{count} rows committed", flush=True)
        threads = [threading.Thread(target=look.run) for look in (on_kafka, in_raw)]
        for thread in threads:
            thread.start()
        with closing(bench.warehouse()) as session:
            for seconds, have in _every_second(lambda: rows(session, topic) - before, count):
                print(f"{seconds:4.0f} s: {have} rows in raw", flush=True)
            for look in (on_kafka, in_raw):
                look.done.set()
            for thread in threads:
                thread.join()
            ends = last(session, topic)
    arrived = [max(look.reached(p, offset) for p, offset in ends.items()) for look in (on_kafka, in_raw)]
    return arrived[0] - began, arrived[1] - began


def _every_second(count: Callable[[], int], wanted: int) -> Iterator[tuple[float, int]]:
    began = time.monotonic()
    while (have := count()) < wanted:
        if time.monotonic() - began > TIMEOUT:
            raise SystemExit(f"only {have} of {wanted} rows are in raw after {TIMEOUT:.0f} s")
        yield time.monotonic() - began, have
        time.sleep(5)
    if have > wanted:
        raise SystemExit(f"raw has {have} rows where {wanted} were committed")


def shown(latency: Sequence[float]) -> str:
    cut = statistics.quantiles(latency, n=100)
    return f"p50 {cut[49]:.0f} ms, p95 {cut[94]:.0f} ms, p99 {cut[98]:.0f} ms, most {max(latency):.0f} ms"


if __name__ == "__main__":
    main()
