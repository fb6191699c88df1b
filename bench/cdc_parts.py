"""What the benchmark of change data capture is made of: its sessions on a private stack, and what looks at it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil
import psycopg2
import snowflake.connector

from catchment.cdc.declared import application
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import Kafka
from catchment.cdc.loader.tables import targets
from catchment.cdc.loader.warehouse import LoaderWarehouse
from catchment.connection import Connection
from catchment.warehouse.names import OFFSETS
from catchment.warehouse.session import arguments
from local.cdc.stack import Stack

TIMEOUT = 600.0


@dataclass(frozen=True)
class Commit:
    """One commit of the first part: the table's topic, the row's id, and when COMMIT returned."""

    topic: str
    id: int
    at: float


@dataclass(frozen=True)
class Place:
    """Where a row is in Kafka."""

    partition: Partition
    offset: int


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
class Processor:
    """The processor time of each part of a stack, from when it is made."""

    stack: Stack
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._before = self._seconds()

    def percent(self) -> dict[str, int]:
        """Of one core, the busiest first."""
        now, seconds = self._seconds(), time.monotonic() - self.began
        used = {part: 100 * (now[part] - self._before[part]) / seconds for part in now}
        used["others on the machine"] = max(0.0, used.pop("the machine") - sum(used.values()))
        return {part: round(percent) for part, percent in sorted(used.items(), key=lambda item: -item[1])}

    def _seconds(self) -> dict[str, float]:
        found = {part: self._of(psutil.Process(self.stack.pid(part))) for part in self.stack.parts}
        machine = psutil.cpu_times()
        busy = sum(machine) - machine.idle - machine.iowait
        return found | {"bench": sum(psutil.Process().cpu_times()[:2]), "the machine": busy}

    @staticmethod
    def _of(process: psutil.Process) -> float:
        total = 0.0
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += sum(one.cpu_times()[:2])
        return total


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
        """A cheap look at the ledger in a session of its own: with a binding, so that it is not parsed each time."""
        given = arguments(self.connection("snowflake_default"), query_tag="bench", database="RAW")
        cursor = snowflake.connector.connect(**(given | {"paramstyle": "qmark"})).cursor()

        def look() -> dict[Partition, int]:
            cursor.execute(f"SELECT TOPIC, KAFKA_PARTITION, NEXT_OFFSET FROM {OFFSETS} WHERE NEXT_OFFSET > ?", (0,))
            return {Partition(topic, int(number)): int(offset) for topic, number, offset in cursor.fetchall()}

        return look

    def kafka(self) -> Kafka:
        return Kafka(self.connection("kafka"))

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            if time.monotonic() > deadline:
                raise SystemExit(f"{what}: not within {TIMEOUT:.0f} s")
            time.sleep(0.2)


def rows(warehouse: LoaderWarehouse, topic: str) -> int:
    ((count,),) = ask(warehouse, f"SELECT COUNT(*) FROM {table(topic)}")
    return int(count)


def last(warehouse: LoaderWarehouse, topic: str) -> dict[Partition, int]:
    """The newest offset of each partition in raw; every place there must have one row."""
    found = ask(
        warehouse,
        f"SELECT KAFKA_PARTITION, MAX(KAFKA_OFFSET), COUNT(*), COUNT(DISTINCT KAFKA_OFFSET) FROM {table(topic)} "
        "GROUP BY 1",
    )
    if any(count != distinct for *_, count, distinct in found):
        raise SystemExit(f"{topic}: raw has a row twice")
    return {Partition(topic, int(number)): int(offset) for number, offset, *_ in found}


def places(warehouse: LoaderWarehouse, topic: str) -> dict[int, Place]:
    """Where each row of a topic is, by its id."""
    found = ask(
        warehouse,
        f"SELECT RECORD_CONTENT:after:id::NUMBER, KAFKA_PARTITION, KAFKA_OFFSET FROM {table(topic)}",
    )
    return {int(i): Place(Partition(topic, int(n)), int(offset)) for i, n, offset in found}


def ask(warehouse: LoaderWarehouse, sql: str) -> Sequence[tuple[Any, ...]]:
    with warehouse.transaction("ask") as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def table(topic: str) -> str:
    return targets(application())[topic].table
