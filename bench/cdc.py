"""How long a commit takes to be visible in raw, and how fast a million rows arrive there.

A private stack: two shards, Kafka, Connect with Debezium, the warehouse, the loader. First `--seconds` of `--rate`
commits a second, one row each, over both shards and three tables, after `--warm-up` seconds that are not measured (the
Java programs have just started); then `--rows` rows in one transaction, whose arrival
on Kafka is Debezium's own rate and whose arrival in raw is ours. Both clocks of a rate begin at the commit. A row is
visible at the first look at RAW.CATCHMENT.OFFSETS, which changes in the transaction of the rows, that has it; at the
end every row is looked for in raw itself, once.

Last line: `p50_ms, p95_ms, p99_ms, debezium_rows_s, visible_rows_s, ratio, rss_mb` (the loader's most), `rss_mb_idle`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from catchment.cdc.declared import application
from catchment.cdc.loader import offsets
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import Kafka
from catchment.cdc.loader.warehouse import LoaderWarehouse
from catchment.connection import Connection
from catchment.warehouse.session import connect
from local.cdc.stack import Stack, free_ports

PARTS = ("s3", "warehouse", "shard_s0", "shard_s1", "kafka", "connect", "loader")
TIMEOUT = 600.0
INSERTS = (
    "INSERT INTO events (account_id, name, properties, duration_ms, body) "
    "VALUES (1, 'bench', '{\"a\": 1}', 1.5, repeat('x', 200)) RETURNING id",
    "INSERT INTO activities (account_id, kind, amount, payload, occurred_at) "
    "VALUES (1, 'bench', 1.5, '{\"a\": 1}', clock_timestamp()) RETURNING id",
    "INSERT INTO events (account_id, name, body) VALUES (2, 'bench', repeat('y', 300)) RETURNING id",
)
TABLES = ("events", "activities", "events")
BULK = """
INSERT INTO events (account_id, user_id, name, properties, duration_ms, body)
SELECT mod(n, 1000), n, 'bulk', jsonb_build_object('n', n, 'page', '/pricing'), n * 1.5, repeat('z', 60)
FROM generate_series(1, %s) AS n
"""


@dataclass(frozen=True)
class Commit:
    """One commit of the first part: the table's topic, the row's id, and when COMMIT returned."""

    topic: str
    id: int
    at: float


@dataclass(frozen=True)
class Place:
    """Where a row is in Kafka, and when Debezium handed it to its producer."""

    partition: Partition
    offset: int
    sent_at: float


@dataclass
class Look:
    """Looks at a set of offsets again and again, and remembers when each moved."""

    offsets: Callable[[], Mapping[Partition, int]]
    every: float
    seen: list[tuple[float, Mapping[Partition, int]]] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.done.wait(self.every):
            now = self.offsets()
            if not self.seen or now != self.seen[-1][1]:
                self.seen.append((time.time(), now))

    def reached(self, partition: Partition, offset: int) -> float:
        """When the partition was first seen beyond an offset."""
        return next(at for at, offsets in self.seen if offsets.get(partition, 0) > offset)


@dataclass
class Memory:
    """The resident memory of a process, in MB, sampled."""

    process: psutil.Process
    samples: list[float] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.done.wait(0.5):
            self.samples.append(self.process.memory_info().rss / 2**20)


@dataclass
class Bench:
    """The stack and our own sessions on it."""

    stack: Stack

    def connection(self, name: str) -> Connection:
        return Connection.from_env(name, self.stack.environment())

    def shard(self, name: str) -> Any:
        owner = self.connection(f"application_{name}_owner")
        return psycopg2.connect(
            host=owner.host, port=owner.port, dbname=owner.schema, user=owner.login, password=owner.password
        )

    def warehouse(self) -> LoaderWarehouse:
        return LoaderWarehouse.open(self.connection("snowflake_default"), "bench")

    def ledger(self) -> Callable[[], Mapping[Partition, int]]:
        """A cheap look at the ledger, in a session of its own."""
        session = connect(self.connection("snowflake_default"), query_tag="bench")
        return lambda: {p: at.next_offset for p, at in offsets.read(session.cursor()).items()}

    def kafka(self) -> Kafka:
        return Kafka(self.connection("kafka"))

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            if time.monotonic() > deadline:
                raise SystemExit(f"{what}: not within {TIMEOUT:.0f} s")
            time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.cdc", description=__doc__)
    parser.add_argument("--rate", type=float, default=100, help="commits a second")
    parser.add_argument("--seconds", type=float, default=30, help="for how long")
    parser.add_argument("--warm-up", type=float, default=10, help="seconds of commits before those that are measured")
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
            latency, to_kafka = latencies(bench, asked.rate, asked.seconds)
            print(f"{len(latency)} commits at {asked.rate:g}/s, until visible: {shown(latency)}", flush=True)
            print(f"of that until Debezium sends it: {shown(to_kafka)}", flush=True)
            print(f"the loader's memory: {idle:.0f} MB idle, {max(memory.samples):.0f} MB at most", flush=True)
            on_kafka, in_raw = bulk(bench, asked.rows)
            memory.done.set()
    cut = statistics.quantiles(latency, n=100)
    result = {
        "p50_ms": round(cut[49]),
        "p95_ms": round(cut[94]),
        "p99_ms": round(cut[98]),
        "debezium_rows_s": round(asked.rows / on_kafka),
        "visible_rows_s": round(asked.rows / in_raw),
        "ratio": round(on_kafka / in_raw, 3),
        "rss_mb": round(max(memory.samples)),
        "rss_mb_idle": round(idle),
    }
    print(json.dumps(result))


def settle(bench: Bench) -> float:
    """Until a row of every table that we write to has come all the way; returns the loader's memory then."""
    declared = application()
    topics = {shard.topic(shard.table(name)) for shard in declared.shards for name in set(TABLES)}
    for shard in declared.shards:
        with closing(bench.shard(shard.name)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT ensure_activity_partitions(current_date, current_date + 1)")
            for insert in INSERTS:
                cursor.execute(insert)
            connection.commit()
    with closing(bench.warehouse()) as warehouse:
        bench.wait("a first row of every table", lambda: topics <= {p.topic for p in warehouse.ledger()})
        bench.wait("rows of every table", lambda: all(_rows(warehouse, topic) for topic in topics))
    return float(psutil.Process(bench.stack.pid("loader")).memory_info().rss / 2**20)


def latencies(bench: Bench, rate: float, seconds: float) -> tuple[list[float], list[float]]:
    """Milliseconds from the end of each COMMIT to the first sight of its row, and to its way to Kafka."""
    look = Look(bench.ledger(), every=0.03)
    looking = threading.Thread(target=look.run)
    looking.start()
    commits = commit_at(bench, rate, seconds)
    time.sleep(1)  # the last rows arrive before the looks at raw, which cost more
    with closing(bench.warehouse()) as session:
        places: dict[tuple[str, int], Place] = {}
        for topic in sorted({c.topic for c in commits}):
            wanted = {c.id for c in commits if c.topic == topic}
            bench.wait(topic, lambda topic=topic, wanted=wanted: wanted <= _places(session, topic).keys())
            found = _places(session, topic)
            if len(found) != _rows(session, topic):
                raise SystemExit(f"{topic}: raw has a row twice")
            places.update({(topic, id): place for id, place in found.items()})
    look.done.set()
    looking.join()
    placed = [(c, places[c.topic, c.id]) for c in commits]
    visible = [(look.reached(place.partition, place.offset) - c.at) * 1000 for c, place in placed]
    return visible, [(place.sent_at - c.at) * 1000 for c, place in placed]


def commit_at(bench: Bench, rate: float, seconds: float) -> list[Commit]:
    """Commit one row at a time, at a steady rate, over the shards and tables in turn."""
    declared = application()
    with closing(bench.shard("s0")) as s0, closing(bench.shard("s1")) as s1:
        cursors = [(s0, s0.cursor(), declared.shard("s0")), (s1, s1.cursor(), declared.shard("s1"))]
        commits = []
        began = time.time()
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, began + number / rate - time.time()))
            connection, cursor, shard = cursors[number % 2]
            kind = number // 2 % len(INSERTS)
            cursor.execute(INSERTS[kind])
            ((id,),) = cursor.fetchall()
            connection.commit()
            commits.append(Commit(shard.topic(shard.table(TABLES[kind])), int(id), time.time()))
    return commits


