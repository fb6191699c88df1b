"""Commits at a steady rate, and how long each takes to be on Kafka and to be visible in raw."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.cdc_kafka import KafkaClock
from bench.cdc_parts import Bench, Commit, Look, Place, Processor, places, rows
from catchment.cdc.declared import application
from catchment.cdc.loader.warehouse import LoaderWarehouse

INSERTS = (
    "INSERT INTO events (account_id, name, properties, duration_ms, body) "
    "VALUES (1, 'bench', '{\"a\": 1}', 1.5, repeat('x', 200)) RETURNING id",
    "INSERT INTO activities (account_id, kind, amount, payload, occurred_at) "
    "VALUES (1, 'bench', 1.5, '{\"a\": 1}', clock_timestamp()) RETURNING id",
    "INSERT INTO events (account_id, name, body) VALUES (2, 'bench', repeat('y', 300)) RETURNING id",
)
TABLES = ("events", "activities", "events")
BEHIND_MS = 2_000
"""Rows that wait longer than this at the end of a rate pile up: at a rate that is kept they wait some tenths."""


@dataclass(frozen=True)
class Measured:
    """Milliseconds from the end of each COMMIT, in their order, to Kafka and to the first sight of its row."""

    rate: float
    committed: float
    to_kafka: Sequence[float]
    visible: Sequence[float]
    processor: dict[str, int]

    def late(self, waits: Sequence[float]) -> float:
        """The median of the last quarter."""
        return statistics.median(waits[-max(1, len(waits) // 4) :])

    @property
    def is_behind(self) -> bool:
        return self.late(self.visible) > BEHIND_MS

    def bottleneck(self) -> str:
        """Where the rows wait, with the cores' use."""
        waits = "between COMMIT and Kafka" if self.late(self.to_kafka) > BEHIND_MS else "between Kafka and raw"
        used = ", ".join(f"{part} {percent} %" for part, percent in self.processor.items())
        return f"rows wait {waits}; of a core: {used}"


def topics() -> set[str]:
    """The topics of the tables that are written to."""
    declared = application()
    return {shard.topic(shard.table(name)) for shard in declared.shards for name in set(TABLES)}


def measure(bench: Bench, rate: float, seconds: float, *, writers: int = 1, every: float = 0.03) -> Measured:
    """Commit at a rate for some seconds, and find each row on Kafka and in raw, once."""
    look = Look(bench.ledger(), every)
    looking = threading.Thread(target=look.run)
    with tempfile.TemporaryDirectory() as folder:
        clock = KafkaClock(Path(folder) / "seen", topics(), bench.stack.environment())
        with clock:
            looking.start()
            processor = Processor(bench.stack)
            began = time.time()
            commits = commit_at(bench, rate, seconds, writers)
            took = time.time() - began
            used = processor.percent()
            time.sleep(1)  # the last rows arrive before the looks at raw, which cost more
            found = _found(bench, commits)
        on_kafka = clock.seen()
    look.done.set()
    looking.join()
    placed = [(c, found[c.topic, c.id]) for c in commits]
    return Measured(
        rate,
        len(commits) / took,
        [(on_kafka[p.partition, p.offset] - c.at) * 1000 for c, p in placed],
        [(look.reached(p.partition, p.offset) - c.at) * 1000 for c, p in placed],
        used,
    )


def falls_behind(bench: Bench, rates: Iterable[float], seconds: float) -> tuple[float | None, str]:
    """The first rate at which rows pile up, or None, and what stood in the way then."""
    measured = None
    for rate in rates:
        measured = measure(bench, rate, seconds, writers=4, every=0.2)
        print(
            f"{rate:g}/s asked, {measured.committed:.0f}/s committed; in the last quarter "
            f"{measured.late(measured.to_kafka):.0f} ms to Kafka, {measured.late(measured.visible):.0f} ms to raw; "
            f"{measured.bottleneck()}",
            flush=True,
        )
        if measured.is_behind:
            return round(measured.committed), measured.bottleneck()
        if measured.committed < 0.8 * rate:
            return None, f"the commits themselves: {measured.committed:.0f}/s; {measured.bottleneck()}"
    return None, "" if measured is None else measured.bottleneck()


def commit_at(bench: Bench, rate: float, seconds: float, writers: int = 1) -> list[Commit]:
    """Commit one row at a time, at a steady rate, over the shards and tables in turn; in the order of their ends."""
    commits: list[Commit] = []
    threads = [
        threading.Thread(target=_write, args=(bench, rate / writers, seconds, number / rate, commits))
        for number in range(writers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(commits, key=lambda c: c.at)


def _write(bench: Bench, rate: float, seconds: float, delay: float, commits: list[Commit]) -> None:
    declared = application()
    with closing(bench.shard("s0")) as s0, closing(bench.shard("s1")) as s1:
        cursors = [(s0, s0.cursor(), declared.shard("s0")), (s1, s1.cursor(), declared.shard("s1"))]
        began = time.time() + delay
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, began + number / rate - time.time()))
            connection, cursor, shard = cursors[number % 2]
            kind = number // 2 % len(INSERTS)
            cursor.execute(INSERTS[kind])
            ((id,),) = cursor.fetchall()
            connection.commit()
            commits.append(Commit(shard.topic(shard.table(TABLES[kind])), int(id), time.time()))


def _are_there(session: LoaderWarehouse, topic: str, ids: set[int]) -> bool:
    return ids <= places(session, topic).keys()


def _found(bench: Bench, commits: Iterable[Commit]) -> dict[tuple[str, int], Place]:
    """The place of each committed row, as soon as all are in raw."""
    wanted: dict[str, set[int]] = {}
    for commit in commits:
        wanted.setdefault(commit.topic, set()).add(commit.id)
    found: dict[tuple[str, int], Place] = {}
    with closing(bench.warehouse()) as session:
        for topic, ids in sorted(wanted.items()):
            bench.wait(topic, partial(_are_there, session, topic, ids))
            there = places(session, topic)
            if len(there) != rows(session, topic):
                raise SystemExit(f"{topic}: raw has a row twice")
            found.update({(topic, id): place for id, place in there.items()})
    return found
