"""The campaign: lanes write, faults come, somebody looks after the parts; in the middle dbt builds once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from random import Random
from threading import Event, Lock
from typing import Any

import psycopg2

from bench.chaos_cdc.faults import PARTS, Breaker, Fault, Outcome, deal
from bench.chaos_cdc.keeper import HealthCheck, Supervisor
from bench.chaos_cdc.settling import Dbt
from bench.chaos_cdc.values import Column
from bench.chaos_cdc.workload import MONTHS, Lane, Table
from bench.chaos_cdc.writer import Writer
from catchment.cdc import declared
from catchment.cdc.declared import Application
from catchment.cdc.repair import signals
from local.cdc import shards as clusters
from local.cdc.stack import Stack
from local.credentials import read_google_key
from local.services.catalogue import catalogue

AT_ONCE = 2  # faults that overlap
SHARED = 15  # rows of each table that all lanes of a shard write to
ENDING_SECONDS = 180.0
DBT_TRIES = 20
READ_AGAIN = ("customers", "activities")  # by an incremental snapshot, on the first shard and on the last

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the seed decides, and how much of it; `lanes` a shard, `rate` in transactions a second a lane."""

    seed: int
    faults: int
    lanes: int
    rate: float
    bulk: int


class Campaign:
    """Runs a plan on a stack. Its parts are looked after until the `with` block ends."""

    def __init__(self, stack: Stack, application: Application, plan: Plan, dbt: Dbt, report: Report) -> None:
        self.plan, self.report = plan, report
        self.application = application
        self.outcomes: list[Outcome] = []
        self.done: Counter[str] = Counter()
        self.committed: dict[str, set[int]] = {shard.name: set() for shard in application.shards}
        self._dbt = dbt
        cluster = {name: clusters.cluster(stack.settings, stack.credentials, name) for name in self.committed}
        self._dsns = {name: each.dsn(clusters.DATABASE) for name, each in cluster.items()}
        self._tables = tables(application, self._dsns)
        services = catalogue(stack.settings, stack.credentials, read_google_key(stack.settings))
        health = {service.name: service.health for service in services}
        self._breaker = Breaker(stack, health, {part: Lock() for part in PARTS})
        self._end = Event()
        self._supervisor = Supervisor(stack, PARTS, self._end, report)
        self._health = HealthCheck(stack, self._end, report)

    @property
    def fired(self) -> int:
        return sum(outcome.fired for outcome in self.outcomes)

    def __enter__(self) -> Campaign:
        self._supervisor.start()
        self._health.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._supervisor.join()
        self._health.join()
        self.report(f"the health check ran: {_counted(self._health.runs)}; it acted {len(self._health.actions)} times")
        self.report(f"started again: {_counted(self._supervisor.started)}")

    def run(self) -> None:
        """Until the last fault is over, and all that the lanes have begun is done."""
        stop = Event()
        writers = self._writers(stop)
        for writer in writers:
            writer.start()
        with ThreadPoolExecutor(AT_ONCE, "fault") as breaking, ThreadPoolExecutor(1, "dbt") as building:
            try:
                faults = deal(Random(f"{self.plan.seed}:faults"), self.plan.faults)
                for fault in faults:
                    if fault.number == len(faults) // 4 + 1:
                        self.report(f"incremental snapshots of {' and '.join(READ_AGAIN)} begin")
                        building.submit(self._read_again)
                    if fault.number == len(faults) // 2 + 1:
                        self.report("dbt builds the current state amid all this")
                        building.submit(self._dbt.build, DBT_TRIES, self.report)
                    self._begin(fault, breaking)
                breaking.shutdown(wait=True)
            finally:
                stop.set()
                self._finish(writers)
        self.report(f"the workload is over: {_counted(self.done)}")

    def _read_again(self) -> None:
        """Ask Debezium to read tables once more, as the on-call DAG does."""
        for table, shard in zip(READ_AGAIN, (min(self._dsns), max(self._dsns)), strict=True):
            of = self.application.shard(shard)
            asked = signals.execute_snapshot(of, of.table(table), {})
            while True:
                try:
                    with closing(psycopg2.connect(self._dsns[shard])) as session, session:
                        signals.send(session, f"chaos-{table}", asked)
                    break
                except psycopg2.OperationalError:
                    time.sleep(1)

    def _begin(self, fault: Fault, breaking: ThreadPoolExecutor) -> None:
        """After its pause, and when not too many others are under way."""
        time.sleep(fault.pause)
        begun = Event()

        def carry_out() -> Outcome:
            begun.set()
            return self._breaker.carry_out(fault)

        breaking.submit(carry_out).add_done_callback(self._ended)
        begun.wait()

    def _ended(self, future: Future[Outcome]) -> None:
        if error := future.exception():
            self.report(f"a fault could not be carried out: {type(error).__name__}: {error}")
            return
        outcome = future.result()
        self.outcomes.append(outcome)
        self.report(f"fault {outcome.fault.number} of {self.plan.faults}: {outcome}")

    def _writers(self, stop: Event) -> list[Writer]:
        shards = tuple(self._dsns)
        homes = [shard for _ in range(self.plan.lanes) for shard in shards]
        return [
            Writer(
                Lane(self.plan.seed, number, home, shards, self._tables, bulk=0 if number else self.plan.bulk),
                self._dsns,
                rate=self.plan.rate,
                stop=stop,
                report=self.report,
            )
            for number, home in enumerate(homes)
        ]

    def _finish(self, writers: list[Writer]) -> None:
        for writer in writers:
            writer.join(ENDING_SECONDS)
            if writer.is_alive():
                self.report(f"{writer.name} still waits for its shard")
            self.done += writer.done
            for shard, number in writer.committed:
                self.committed[shard].add(number)


def tables(application: Application, dsns: Mapping[str, str]) -> tuple[Table, ...]:
    """The declared tables as the workload needs them, by a look at the shards; and partitions for what it writes."""
    opened = {shard: psycopg2.connect(dsn) for shard, dsn in dsns.items()}
    try:
        cursors = {shard: connection.cursor() for shard, connection in opened.items()}
        for cursor in cursors.values():
            cursor.execute("SELECT ensure_activity_partitions(%s, %s)", (f"{MONTHS[0]}-01", f"{MONTHS[-1]}-01"))
            cursor.connection.commit()
        first = next(iter(cursors.values()))
        return tuple(
            Table(
                table.name,
                table.key,
                tuple(_column(first, table, name, kind) for name, kind in table.columns.items()),
                {shard: _some_keys(cursor, table) for shard, cursor in cursors.items()},
            )
            for table in application.database("application").tables
        )
    finally:
        for connection in opened.values():
            connection.close()


def _column(cursor: Any, table: declared.Table, name: str, kind: str) -> Column:
    cursor.execute(
        "SELECT NOT attnotnull, ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = atttypid ORDER BY 1) "
        "FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s",
        (table.name, name),
    )
    nullable, labels = cursor.fetchone()
    return Column(name, kind, nullable, tuple(labels))


def _some_keys(cursor: Any, table: declared.Table) -> tuple[tuple[str, ...], ...]:
    key = ", ".join(f'"{column}"::text' for column in table.key)
    cursor.execute(f"SELECT {key} FROM {table.name} ORDER BY id LIMIT {SHARED}")
    return tuple(cursor.fetchall())


def _counted(counts: Mapping[str, int]) -> str:
    return (
        ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: -item[1])) or "nothing"
    )
