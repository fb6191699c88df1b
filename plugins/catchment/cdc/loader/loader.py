"""The loader: Kafka → raw for all declared topics, until it is stopped.

One thread reads Kafka into the next batch while another commits the previous one. A batch is sent as soon as the
warehouse is free, so batches grow with the load. Every error is handled in the same way: drop what is in memory, read
the ledger, continue from there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, fields
from pathlib import Path
from threading import Event
from typing import Any

from catchment.cdc.declared import FOLDER, Application, read
from catchment.cdc.loader import tables
from catchment.cdc.loader.batch import Advance, KafkaBatch, Partition
from catchment.cdc.loader.kafka import Kafka, KafkaUnavailable, OffsetOutOfRange, Topic
from catchment.cdc.loader.offsets import LostRace
from catchment.cdc.loader.rows import Rejected
from catchment.cdc.loader.starts import Stopped, starts
from catchment.cdc.loader.status import LoaderStatus
from catchment.cdc.loader.warehouse import LoaderWarehouse
from catchment.errors import CatchmentError, ContractBroken, NeedsPerson

log = logging.getLogger("catchment.cdc.loader")

PREFIX = "CATCHMENT_CDC_"
STANDBY = 5.0  # seconds before a loader that lost a race retries
REPORT = 10.0  # seconds between lines of progress


@dataclass(frozen=True, kw_only=True)
class LoaderSettings:
    """How the loader behaves. `flush_seconds` is the least time between transactions: 0 locally, for latency; some
    seconds on an account, where each one costs. A batch is full at `batch_rows` or `batch_bytes`."""

    name: str = "cdc-load"
    flush_seconds: float = 0.0
    batch_rows: int = 100_000
    batch_bytes: int = 128_000_000
    refresh_seconds: float = 10.0
    status: Path | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> LoaderSettings:
        """Settings from CATCHMENT_CDC_NAME, _FLUSH_SECONDS, _BATCH_ROWS, _BATCH_BYTES, _REFRESH_SECONDS, _STATUS."""
        given: dict[str, Any] = {}
        for known in fields(cls):
            name = PREFIX + known.name.upper()
            kind: Any = Path if known.name == "status" else type(known.default)
            if text := environ.get(name):
                try:
                    given[known.name] = kind(text)
                except ValueError as error:
                    raise NeedsPerson(f"{name} is {text!r}: give a number.") from error
        return cls(**given)


def declared_now() -> Application:
    """The current declaration: a running loader picks up a table that is added."""
    return read(FOLDER)


@dataclass
class Loader:
    """Loads until `stop` is set. `open_warehouse` and `open_kafka` make new sessions after each trouble."""

    open_warehouse: Callable[[], LoaderWarehouse]
    open_kafka: Callable[[], Kafka]
    settings: LoaderSettings = field(default_factory=LoaderSettings)
    declared: Callable[[], Application] = declared_now
    stop: Event = field(default_factory=Event)
    status: LoaderStatus = field(default_factory=LoaderStatus)

    def run(self) -> None:
        """Load until stopped; what was read by then is loaded first. Errors are retried for ever, with back-off."""
        troubles = 0
        while not self.stop.is_set():
            loaded = self.status.transactions
            try:
                with ExitStack() as opened:
                    warehouse = opened.enter_context(closing(self.open_warehouse()))
                    kafka = opened.enter_context(closing(self.open_kafka()))
                    LoadSession(self, warehouse, kafka).run()
                return
            except LostRace as error:
                troubles, delay = 0, STANDBY
                message = f"another loader is at work ({error}): this one waits. Nothing is lost or duplicated."
            except OffsetOutOfRange as error:
                troubles, delay = troubles + 1, _pause(troubles)
                message = f"Kafka has no record at the ledger's offset ({error}): the topics are checked again."
            except CatchmentError as error:
                troubles = 1 if self.status.transactions > loaded else troubles + 1
                delay, message = _pause(troubles), str(error)
            log.warning("%s Next try in %.0f s.", message, delay)
            self.status.state, self.status.problem = "waiting", message
            self.status.write(now=True)
            self.stop.wait(delay)
        self.status.state = "ended"
        self.status.write(now=True)


def _partitions(topic: Topic) -> list[Partition]:
    return [Partition(topic.name, number) for number in topic.partitions]


def _pause(troubles: int) -> float:
    """Seconds to wait after so many troubles in a row: 1, 2, 4 … 30."""
    return float(min(30, 2 ** min(max(troubles - 1, 0), 5)))


class LoadSession:
    """Loading with one warehouse session and one Kafka client, until the first error."""

    def __init__(self, loader: Loader, warehouse: LoaderWarehouse, kafka: Kafka) -> None:
        self.settings, self.status, self.stop = loader.settings, loader.status, loader.stop
        self.declared = loader.declared
        self.warehouse, self.kafka = warehouse, kafka
        self.ledger: dict[Partition, int | None] = {}
        self.topic_ids: dict[str, str] = {}
        self.targets: dict[str, Any] = {}
        self.batch = KafkaBatch()
        self.sent: tuple[KafkaBatch, tuple[Advance, ...], Future[tuple[Rejected, ...]]] | None = None
        self.sent_at = self.refreshed_at = self.reported_at = self.advanced_at = -1e9
        self.reported_rows = self.status.rows

    def run(self) -> None:
        """Load until stopped. Any error is raised, and what is in memory is dropped."""
        self.warehouse.abort_open_transactions()
        with ThreadPoolExecutor(1, thread_name_prefix="commit") as committer:
            while not self.stop.is_set():
                self._refresh()
                self._read()
                self._settle()
                if self.sent is None and self._due():
                    self._send(committer)
                self._report()
            self._settle(block=True)
            if self.batch.rows or self.batch.rejects:
                self._send(committer)
                self._settle(block=True)
        log.info("ended: %d rows loaded since the start, the rest waits in Kafka", self.status.rows)

    def _refresh(self) -> None:
        """Start reading new topics and partitions, and stop reading those that were recreated."""
        if time.monotonic() - self.refreshed_at < self.settings.refresh_seconds:
            return
        try:
            application = self.declared()
        except (ContractBroken, OSError, ValueError) as error:
            log.error("the declaration can't be read, the last one stays: %s", error)
            application = None
        if application is not None:
            self.targets = tables.targets(application)
        self._check_ledger()
        topics = self.kafka.topics(self.targets)
        self._assign(topics)
        self.refreshed_at = time.monotonic()

    def _check_ledger(self) -> None:
        """Check that the ledger is where we left it: a transaction ended by someone else looks committed to us.

        The next batch would notice; this is for the case that none comes.
        """
        if self.sent is not None or not self.ledger:
            return
        ledger = self.warehouse.ledger()
        for partition, reached in self.ledger.items():
            found = ledger[partition].next_offset if partition in ledger else None
            if found != reached:
                raise LostRace(f"{partition} is loaded up to {found}, not {reached}")

    def _assign(self, topics: Mapping[str, Topic]) -> None:
        bounds = self.kafka.bounds([p for topic in topics.values() for p in _partitions(topic)])
        topics = {name: t for name, t in topics.items() if bounds.keys() >= set(_partitions(t))}
        partitions = [p for topic in topics.values() for p in _partitions(topic)]
        recreated = {name for name, kept in self.topic_ids.items() if name in topics and topics[name].id != kept}
        if recreated or not set(partitions) <= self.ledger.keys() or self.ledger.keys() - set(partitions):
            self._choose(topics, bounds)
        self.status.behind = sum(bounds[p][1] - (n or 0) for p, n in self.ledger.items() if p in bounds)

    def _choose(self, topics: Mapping[str, Topic], bounds: Mapping[Partition, tuple[int, int]]) -> None:
        """Decide where each topic is read from, once the batch being committed is done. What was read is kept."""
        self._settle(block=True)
        ledger = self.warehouse.ledger()
        begin: dict[Partition, int] = {}
        stopped: dict[str, str] = {}
        going_on: list[Partition] = []
        for topic in topics.values():
            found = starts(topic, ledger, bounds)
            if isinstance(found, Stopped):
                stopped[topic.name] = str(found)
                if self.status.stopped.get(topic.name) != str(found):
                    log.error("%s", found)
                continue
            self.topic_ids[topic.name] = topic.id
            for partition, offset in found.items():
                if partition in self.ledger:
                    going_on.append(partition)
                else:
                    begin[partition] = offset
                    self.ledger[partition] = ledger[partition].next_offset if partition in ledger else None
        left = self.ledger.keys() - begin.keys() - set(going_on)
        if left:
            raise KafkaUnavailable(
                f"{', '.join(sorted({p.topic for p in left}))} were deleted or changed: checking again."
            )
        if begin:
            new = sorted({p.topic for p in begin})
            self.warehouse.execute(tables.statements([self.targets[name] for name in new]))
            log.info("reading %d partitions of %d new topics: %s", len(begin), len(new), ", ".join(new))
            self.kafka.assign(begin, going_on)
        self.status.stopped = stopped

    def _read(self) -> None:
        """Read from Kafka; with a full batch, wait for the warehouse instead."""
        if self.batch.rows >= self.settings.batch_rows or self.batch.size >= self.settings.batch_bytes:
            if self.sent is not None:
                wait([self.sent[2]], timeout=0.5)
            return
        waiting = self.sent is not None and self.batch.rows
        for partition, records in self.kafka.poll(0.01 if waiting else 0.2).items():
            self.batch.add(partition, records)
            self.batch.read[partition] = records[-1].offset + 1

    def _due(self) -> bool:
        """Whether there is something to send, and enough time has passed since the last."""
        now = time.monotonic()
        if self.batch.rows or self.batch.rejects:
            full = self.batch.rows >= self.settings.batch_rows or self.batch.size >= self.settings.batch_bytes
            return full or now - self.sent_at >= self.settings.flush_seconds
        return now - self.advanced_at >= max(1.0, self.settings.flush_seconds)

    def _send(self, committer: ThreadPoolExecutor) -> None:
        """Give the batch to the warehouse. One without rows moves partitions past transaction markers."""
        batch, self.batch = self.batch, KafkaBatch()
        if not (batch.rows or batch.rejects):
            self.advanced_at = time.monotonic()
            batch.read = {partition: self.kafka.position(partition) for partition in self.ledger}
        advances = batch.advances(self.ledger)
        if not advances:
            return
        self._check_topic_ids({advance.partition.topic for advance in advances})
        self.sent_at = time.monotonic()
        future = committer.submit(self.warehouse.commit, batch, advances, self.targets, self.topic_ids)
        self.sent = (batch, advances, future)

    def _check_topic_ids(self, names: set[str]) -> None:
        """Raise if a topic was deleted since it was read: later records belong to another topic.

        If a topic has the same id now, it had it when its records were fetched.
        """
        now = self.kafka.topics(names)
        if missing := sorted(n for n in names if n not in now or now[n].id != self.topic_ids[n]):
            raise KafkaUnavailable(f"{', '.join(missing)} was deleted or recreated: nothing of it is loaded.")

    def _settle(self, *, block: bool = False) -> None:
        """Take the result of the batch being committed, if it is there; raises its error."""
        if self.sent is None:
            return
        batch, advances, future = self.sent
        while block and not future.done():
            wait([future], timeout=1)
            self.status.write()
        if not future.done():
            return
        self.sent = None
        refused = future.result()
        self.ledger.update({a.partition: a.after for a in advances})
        rejects = [*batch.rejects, *refused]
        self.status.committed(batch.rows - len(refused), len(rejects))
        for reject in rejects[:10]:
            log.error("%s offset %d rejected: it %s", reject.file, reject.offset, reject.reason)

    def _report(self) -> None:
        self.status.write()
        now = time.monotonic()
        if self.sent is not None and now - self.sent_at > REPORT and now - self.reported_at > REPORT:
            log.warning("the warehouse has not answered for %.0f s", now - self.sent_at)
        elif now - self.reported_at < REPORT or self.status.rows == self.reported_rows:
            return
        else:
            rate = (self.status.rows - self.reported_rows) / (now - max(self.reported_at, now - 60))
            log.info("%d rows loaded (%.0f/s), %s offsets behind", self.status.rows, rate, self.status.behind)
        self.reported_at, self.reported_rows = now, self.status.rows
