"""Read a table of one shard again: request an incremental snapshot, follow it, and count its rows.

Debezium can skip rows silently (an error in its log, the connector RUNNING). So a snapshot counts as done only when
every row that the shard had at the time of the request is in raw: read by the snapshot, or changed or deleted since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catchment.cdc import pipeline
from catchment.cdc import shard as database
from catchment.cdc.declared import Shard, Table
from catchment.cdc.loader.batch import Partition
from catchment.cdc.repair import signals
from catchment.cdc.systems import Systems
from catchment.errors import CatchmentError, NeedsPerson
from catchment.warehouse.names import KAFKA_OFFSET, KAFKA_PARTITION

RUNNING_SNAPSHOT = "incremental_snapshot_collections"


class RowsSkipped(NeedsPerson):
    """A snapshot is over and did not bring every row."""


@dataclass(frozen=True, kw_only=True)
class SnapshotRequest:
    """A snapshot asked for. `rows`: what the shard had then; `offsets`: Kafka's ends then; `lsn`: past the signal."""

    shard: Shard
    table: Table
    signal: str
    rows: int
    offsets: Mapping[int, int]
    lsn: int

    @property
    def name(self) -> str:
        return f"{self.shard.name}.{self.table.name}"


@dataclass(frozen=True)
class SnapshotProgress:
    """How far a snapshot is: `read` says that Debezium is done, `loaded` that raw has all of it."""

    rows: int
    brought: int
    read: bool
    loaded: bool = False
    truncated: bool = False

    @property
    def done(self) -> bool:
        return self.read and self.loaded

    @property
    def is_short(self) -> bool:
        return self.brought < self.rows and not self.truncated

    def __str__(self) -> str:
        brought = min(self.brought, self.rows)
        share = f" ({100 * brought // self.rows} %)" if self.rows else ""
        state = "all in raw" if self.done else "all on Kafka, raw follows" if self.read else "reading"
        return f"{brought:,} of {self.rows:,} rows{share}, {state}"


def plan(shard: Shard, table: Table, rows: int) -> list[str]:
    """What a request would do, in sentences."""
    by = table.surrogate_key or ", ".join(table.key)
    return [
        f"write an execute-snapshot signal for {shard.of.schema}.{table.name} into cdc.signals of {shard.name}",
        f"Debezium reads its {rows:,} rows again by {by}, in chunks, while streaming continues; each row "
        f"arrives once more on {shard.topic(table)} and in {shard.raw_table(table)}",
        f"wait until all of it is in raw, and count: fewer than {rows:,} rows is a failure",
        "compare the table with the warehouse's current state (cdc_reconcile)",
    ]


def count(session: Any, shard: Shard, table: Table) -> int:
    ((rows,),) = database.rows(session, f'SELECT COUNT(*) FROM "{shard.of.schema}"."{table.name}"')
    return int(rows)


def request(systems: Systems, shard: Shard, table: Table, id_: str) -> SnapshotRequest:
    """Request the snapshot, once: if an earlier attempt used this id, its snapshot continues.

    Rows are counted in the transaction that writes the signal, so that every row counted is one the snapshot must see.
    """
    with systems.shard(shard) as session:
        earlier = signals.sent(session, id_)
        if earlier is None:
            _ask(systems, shard, table, id_)
            earlier = signals.sent(session, id_)
        if earlier is None:
            raise CatchmentError(f"{shard.name}: the signal {id_} was written and is not in cdc.signals. Ask again.")
        rows, ends = earlier[signals.OURS]["rows"], earlier[signals.OURS]["offsets"]
        offsets = {int(number): int(end) for number, end in ends.items()}
        lsn = pipeline.lsn_now(session)
    return SnapshotRequest(shard=shard, table=table, signal=id_, rows=int(rows), offsets=offsets, lsn=lsn)


