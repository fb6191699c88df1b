"""Gather the facts from Connect, each shard, Kafka and the warehouse, all at the same time and in a bounded time.

When a source refuses, hangs or dies, only its part is `Unknown`, with the reason. Nothing here counts rows: what takes
long is counted by another task (`counting`).
"""

from __future__ import annotations

import time
from collections import ChainMap
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from catchment.cdc.connectors import pauses as people
from catchment.cdc.connectors.client import Connect
from catchment.cdc.connectors.configs import declared_connectors
from catchment.cdc.connectors.pauses import Pause
from catchment.cdc.connectors.plan import Plan, plan
from catchment.cdc.connectors.sink import Sink
from catchment.cdc.declared import Application, Shard
from catchment.cdc.health import records
from catchment.cdc.health.facts import Facts, ShardFacts, TopicFacts, Unknown, known, or_else
from catchment.cdc.health.gather_shard import shard_facts
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import Kafka
from catchment.cdc.systems import warehouse_session
from catchment.connection import Connection
from catchment.errors import CatchmentError, TryAgain
from catchment.warehouse.names import EPOCHS, OFFSETS

T = TypeVar("T")
LookUp = Callable[[str], Connection]
EXPIRING = 0.5  # of a topic's retention: what has waited for longer is about to be lost
SECONDS = 60.0  # for all facts together; what has not answered by then is unknown

# Always the same text: while nothing has changed Snowflake answers from its result cache, and wakes no warehouse.
_LEDGER = f"""
SELECT TOPIC, KAFKA_PARTITION, NEXT_OFFSET, TOPIC_ID, LOADER, UPDATED_AT, OTHER_LOADER, OTHER_AT FROM {OFFSETS}
"""
_EPOCHS = f"SELECT SHARD, MAX(STARTED_AT) FROM {EPOCHS} GROUP BY SHARD"


def gather(
    application: Application,
    look_up: LookUp,
    *,
    pauses: Mapping[str, Pause] | None = None,
    query_tag: str = "",
    seconds: float = SECONDS,
) -> Facts:
    """The facts as of now.

    Args:
        pauses: people's pauses as the last run knew them, for a warehouse that is away; None: there was no last run,
            and the warehouse is asked for its history as well.

    Raises when there are no pauses to go by: what a person silenced must not be touched for want of knowing.
    """
    deadline = time.monotonic() + seconds
    # Connections are looked up before threads begin.
    names = ("kafka_connect", "kafka", "snowflake_default", *(shard.connection for shard in application.shards))
    connections = {name: known(partial(look_up, name)) for name in names}

    def given(name: str) -> Connection:
        connection = connections[name]
        if isinstance(connection, Unknown):
            raise CatchmentError(connection.because)
        return connection

    def of_shard(shard: Shard) -> ShardFacts:
        return shard_facts(shard, given(shard.connection))

    def answer(what: str, result: Callable[..., T]) -> T | Unknown:
        return known(lambda: _in_time(result, what, deadline))

    together = ThreadPoolExecutor(max_workers=len(names) + 1, thread_name_prefix="gather")
    try:
        stored = together.submit(lambda: _warehouse(given("snowflake_default"), query_tag, with_history=pauses is None))
        connect = together.submit(_connect, application, given, deadline)
        kafka = together.submit(lambda: _topics(application, given("kafka")))
        shards = {shard.name: together.submit(of_shard, shard) for shard in application.shards}
        warehouse = answer("The warehouse", stored.result)
        if isinstance(warehouse, Unknown):
            if pauses is None:
                text = f"What people have paused can't be read, so nothing is done: {warehouse.because}"
                raise TryAgain(text) if warehouse.away else CatchmentError(text)
            warehouse = {"loaded": warehouse, "epochs": warehouse, "pauses": pauses, "warehouse": warehouse}
        topics = answer("Kafka", kafka.result)
        ends = topics if isinstance(topics, Unknown) else _ends(topics)
        connectors = answer("Kafka Connect", connect.result)
        databases = {name: answer(f"The database of {name}", asked.result) for name, asked in shards.items()}
        facts = Facts(
            **({"plan": connectors, "running": connectors} if isinstance(connectors, Unknown) else connectors),
            **warehouse,
            shards=databases,
            topics=topics,
            ends=ends,
        )
    finally:
        together.shutdown(wait=False, cancel_futures=True)  # every request has a time-out of its own
    return _positions_of_sink(facts, application)


def _in_time(result: Callable[..., T], what: str, deadline: float) -> T:
    try:
        return result(timeout=max(0.0, deadline - time.monotonic()))
    except Late as error:
        raise TryAgain(f"{what} did not answer in time.") from error


# --- the warehouse --------------------------------------------------------------------------------------------------


def _warehouse(connection: Connection, query_tag: str, *, with_history: bool) -> dict[str, Any]:
    """Pauses, how far raw is and by whom, epochs; what was seen and done before, where it is asked for."""
    with warehouse_session(connection, query_tag=query_tag, doing="read pauses, ledger and epochs") as opened:
        cursor = opened.cursor()
        history = records.read(cursor) if with_history else None
        pauses = people.newest(cursor)
        cursor.execute(_LEDGER)
        ledger = list(cursor.fetchall())
        cursor.execute(_EPOCHS)
        epochs = {shard: at.replace(tzinfo=UTC) for shard, at in cursor.fetchall()}
    loaders: dict[str, datetime] = {}
    for *_, loader, at, other, other_at in ledger:
        for token, moved_at in ((loader, at), (other, other_at)):
            if token:
                name = str(token).rpartition(" ")[0]  # the process, without its session and transaction
                moved_at = moved_at.replace(tzinfo=UTC)
                loaders[name] = max(loaders.get(name, moved_at), moved_at)
    return {
        "pauses": pauses,
        "loaded": {Partition(topic, int(number)): int(offset) for topic, number, offset, *_ in ledger},
        "topic_ids": {topic: str(id_) for topic, _, _, id_, *_ in ledger if id_},
        "loaders": loaders,
        "epochs": epochs,
        "history": history,
    }


