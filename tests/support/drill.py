"""A drill of the health check: its runs, and the troubles and cures on the real parts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2

from catchment.cdc.connectors.client import Connect, NotThere
from catchment.cdc.declared import Shard, application
from catchment.cdc.health.check import Report, check
from catchment.cdc.health.counting import count
from catchment.cdc.health.memory import Memory
from catchment.cdc.health.policy import MEBI, Policy, State
from catchment.cdc.systems import Systems
from catchment.connection import Connection
from catchment.errors import TryAgain
from catchment.warehouse import session
from catchment.warehouse.ledger import sql_time
from local.cdc import shards
from local.cdc.stack import Stack, free_ports

S0, S1 = application().shards
# Small numbers, so that a test needs no gigabytes; the times are those of production.
POLICY = Policy(wal_step=MEBI // 4, safe_wal=16 * MEBI)
PARTS = ("shard_s0", "shard_s1", "kafka", "connect", "s3", "warehouse", "loader")
RUN = timedelta(minutes=1)


class InMemory(dict[str, Any]):
    """A memory that holds JSON alone, as Airflow's store does."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))


@dataclass
class Drill:
    """The parts, and a health check whose clock a test moves."""

    stack: Stack
    clock: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(days=40))
    runs: int = 0
    memory: Memory = field(default_factory=lambda: InMemory())

    def look_up(self, name: str) -> Connection:
        return Connection.from_env(name, self.stack.environment())

    def run(self, *, after: timedelta = RUN) -> Report:
        """One run of the check."""
        self.clock += after
        self.runs += 1
        run = f"drill-{self.runs}"
        return check(application(), self.look_up, self.memory, run, policy=POLICY, clock=lambda: self.clock)

    def count(self) -> list[str]:
        """What the task that counts says."""
        return list(count(Systems(self.look_up), self.memory))

    def fresh(self) -> None:
        """A day later, when no action or alert of before holds back another; and all is well."""
        self.clock += timedelta(hours=25)
        for shard in (S0, S1):
            self.repair(shard)
        self.settled()
        self.until(lambda: not self.run().facts.behind(), 90, "the loader is at the end")

    def repair(self, shard: Shard) -> None:
        """A clean start after a test that failed half-way."""
        self.retry_on_rebalance(partial(Connect.resume, name=shard.connector))
        self.retry_on_rebalance(partial(Connect.restart_failed, name=shard.connector))
        try:
            self.until(partial(self.streams, shard), 40, "it streams")
        except AssertionError:
            self.rebuild(shard)

    def streams(self, shard: Shard) -> bool:
        return self.slot(shard) == [(True,)] and self.tasks(shard) == ["RUNNING"]

    def settled(self, seconds: float = 90) -> None:
        """Until the connectors run with their slots open."""
        for shard in (S0, S1):
            self.until(partial(self.streams, shard), seconds, f"{shard.name} streams")

    def until(self, true: Callable[[], Any], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                if true():
                    return
            except (TryAgain, NotThere, psycopg2.Error):
                pass
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
            time.sleep(0.1)

    def state(self, report: Report, of: Shard | str) -> State:
        return report.decision.state(of if isinstance(of, str) else of.connector)

    def slot(self, shard: Shard) -> list[tuple[Any, ...]]:
        return self.sql(shard, "SELECT active FROM pg_replication_slots WHERE slot_name = %s", shard.slot)

    def sql(self, shard: Shard, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """A statement by the owner of the database's cluster."""
        cluster = shards.cluster(self.stack.settings, self.stack.credentials, shard.name)
        connection = psycopg2.connect(cluster.dsn(shards.DATABASE))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def connect(self) -> Connect:
        return Connect(self.look_up("kafka_connect"))

    def tasks(self, shard: Shard) -> list[str]:
        with self.connect() as connect:
            return [task.state for task in connect.status(shard.connector).tasks]

    def wait_for_task(self, shard: Shard, state: str, seconds: float = 60) -> None:
        self.until(lambda: self.tasks(shard) == [state], seconds, f"the task of {shard.connector} is {state}")

    def retry_on_rebalance(self, do: Callable[[Connect], Any]) -> None:
        """Something of Connect, again while it is rebalancing."""

        def done() -> bool:
            with self.connect() as connect:
                do(connect)
            return True

        self.until(done, 60, "Connect takes a request")

    def stop(self, shard: Shard) -> None:
        self.retry_on_rebalance(lambda c: c.stop(shard.connector))
        self.until(lambda: self.tasks(shard) == [] and self.slot(shard) in ([(False,)], []), 60, "stopped")

    def rebuild(self, shard: Shard) -> None:
        """The cure for a lost slot, as the on-call DAG does it."""
        self.stop(shard)
        self.sql(
            shard,
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s",
            shard.slot,
        )
        self.retry_on_rebalance(lambda c: c.reset_offsets(shard.connector))
        self.warehouse(
            lambda cursor: cursor.execute(
                "INSERT INTO RAW.CATCHMENT.EPOCHS SELECT %s, 'drill', 0, 1, 0, 'drill', %s::TIMESTAMP_NTZ",
                (shard.name, sql_time(self.clock)),
            )
        )
        self.retry_on_rebalance(lambda c: c.resume(shard.connector))
        self.settled()

    def warehouse(self, do: Callable[[Any], Any]) -> Any:
        opened = session.connect(self.look_up("snowflake_default"))
        try:
            return do(opened.cursor())
        finally:
            opened.close()


@contextmanager
def streaming(folder: Path) -> Iterator[Drill]:
    """The parts with the declared connectors, once everything that is there has come to raw."""
    with Stack(folder, free_ports(), parts=PARTS, scale=0.02, connectors=True) as stack:
        drill = Drill(stack)
        drill.settled()
        drill.until(lambda: not drill.run().facts.behind(), 120, "the loader is at the end")
        yield drill


def sentence(report: Report, subject: str) -> str:
    """What a run said of a subject."""
    return next(s.sentence for s in report.decision.subjects if s.subject == subject)
