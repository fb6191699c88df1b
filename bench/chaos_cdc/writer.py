"""Carry out a lane's transactions on the shards, each exactly once, through every outage of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from threading import Event, Thread
from typing import Any

import psycopg2

from bench.chaos_cdc.workload import Carry, Lane, Step, Transaction, Undone, Write

WAIT_SECONDS = 0.5
TRIES = 8
# SQLSTATEs that mean "again": deadlock, lock time-out, and two lanes that make the same partition at once.
AGAIN = ("40", "55P03", "42P07", "23505")
OPTIONS = "-c timezone=UTC -c lock_timeout=8000 -c idle_in_transaction_session_timeout=60000"

Report = Callable[[str], None]


class Writer(Thread):
    """One lane's client, at `rate` transactions a second until `stop` is set.

    `committed` holds (shard, transaction id) of everything that changed rows: Kafka owes a record of each.
    """

    def __init__(self, lane: Lane, dsns: Mapping[str, str], *, rate: float, stop: Event, report: Report) -> None:
        super().__init__(name=f"lane-{lane.number}", daemon=True)
        self.lane = lane
        self.done: Counter[str] = Counter()
        self.committed: set[tuple[str, int]] = set()
        self._dsns = dsns
        self._pause = 1 / rate
        self._stop_asked = stop
        self._report = report
        self._open: dict[str, Any] = {}

    def run(self) -> None:
        for transaction in self.lane:
            began = time.monotonic()
            if transaction.steps:
                self._carry_out(transaction)
            self._stop_asked.wait(max(0.0, began + self._pause - time.monotonic()))
            if self._stop_asked.is_set():
                break
        for connection in self._open.values():
            connection.close()

    def _carry_out(self, transaction: Transaction) -> None:
        """Until it is committed, or refused. A shard that is away is waited for, also after `stop`."""
        refusals = 0
        attempt = _Attempt(transaction)
        while True:
            try:
                if attempt.committing and self._is_committed(attempt):
                    break
                attempt = _Attempt(transaction)
                attempt.run(self._connection)
                break
            except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
                self._roll_back()
                self.done["tried again"] += 1
                if not getattr(error, "pgcode", None):
                    self._forget()
                time.sleep(WAIT_SECONDS)
            except psycopg2.Error as error:
                self._roll_back()
                refusals += 1
                if refusals > TRIES or not str(error.pgcode).startswith(AGAIN):
                    self.done["refused"] += 1
                    self._report(
                        f"lane {self.lane.number}: refused {transaction.kinds}: {' '.join(str(error).split())}"
                    )
                    return
        self.committed |= attempt.effective
        self.done.update(transaction.kinds if transaction.commits else ("rolled back",))
        self.done["transactions"] += 1

    def _is_committed(self, attempt: _Attempt) -> bool:
        """Whether a transaction whose COMMIT got no answer was committed all the same."""
        with self._connection(attempt.transaction.shard).cursor() as cursor:
            while True:
                try:
                    cursor.execute("SELECT txid_status(%s)", (attempt.id,))
                except psycopg2.errors.InvalidParameterValue:  # "in the future": nothing of it outlived the crash
                    cursor.connection.rollback()
                    return False
                (status,) = cursor.fetchone()
                cursor.connection.rollback()
                if status != "in progress":
                    return bool(status == "committed")
                time.sleep(WAIT_SECONDS)

    def _connection(self, shard: str) -> Any:
        if shard not in self._open:
            self._open[shard] = psycopg2.connect(
                self._dsns[shard], connect_timeout=5, application_name=self.name, options=OPTIONS
            )
        return self._open[shard]

    def _roll_back(self) -> None:
        for shard, connection in list(self._open.items()):
            try:
                connection.rollback()
            except psycopg2.Error:
                self._open.pop(shard)

    def _forget(self) -> None:
        for connection in self._open.values():
            connection.close()
        self._open.clear()


class _Attempt:
    """One try of a transaction. `effective`: the transactions, of the other shard too, that changed rows for good."""

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.id = 0
        self.committing = False
        self.effective: set[tuple[str, int]] = set()
        self._rows = 0

    def run(self, connection: Callable[[str], Any]) -> None:
        here = connection(self.transaction.shard)
        with here.cursor() as cursor:
            self.id = _number(cursor)
            for step in self.transaction.steps:
                self._take(step, cursor, connection)
        if not self.transaction.commits:
            here.rollback()
            return
        self.committing = True
        if self._rows:
            self.effective.add((self.transaction.shard, self.id))
        here.commit()

    def _take(self, step: Step, cursor: Any, connection: Callable[[str], Any]) -> None:
        match step:
            case Write():
                self._rows += _write(cursor, step)
            case Undone(writes):
                cursor.execute("SAVEPOINT part")
                for write in writes:
                    _write(cursor, write)
                cursor.execute("ROLLBACK TO SAVEPOINT part")
            case Carry(table, where, to):
                self._take_there(table, where, to, cursor, connection(to))

    def _take_there(self, table: str, where: Write, to: str, cursor: Any, there: Any) -> None:
        cursor.execute(f"SELECT t::text FROM {table} AS t WHERE {where.sql}", where.values)
        found = cursor.fetchall()
        with there.cursor() as target:
            number = _number(target)
            insert = f"INSERT INTO {table} SELECT (%s::{table}).* ON CONFLICT DO NOTHING"
            rows = sum(_write(target, Write(insert, row)) for row in found)
        there.commit()
        if rows:
            self.effective.add((to, number))


def _number(cursor: Any) -> int:
    cursor.execute("SELECT txid_current()")
    return int(cursor.fetchone()[0])


def _write(cursor: Any, write: Write) -> int:
    """Run it; how many rows it changed. A TRUNCATE counts as one."""
    cursor.execute(write.sql, write.values)
    command = cursor.statusmessage.partition(" ")[0]
    return 1 if command == "TRUNCATE" else cursor.rowcount if command in ("INSERT", "UPDATE", "DELETE") else 0
