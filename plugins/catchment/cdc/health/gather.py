"""Gather the facts from Connect, each shard, Kafka and the warehouse, all at the same time.

When a source refuses, hangs or dies, only its part is `Unknown`, with the reason. Every request has a timeout.
"""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from catchment.cdc import shard as database
from catchment.cdc.connectors import pauses
from catchment.cdc.connectors.client import Connect, Rebalancing, Running
from catchment.cdc.connectors.configs import declared_connectors
from catchment.cdc.connectors.plan import Plan, plan
from catchment.cdc.connectors.sink import Sink
from catchment.cdc.declared import HEARTBEAT, SIGNALS, Application, Shard
from catchment.cdc.health.facts import Facts, ShardFacts, Slot, SnapshotCount, SnapshotSignal, Unknown
from catchment.cdc.health.snapshots import Question
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import Kafka
from catchment.connection import Connection
from catchment.errors import CatchmentError, TryAgain
from catchment.warehouse import session

T = TypeVar("T")
OFFSETS = "RAW.CATCHMENT.OFFSETS"
EPOCHS = "RAW.CATCHMENT.EPOCHS"
LookUp = Callable[[str], Connection]

_SLOT = """
SELECT pg_wal_lsn_diff(w.now, '0/0')::bigint, s.slot_name, s.active, s.wal_status,
    pg_wal_lsn_diff(s.confirmed_flush_lsn, '0/0')::bigint,
    greatest(pg_wal_lsn_diff(w.now, coalesce(s.restart_lsn, s.confirmed_flush_lsn)), 0)::bigint, s.safe_wal_size,
    coalesce(c.total_txns, 0), concat_ws(' ', c.stats_reset, (SELECT stats_reset FROM pg_stat_bgwriter))
FROM (SELECT pg_current_wal_lsn() AS now) w
LEFT JOIN pg_replication_slots s ON s.slot_name = %s
LEFT JOIN pg_stat_replication_slots c ON c.slot_name = s.slot_name
"""
_PUBLISHED = """
SELECT p.pubname, t.schemaname || '.' || t.tablename
FROM pg_publication p LEFT JOIN pg_publication_tables t USING (pubname) WHERE p.pubname = %s
"""
_HEARTBEAT = f"SELECT extract(epoch FROM clock_timestamp() - ts)::float FROM {HEARTBEAT} WHERE id = 1"
_SIGNALS = f"SELECT id, data FROM {SIGNALS} WHERE type = 'execute-snapshot' ORDER BY id"
# Keys that raw has seen since a given time and that were not deleted after: a snapshot must have at least as many.
_SEEN = """
SELECT COUNT(*) FROM (
    SELECT RECORD_CONTENT:op::VARCHAR AS OP
    FROM {table}
    WHERE RECORD_METADATA:CreateTime::NUMBER >= %s AND RECORD_METADATA:key IS NOT NULL
        AND RECORD_CONTENT:op IS NOT NULL
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY TO_JSON(RECORD_METADATA:key)
        ORDER BY COALESCE(KAFKA_OFFSET, RECORD_METADATA:offset::NUMBER) DESC
    ) = 1
) WHERE OP <> 'd'
"""


def gather(application: Application, look_up: LookUp, cursor: session.Cursor) -> Facts:
    """The facts as of now. `cursor` is the warehouse's; connections are looked up before threads begin.

    Raises when the pauses can't be read: what a person silenced must not be touched for want of knowing.
    """
    with session.explained("read what people have paused"):
        paused = pauses.newest(cursor)
    connections = {name: known(partial(look_up, name)) for name in _connections(application)}
    with ThreadPoolExecutor() as together:
        connect = together.submit(_connect, application, connections)
        ends = together.submit(lambda: known(lambda: _ends(application, _given(connections["kafka"]))))
        shards = {
            shard.name: together.submit(_shard, shard, connections[shard.connection]) for shard in application.shards
        }
        loaded, epochs = known(lambda: _loaded(cursor)), known(lambda: _epochs(cursor))
        facts = Facts(
            **connect.result(),
            shards={name: asked.result() for name, asked in shards.items()},
            ends=ends.result(),
            loaded=loaded,
            pauses=paused,
            epochs=epochs,
        )
    return _positions_of_sink(facts, application)