# --- Connect --------------------------------------------------------------------------------------------------------


def _connect(application: Application, given: Callable[[str], Connection], deadline: float) -> dict[str, Any]:
    """What Connect reports: connectors, the plan that follows, and Debezium's offsets."""
    configs = known(lambda: declared_connectors(application, given))
    with_sink = known(lambda: Sink.of(given("kafka_connect")) is not None) is True
    with Connect(given("kafka_connect")) as connect:
        running = known(connect.connectors)
        planned: Plan | Unknown
        if isinstance(configs, Unknown):
            planned = configs
        else:
            planned = Unknown("Connect does not answer.") if isinstance(running, Unknown) else plan(configs, running)
        sinks = {database.sink for database in application.databases}
        names = {shard.connector for shard in application.shards} | (sinks if with_sink else set())
        offsets = {name: _offset(connect, name, deadline) for name in sorted(names & or_else(running, {}).keys())}
    return {"plan": planned, "running": running, "offsets": offsets, "sink_declared": with_sink}


def _offset(connect: Connect, name: str, deadline: float) -> Mapping[str, Any] | Unknown:
    """Debezium's offset (it has one partition); for the sink, offsets by `topic/partition`.

    One connector after the other: half of the time is left to answer with what is known.
    """
    if deadline - time.monotonic() < SECONDS / 2:
        return Unknown(f"Kafka Connect is too slow to say how far {name} is.")

    def ask() -> Mapping[str, Any]:
        entries = connect.offsets(name)
        if entries and "kafka_topic" in entries[0]["partition"]:
            return {
                f"{e['partition']['kafka_topic']}/{e['partition']['kafka_partition']}": e["offset"]["kafka_offset"]
                for e in entries
            }
        return dict(entries[0]["offset"]) if entries else {}

    return known(ask)


def _positions_of_sink(facts: Facts, application: Application) -> Facts:
    """Where the sink does the loading, how far it is: what its consumer group has committed."""
    if not facts.sink_declared or isinstance(facts.ends, Unknown):
        return facts
    found = [or_else(facts.offsets.get(database.sink), None) for database in application.databases]
    committed = [dict(offsets) for offsets in found if offsets is not None]
    if not committed:
        return facts
    loaded = ChainMap(*committed)
    return replace(facts, loaded={p: int(loaded[str(p)]) for p in facts.ends if str(p) in loaded})


# --- Kafka ----------------------------------------------------------------------------------------------------------


def _topics(application: Application, connection: Connection) -> dict[str, TopicFacts]:
    """Each declared topic that exists."""
    with closing(Kafka(connection)) as kafka:
        topics = kafka.topics(shard.topic(table) for shard, table in application.replicated())
        bounds = kafka.bounds([Partition(t.name, number) for t in topics.values() for number in t.partitions])
        settings = or_else(known(lambda: kafka.settings(topics)), {}) if topics else {}
        expiring = or_else(known(lambda: _expiring(kafka, bounds, settings)), {})
    return {
        name: TopicFacts(
            id=topic.id,
            bounds={p.number: ends for p, ends in bounds.items() if p.topic == name},
            settings=settings.get(name, {}),
            expiring={p.number: offset for p, offset in expiring.items() if p.topic == name},
        )
        for name, topic in topics.items()
    }


def _ends(topics: Mapping[str, TopicFacts]) -> dict[Partition, int]:
    return {Partition(name, n): end for name, topic in topics.items() for n, (_, end) in topic.bounds.items()}


def _expiring(
    kafka: Kafka, bounds: Mapping[Partition, tuple[int, int]], settings: Mapping[str, Mapping[str, str]]
) -> dict[Partition, int]:
    """The offset of each partition before which records have half of their time in Kafka behind them."""
    by_retention: dict[int, list[Partition]] = {}
    for partition in bounds:
        keeps = settings.get(partition.topic, {}).get("retention.ms", "")
        if keeps.isdigit():  # -1: for ever
            by_retention.setdefault(int(keeps), []).append(partition)
    found: dict[Partition, int] = {}
    for retention, partitions in by_retention.items():
        at = datetime.now(UTC) - timedelta(milliseconds=retention) * EXPIRING
        offsets = kafka.offsets_at(partitions, at)
        found |= {p: bounds[p][1] if offset is None else offset for p, offset in offsets.items()}
    return found


def waiting(asked: Mapping[Partition, int], connection: Connection) -> dict[Partition, bool]:
    """Whether Kafka has a committed record to load at or after the next offset of each partition."""
    with closing(Kafka(connection)) as kafka:
        bounds = kafka.bounds(asked)
        if unknown := asked.keys() - bounds.keys():
            raise TryAgain(f"Kafka does not say which offsets it has of {', '.join(sorted(map(str, unknown)))}.")
        kafka.assign({p: max(offset, bounds[p][0]) for p, offset in asked.items()})
        for _ in range(10):
            if found := {partition for partition, records in kafka.poll(0.3).items() if records}:
                break
    return {partition: partition in found for partition in asked}