def bulk(bench: Bench, rows: int) -> tuple[float, float]:
    """Seconds from the COMMIT of so many rows until all are on Kafka, and until all are visible in raw."""
    declared = application()
    topic = declared.shard("s0").topic(declared.database("application").table("events"))
    with closing(bench.kafka()) as kafka, closing(bench.warehouse()) as warehouse, closing(bench.shard("s0")) as shard:
        partitions = [Partition(topic, number) for number in kafka.topics([topic])[topic].partitions]
        before = _rows(warehouse, topic)
        on_kafka = Look(lambda: {p: end for p, (_, end) in kafka.bounds(partitions).items()}, every=0.1)
        in_raw = Look(bench.ledger(), every=0.1)
        with shard.cursor() as cursor:
            cursor.execute(BULK, (rows,))
        shard.commit()
        began = time.time()
        print(f"{rows} rows committed", flush=True)
        threads = [threading.Thread(target=look.run) for look in (on_kafka, in_raw)]
        for thread in threads:
            thread.start()
        with closing(bench.warehouse()) as session:
            for seconds, have in _every_second(lambda: _rows(session, topic) - before, rows):
                print(f"{seconds:4.0f} s: {have} rows in raw", flush=True)
            for look in (on_kafka, in_raw):
                look.done.set()
            for thread in threads:
                thread.join()
            last = _last(session, topic)
    return tuple(max(look.reached(p, offset) for p, offset in last.items()) - began for look in (on_kafka, in_raw))