def known(ask: Callable[[], T]) -> T | Unknown:
    """The answer, or why there is none."""
    try:
        return ask()
    except CatchmentError as error:
        return Unknown(str(error), away=isinstance(error, TryAgain), busy=isinstance(error, Rebalancing))
    except Exception as error:  # what watches must not fall with what it watches
        return Unknown(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", away=False)


def waiting(partitions: Iterable[Partition], facts: Facts, connection: Connection) -> dict[Partition, bool]:
    """Whether Kafka has a committed record to load at or after the next offset of each partition."""
    asked = {partition: facts.behind()[partition][0] for partition in partitions}
    if not asked:
        return {}
    answer = known(lambda: _records_at(asked, connection))
    return {} if isinstance(answer, Unknown) else answer


def counts(questions: Iterable[Question], look_up: LookUp, cursor: session.Cursor) -> tuple[SnapshotCount, ...]:
    """Both counts for each question; the shard's first, so that a row inserted in between is no shortage."""
    found = (known(partial(_count, question, look_up, cursor)) for question in questions)
    return tuple(count for count in found if isinstance(count, SnapshotCount))


# --- Connect --------------------------------------------------------------------------------------------------------


def _connections(application: Application) -> tuple[str, ...]:
    return ("kafka_connect", "kafka", *(shard.connection for shard in application.shards))


def _given(connection: Connection | Unknown) -> Connection:
    if isinstance(connection, Unknown):
        raise CatchmentError(connection.because)
    return connection


def _connect(application: Application, connections: Mapping[str, Connection | Unknown]) -> dict[str, Any]:
    """What Connect reports: connectors, the plan that follows, and Debezium's offsets."""
    running: Mapping[str, Running] | Unknown
    configs = known(lambda: declared_connectors(application, lambda name: _given(connections[name])))
    with_sink = known(lambda: Sink.of(_given(connections["kafka_connect"])) is not None)
    try:
        connect = Connect(_given(connections["kafka_connect"]))
    except CatchmentError as error:
        running = Unknown(str(error), away=False)
        return {"plan": running, "running": running, "sink_declared": with_sink is True}
    with connect:
        running = known(connect.connectors)
        planned: Plan | Unknown
        if isinstance(running, Unknown) or isinstance(configs, Unknown):
            planned = configs if isinstance(configs, Unknown) else Unknown("Connect does not answer.")
        else:
            planned = plan(configs, running)
        there: Iterable[str] = () if isinstance(running, Unknown) else running
        sinks = {database.sink for database in application.databases}
        names = {shard.connector for shard in application.shards} | (sinks if with_sink is True else set())
        offsets = {name: known(partial(_offset, connect, name)) for name in names if name in there}
    return {"plan": planned, "running": running, "offsets": offsets, "sink_declared": with_sink is True}


def _offset(connect: Connect, name: str) -> Mapping[str, Any]:
    """Debezium's offset (it has one partition); for the sink, offsets by `topic/partition`."""
    entries = connect.offsets(name)
    if entries and "kafka_topic" in entries[0]["partition"]:
        return {
            f"{e['partition']['kafka_topic']}/{e['partition']['kafka_partition']}": e["offset"]["kafka_offset"]
            for e in entries
        }
    return dict(entries[0]["offset"]) if entries else {}


def _positions_of_sink(facts: Facts, application: Application) -> Facts:
    """Where the sink does the loading, how far it is: what its consumer group has committed."""
    if not facts.sink_declared or isinstance(facts.ends, Unknown):
        return facts
    found = [facts.offsets.get(database.sink) for database in application.databases]
    known_ones = [offset for offset in found if offset is not None and not isinstance(offset, Unknown)]
    if not known_ones:
        return facts
    loaded = dict(ChainMap(*map(dict, known_ones)))
    return replace(facts, loaded={p: int(loaded[str(p)]) for p in facts.ends if str(p) in loaded})


# --- shards ---------------------------------------------------------------------------------------------------------


def _shard(shard: Shard, connection: Connection | Unknown) -> ShardFacts | Unknown:
    def ask() -> ShardFacts:
        with database.opened(_given(connection)) as opened:
            wal, slot = _slot(opened, shard)
            return ShardFacts(
                wal=wal,
                slot=slot,
                unpublished=_each(connection, lambda: _unpublished(opened, shard)),
                heartbeat=_each(connection, lambda: _heartbeat(opened)),
                signals=_each(connection, lambda: _signals(opened)),
            )

    return known(ask)


def _each(connection: Connection | Unknown, ask: Callable[[], T]) -> T | Unknown:
    """One question on a session that is open: the others are asked whatever becomes of it."""

    def explained() -> T:
        with database.explained(_given(connection)):
            return ask()

    return known(explained)


def _slot(opened: Any, shard: Shard) -> tuple[int, Slot | None]:
    wal, name, active, status, flush, held, safe, decoded, counted = database.rows(opened, _SLOT, (shard.slot,))[0]
    return wal, None if name is None else Slot(active, status or "", flush or 0, held or 0, safe, decoded, counted)


def _unpublished(opened: Any, shard: Shard) -> tuple[str, ...] | None:
    published = database.rows(opened, _PUBLISHED, (shard.of.publication,))
    names = {table for _, table in published}
    wanted = [f"{shard.of.schema}.{table.name}" for table in shard.tables] + [HEARTBEAT, SIGNALS]
    return tuple(name for name in wanted if name not in names) if published else None


def _heartbeat(opened: Any) -> float | None:
    found = database.rows(opened, _HEARTBEAT)
    return float(found[0][0]) if found and found[0][0] is not None else None


def _signals(opened: Any) -> tuple[SnapshotSignal, ...]:
    return tuple(_signal(id_, data) for id_, data in database.rows(opened, _SIGNALS))


def _signal(id_: str, data: str | None) -> SnapshotSignal:
    """A signal as people write them; one that is not JSON asks for nothing, and Debezium logs so."""
    try:
        asked = json.loads(data or "{}")
        return SnapshotSignal(id_, tuple(map(str, asked.get("data-collections", ()))), "additional-conditions" in asked)
    except (ValueError, AttributeError, TypeError):
        return SnapshotSignal(id_, ())


def _count(question: Question, look_up: LookUp, cursor: session.Cursor) -> SnapshotCount:
    table = question.table
    with database.opened(look_up(question.shard.connection), statement_seconds=120) as opened:
        sql = f'SELECT count(*) FROM "{question.shard.of.schema}"."{table.name}"'
        rows = int(database.rows(opened, sql)[0][0])
    since = int(question.since.timestamp() * 1000)
    cursor.execute(_SEEN.format(table=question.shard.raw_table(table)), (since,))
    return SnapshotCount(question.shard.name, table.name, question.signal, rows, int(cursor.fetchone()[0]))


# --- Kafka and the warehouse ----------------------------------------------------------------------------------------


def _ends(application: Application, connection: Connection) -> dict[Partition, int]:
    """The end of each partition of each declared topic that exists."""
    kafka = Kafka(connection)
    try:
        topics = kafka.topics(shard.topic(table) for shard, table in application.replicated())
        partitions = [Partition(topic.name, number) for topic in topics.values() for number in topic.partitions]
        return {partition: end for partition, (_, end) in kafka.bounds(partitions).items()}
    finally:
        kafka.close()


def _records_at(asked: Mapping[Partition, int], connection: Connection) -> dict[Partition, bool]:
    kafka = Kafka(connection)
    try:
        bounds = kafka.bounds(asked)
        kafka.assign({p: max(offset, bounds[p][0]) for p, offset in asked.items()})
        found: set[Partition] = set()
        for _ in range(10):
            found |= {partition for partition, records in kafka.poll(0.3).items() if records}
            if found:
                break
        return {partition: partition in found for partition in asked}
    finally:
        kafka.close()


def _loaded(cursor: session.Cursor) -> dict[Partition, int]:
    """How far the loader is, by its own ledger."""
    with session.explained("read how far the loader is"):
        cursor.execute(f"SELECT TOPIC, KAFKA_PARTITION, NEXT_OFFSET FROM {OFFSETS}")
        return {Partition(topic, int(number)): int(offset) for topic, number, offset in cursor.fetchall()}


def _epochs(cursor: session.Cursor) -> dict[str, datetime]:
    """When each shard's newest epoch began."""
    with session.explained("read the epochs of the shards"):
        cursor.execute(f"SELECT SHARD, MAX(STARTED_AT) FROM {EPOCHS} GROUP BY SHARD")
        return {shard: at.replace(tzinfo=UTC) for shard, at in cursor.fetchall()}
