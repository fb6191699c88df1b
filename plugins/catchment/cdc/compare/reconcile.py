"""Compare every table of a shard with the warehouse, as of one LSN of the shard.

The snapshot is taken first. Then the comparison waits until the warehouse has passed it: Debezium (the slot's confirmed
LSN), the loader (Kafka's end offsets), dbt (its watermarks). So rows that are merely late are not called different.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from catchment.cdc import pipeline
from catchment.cdc.compare.comparison import Comparison, ShardSnapshot, compare
from catchment.cdc.compare.postgres import postgres_snapshot
from catchment.cdc.compare.results import Result, record
from catchment.cdc.compare.warehouse import CurrentState, not_merged
from catchment.cdc.declared import Shard, Table
from catchment.cdc.loader.batch import Partition
from catchment.cdc.systems import Systems
from catchment.errors import TryAgain

POLL_SECONDS = 3.0
READER = {"role": "RECONCILER"}  # the loader may not read ANALYTICS
Report = Callable[[str], None]


class NotPassed(TryAgain):
    """The warehouse did not reach the snapshot's LSN in time: nothing was compared."""


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """One run over some tables of one shard. `timeout`: how many seconds to wait for the warehouse."""

    systems: Systems
    shard: Shard
    tables: Sequence[Table]
    run: str
    timeout: float = 1800.0
    report: Report = lambda _: None

    def results(self) -> list[Result]:
        """Compare table by table; each result is written as soon as it is there."""
        results = []
        with self.systems.warehouse(**READER) as warehouse:
            cursor = warehouse.cursor()
            state = CurrentState(cursor, self.shard)
            with self.snapshot(self.tables) as now:
                for table in self.tables:
                    started = time.monotonic()
                    found = self._compare(table, now, state)
                    result = Result(
                        run=self.run,
                        shard=self.shard,
                        table=table,
                        lsn=now.after,
                        compared_at=datetime.now(UTC),
                        seconds=time.monotonic() - started,
                        comparison=found,
                    )
                    record(cursor, result)
                    self.report(result.sentence)
                    results.append(result)
        return results

    @contextmanager
    def snapshot(self, tables: Sequence[Table]) -> Iterator[ShardSnapshot]:
        """A snapshot of the shard that the warehouse has passed, for these tables."""
        connection = self.systems.look_up(self.shard.connection)
        with postgres_snapshot(connection, self.shard.of.schema) as now:
            self.wait_until_passed(now.after, tables)
            yield now

    def wait_until_passed(self, lsn: int, tables: Sequence[Table]) -> None:
        """Wait until every change up to `lsn` is in the current state. Raises NotPassed, naming what is behind."""
        deadline = time.monotonic() + self.timeout
        ends: dict[Partition, int] | None = None
        reported = ""
        while True:
            if ends is None:
                ends = self._ends(lsn, tables)
            behind = "Debezium" if ends is None else self._behind(ends, tables)
            if not behind:
                return
            if behind != reported:
                self.report(f"{self.shard.name}: waiting for {behind} to pass LSN {lsn}")
                reported = behind
            if time.monotonic() > deadline:
                raise NotPassed(
                    f"{self.shard.name}: {behind} did not pass LSN {lsn} within {self.timeout:.0f} s, so nothing was "
                    "compared. See cdc_connector_health, and whether application_state runs; then clear this task."
                )
            time.sleep(POLL_SECONDS)

    def _ends(self, lsn: int, tables: Sequence[Table]) -> dict[Partition, int] | None:
        """Kafka's ends once Debezium has written everything up to `lsn`; None before."""
        with self.systems.shard(self.shard) as session:
            captured = pipeline.captured(session, self.shard)
        if captured is None or captured < lsn:
            return None
        topics = [self.shard.topic(table) for table in tables]
        return pipeline.ends(self.systems.look_up("kafka"), topics)

    def _behind(self, ends: dict[Partition, int], tables: Sequence[Table]) -> str:
        """Which stage has not reached these ends."""
        with self.systems.warehouse(**READER) as warehouse:
            cursor = warehouse.cursor()
            if pipeline.not_loaded(cursor, ends):
                return "the loader"
            for table in tables:
                if not_merged(cursor, self.shard, table, ends):
                    return f"dbt (application_state, {table.name})"
        return ""

    def _compare(self, table: Table, now: ShardSnapshot, state: CurrentState) -> Comparison:
        return compare(table, now, state, lambda: self.snapshot([table]))