def _every_second(count: Callable[[], int], wanted: int) -> Iterator[tuple[float, int]]:
    began = time.monotonic()
    while (have := count()) < wanted:
        if time.monotonic() - began > TIMEOUT:
            raise SystemExit(f"only {have} of {wanted} rows are in raw after {TIMEOUT:.0f} s")
        yield time.monotonic() - began, have
        time.sleep(5)
    if have > wanted:
        raise SystemExit(f"raw has {have} rows where {wanted} were committed")


def _rows(warehouse: LoaderWarehouse, topic: str) -> int:
    ((count,),) = _ask(warehouse, f"SELECT COUNT(*) FROM {_table(topic)}")
    return int(count)


def _last(warehouse: LoaderWarehouse, topic: str) -> dict[Partition, int]:
    """The newest offset of each partition in raw; every place there must have one row."""
    found = _ask(
        warehouse,
        f"SELECT KAFKA_PARTITION, MAX(KAFKA_OFFSET), COUNT(*), COUNT(DISTINCT KAFKA_OFFSET) FROM {_table(topic)} "
        "GROUP BY 1",
    )
    if any(count != distinct for *_, count, distinct in found):
        raise SystemExit(f"{topic}: raw has a row twice")
    return {Partition(topic, int(number)): int(offset) for number, offset, *_ in found}


def _places(warehouse: LoaderWarehouse, topic: str) -> dict[int, Place]:
    """Where each row of a topic is, by its id."""
    found = _ask(
        warehouse,
        "SELECT RECORD_CONTENT:after:id::NUMBER, KAFKA_PARTITION, KAFKA_OFFSET, RECORD_METADATA:CreateTime::NUMBER "
        f"FROM {_table(topic)}",
    )
    return {int(i): Place(Partition(topic, int(n)), int(offset), int(sent) / 1000) for i, n, offset, sent in found}


def _ask(warehouse: LoaderWarehouse, sql: str) -> Sequence[tuple[Any, ...]]:
    with warehouse.transaction("ask") as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def _table(topic: str) -> str:
    found = application().of_topic(topic)
    assert found is not None
    return application().raw_table(*found)


def shown(latency: Sequence[float]) -> str:
    cut = statistics.quantiles(latency, n=100)
    return f"p50 {cut[49]:.0f} ms, p95 {cut[94]:.0f} ms, p99 {cut[98]:.0f} ms, most {max(latency):.0f} ms"


if __name__ == "__main__":
    main()