def _ask(systems: Systems, shard: Shard, table: Table, id_: str) -> None:
    ends = pipeline.ends(systems.look_up("kafka"), [shard.topic(table)])
    with systems.shard(shard, autocommit=False) as session:
        session.set_session(isolation_level="REPEATABLE READ")
        remember = {"rows": count(session, shard, table), "offsets": {p.number: end for p, end in ends.items()}}
        signals.send(session, id_, signals.execute_snapshot(shard, table, remember))


def progress(systems: Systems, asked: SnapshotRequest) -> SnapshotProgress:
    """How far it is. Raises NeedsPerson when the connector does not run."""
    with systems.connect() as connect:
        status = connect.status(asked.shard.connector)
        if status.state != "RUNNING" or status.failed:
            state = "has a failed task" if status.failed else f"is {status.state}"
            raise NeedsPerson(
                f"{asked.name}: the connector {asked.shard.connector} {state}, so the snapshot does not continue. See "
                "what cdc_connector_health says about it; when it runs, clear this task: the same snapshot continues."
            )
        read = is_read(connect.offsets(asked.shard.connector), asked.lsn)
    ends = pipeline.ends(systems.look_up("kafka"), [asked.shard.topic(asked.table)])
    with systems.warehouse() as warehouse:
        cursor = warehouse.cursor()
        behind = pipeline.not_loaded(cursor, ends)
        brought, truncated = _brought(cursor, asked, ends)
    return SnapshotProgress(asked.rows, brought, read, loaded=read and not behind, truncated=truncated)


def is_read(offsets: list[dict[str, Any]], lsn: int) -> bool:
    """Whether Debezium has passed the signal and has no snapshot going on, by its committed offsets.

    While one runs they name its collections; the signal itself is a change with an LSN.
    """
    found = [entry.get("offset") or {} for entry in offsets]
    return any(int(offset.get("lsn") or 0) >= lsn and not offset.get(RUNNING_SNAPSHOT) for offset in found)


def verify(asked: SnapshotRequest, seen: SnapshotProgress) -> str:
    """What came of it, in a sentence. Raises RowsSkipped."""
    if seen.truncated:
        return f"{asked.name}: the table was truncated while it was read; what came after that is in raw."
    if seen.is_short:
        by_key = "" if asked.table.surrogate_key else f", declare a surrogate_key for {asked.table.name}"
        raise RowsSkipped(
            f"{asked.name}: the snapshot is over and contained {seen.brought:,} of the {asked.rows:,} rows that the "
            f"shard had when it was asked for (signal {asked.signal}); Debezium skipped the others without failing. "
            f"See the connector's log{by_key}, and ask for it again (docs/runbooks/cdc_resnapshot.md). Rows loaded "
            "before stay."
        )
    return f"{asked.name}: all {asked.rows:,} rows that the shard had are in raw again."


def _brought(cursor: Any, asked: SnapshotRequest, ends: Mapping[Partition, int]) -> tuple[int, bool]:
    """How many rows of then raw has seen since: read again, changed or deleted; and whether a truncate came between.

    A row whose first record is its insert was not there when the snapshot was asked for, unless it was read too.
    """
    table = asked.shard.raw_table(asked.table)
    since = " OR ".join(
        f"({KAFKA_PARTITION} = {p.number} AND {KAFKA_OFFSET} >= {asked.offsets.get(p.number, 0)})" for p in sorted(ends)
    )
    if not since:
        return 0, False
    cursor.execute(
        "SELECT COUNT_IF(key_text IS NOT NULL AND (reads > 0 OR first_op <> 'c')), COUNT_IF(first_op = 't') "
        "FROM (SELECT key_text, COUNT_IF(op = 'r') AS reads, MIN_BY(op, at) AS first_op FROM ("
        f"SELECT TO_JSON(RECORD_METADATA:key) AS key_text, RECORD_CONTENT:op::VARCHAR AS op, {KAFKA_OFFSET} AS at "
        f"FROM {table} WHERE ({since}) AND RECORD_CONTENT:op IS NOT NULL) records GROUP BY key_text) rows_seen"
    )
    ((brought, truncates),) = cursor.fetchall()
    return int(brought or 0), bool(truncates)
