"""Compare every table of a shard with the warehouse, as of one LSN of the shard.

The snapshot is taken first. Then the comparison waits until the warehouse has passed it: Debezium (the slot's confirmed
LSN), the loader (Kafka's end offsets), dbt (its watermarks). So rows that are merely late are not called different.
A table that can't be compared is reported with its reason, and ends no other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from catchment.cdc import pipeline
from catchment.cdc import shard as database
from catchment.cdc.compare.comparison import MOST_NAMED, Comparison, Fault, KeepsMoving, RowDifference, compare
from catchment.cdc.compare.postgres import PostgresSnapshot, postgres_snapshot, replica_of
from catchment.cdc.compare.results import Result, record
from catchment.cdc.compare.warehouse import CurrentState, not_merged
from catchment.cdc.declared import Shard, Table
from catchment.cdc.loader.batch import Partition
from catchment.cdc.systems import Systems
from catchment.errors import CatchmentError, TryAgain

POLL_SECONDS = 3.0
READER = {"role": "RECONCILER"}  # the loader may not read ANALYTICS
Report = Callable[[str], None]


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
        with self.systems.warehouse(**READER) as warehouse, self._open_snapshot() as now:
            cursor = warehouse.cursor()
            state = CurrentState(cursor, self.shard)
            behind = self.wait_until_passed(now.after, self.tables)
            if len(behind) == len(self.tables):
                raise TryAgain(next(iter(behind.values())))
            results = []
            for table in self.tables:
                started = time.monotonic()
                outcome = behind.get(table.name) or self._compare(table, now, state)
                result = Result(
                    run=self.run,
                    shard=self.shard,
                    table=table,
                    lsn=now.after,
                    compared_at=datetime.now(UTC),
                    seconds=time.monotonic() - started,
                    outcome=outcome,
                )
                record(cursor, result)
                self.report(result.sentence)
                results.append(result)
        return results

    def wait_until_passed(self, lsn: int, tables: Sequence[Table]) -> dict[str, str]:
        """Wait until every change up to `lsn` is in the current state; for each table that is behind, what is."""
        deadline = time.monotonic() + self.timeout
        ends: dict[Partition, int] | None = None
        reported = ""
        while True:
            self.systems.refuse_if_cancelled()
            if ends is None:
                ends = self._ends(lsn, tables)
            behind = dict.fromkeys((t.name for t in tables), "Debezium") if ends is None else self._behind(ends, tables)
            if not behind:
                return {}
            if time.monotonic() > deadline:
                return {
                    table: f"{self.shard.name}: {stage} did not pass LSN {lsn} within {self.timeout:.0f} s, so nothing "
                    "was compared. See cdc_connector_health, and whether application_state runs; then clear this task."
                    for table, stage in behind.items()
                }
            if (stages := ", ".join(dict.fromkeys(behind.values()))) != reported:
                self.report(f"{self.shard.name}: waiting for {stages} to pass LSN {lsn}")
                reported = stages
            time.sleep(POLL_SECONDS)

    def _compare(self, table: Table, now: PostgresSnapshot, state: CurrentState) -> Comparison | str:
        """The table's comparison, or the reason why there is none."""
        import psycopg2
        from snowflake.connector.errors import ProgrammingError

        try:
            with now.guarded():
                try:
                    found = compare(table, now, state, lambda: self._passed_snapshot(table))
                except KeepsMoving:
                    with self._passed_snapshot(table) as newer:
                        found = compare(table, newer, state, lambda: self._passed_snapshot(table))
                return _with_what_no_range_shows(found, table, state)
        except psycopg2.Error as error:
            self.systems.refuse_if_cancelled()
            if now.session.closed or now.live_session.closed:
                raise  # no other table could be compared
            return str(database.explain(error, self.systems.look_up(self.shard.connection)))
        except (ProgrammingError, CatchmentError, ValueError, KeyError, ArithmeticError) as error:
            self.systems.refuse_if_cancelled()
            return " ".join(str(error).split())[:400]

    @contextmanager
    def _passed_snapshot(self, table: Table) -> Iterator[PostgresSnapshot]:
        """A newer snapshot that the warehouse has passed for this table."""
        with self._open_snapshot() as now:
            if behind := self.wait_until_passed(now.after, [table]):
                raise TryAgain(behind[table.name])
            yield now

    def _open_snapshot(self) -> AbstractContextManager[PostgresSnapshot]:
        own = self.systems.look_up(self.shard.connection)
        replica = replica_of(self.systems.look_up, self.shard)
        return postgres_snapshot(self.systems, own, self.shard.of.schema, replica=replica)

    def _ends(self, lsn: int, tables: Sequence[Table]) -> dict[Partition, int] | None:
        """Kafka's ends once Debezium has written everything up to `lsn`; None before."""
        with self.systems.shard(self.shard) as session:
            captured = pipeline.captured(session, self.shard)
        if captured is None or captured < lsn:
            return None
        topics = [self.shard.topic(table) for table in tables]
        return pipeline.ends(self.systems.look_up("kafka"), topics)

    def _behind(self, ends: Mapping[Partition, int], tables: Sequence[Table]) -> dict[str, str]:
        """For each table that has not reached these ends: at which stage."""
        behind: dict[str, str] = {}
        with self.systems.warehouse(**READER) as warehouse:
            cursor = warehouse.cursor()
            not_loaded = {partition.topic for partition in pipeline.not_loaded(cursor, ends)}
            for table in tables:
                if self.shard.topic(table) in not_loaded:
                    behind[table.name] = "the loader"
                elif not_merged(cursor, self.shard, table, ends):
                    behind[table.name] = f"dbt (application_state, {table.name})"
        return behind


def _with_what_no_range_shows(found: Comparison, table: Table, state: CurrentState) -> Comparison:
    """The comparison, with rows that have a deleted twin, or whose records in raw are not what they should be."""
    known = {difference.key for difference in found.differences}
    faults = {
        Fault.DOUBLED: [key for key in state.everything(table).doubled(MOST_NAMED) if key not in known],
        Fault.NO_RECORD: state.without_record(table, MOST_NAMED),
        Fault.RECORD_TWICE: state.records_twice(table, MOST_NAMED),
    }
    every = (*found.differences, *(RowDifference(key, fault) for fault, keys in faults.items() for key in keys))
    return replace(found, differences=every[:MOST_NAMED], more=found.more or len(every) > MOST_NAMED)
