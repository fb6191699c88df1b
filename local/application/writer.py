"""One thread a shard that keeps writing like a live application, at a set rate, through outages of its database."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Event, Thread
from typing import Any

import psycopg2

from local.application.changes import CHANGES, move_account

ROLLED_BACK = 0.04  # the share of transactions that are given up at their end
MOVED = 0.02  # the share that moves an account to another shard
PARTITIONS_EVERY = 3600.0  # seconds
WAIT_SECONDS = 2.0

log = logging.getLogger("application")


@dataclass
class Progress:
    """What one writer has done; other threads only read it. `problem` is why it can't write now."""

    done: Counter[str] = field(default_factory=Counter)
    problem: str | None = None


class Writer(Thread):
    """Writes to one shard at `rate` commits a second until `stop` is set. What it needs to go on is in the database."""

    def __init__(self, shard: str, dsns: Mapping[str, str], *, rate: float, stop: Event, draw: Random) -> None:
        super().__init__(name=f"writer-{shard}", daemon=True)
        self.progress = Progress()
        self._shard = shard
        self._dsns = dsns
        self._pause = 1 / rate
        self._stop_asked = stop
        self._draw = draw
        self._partitions_due = 0.0

    def run(self) -> None:
        while not self._stop_asked.is_set():
            try:
                self._write()
            except psycopg2.Error as error:
                self._say_problem(" ".join(str(error).split()))
                self._stop_asked.wait(WAIT_SECONDS)

    def _write(self) -> None:
        """One connection's life."""
        connection = _connect(self._dsns[self._shard])
        try:
            due = time.monotonic()
            while not self._stop_asked.is_set():
                self._ensure_partitions(connection)
                self._transaction(connection)
                if self.progress.problem:
                    log.info("%s: writing again", self._shard)
                    self.progress.problem = None
                due = max(due + self._pause, time.monotonic() - 1)  # after a stall it catches up a second, no more
                self._stop_asked.wait(max(0.0, due - time.monotonic()))
        finally:
            connection.close()

    def _transaction(self, connection: Any) -> None:
        others = [shard for shard in self._dsns if shard != self._shard]
        fate = self._draw.random()
        if others and fate < MOVED:
            self._move(connection, self._draw.choice(others))
            return
        changes, weights = zip(*CHANGES, strict=True)
        change = self._draw.choices(changes, weights)[0]
        with connection.cursor() as cursor:
            change(cursor, self._draw)
        if fate > 1 - ROLLED_BACK:
            connection.rollback()
            self.progress.done["rolled_back"] += 1
        else:
            connection.commit()
            self.progress.done[change.__name__] += 1

    def _move(self, connection: Any, to: str) -> None:
        try:
            there = _connect(self._dsns[to])
        except psycopg2.OperationalError:
            return  # that shard is down, which is its own writer's trouble
        try:
            with connection.cursor() as here, there.cursor() as target:
                move_account(here, target, self._draw)
            connection.commit()
        finally:
            there.close()
        self.progress.done[move_account.__name__] += 1

    def _ensure_partitions(self, connection: Any) -> None:
        """The partitions that this and the next month's activities go to, made ahead as any application must."""
        if time.monotonic() < self._partitions_due:
            return
        today = datetime.now(UTC).date()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT ensure_activity_partitions(%s, %s)", (today - timedelta(days=62), today + timedelta(days=62))
            )
        connection.commit()
        self._partitions_due = time.monotonic() + PARTITIONS_EVERY

    def _say_problem(self, problem: str) -> None:
        if self.progress.problem is None:
            log.warning("%s: can't write, trying again every %.0f s: %s", self._shard, WAIT_SECONDS, problem)
        self.progress.problem = f"{self._shard}: {problem}"


def _connect(dsn: str) -> Any:
    return psycopg2.connect(dsn, connect_timeout=3, application_name="application", options="-c timezone=UTC")
