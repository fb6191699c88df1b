"""Gather the facts from Connect, each shard, Kafka and the warehouse, all at the same time and in a bounded time.

When a source refuses, hangs or dies, only its part is `Unknown`, with the reason. Nothing here counts rows: what takes
long is counted by another task (`counting`).
"""

from __future__ import annotations

import time
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from catchment.cdc.connectors.client import Connect, Running
from catchment.cdc.connectors.configs import declared_connectors
from catchment.cdc.connectors.pauses import Pause
from catchment.cdc.connectors.plan import Plan, plan
from catchment.cdc.connectors.sink import Sink
from catchment.cdc.declared import Application
from catchment.cdc.health.facts import Facts, Unknown, known
from catchment.cdc.health.gather_kafka import topic_facts
from catchment.cdc.health.gather_shard import shard_facts
from catchment.cdc.health.gather_warehouse import WarehouseFacts, warehouse_facts
from catchment.cdc.health.history import History
from catchment.cdc.loader.batch import Partition
from catchment.connection import Connection
from catchment.errors import CatchmentError, TryAgain

T = TypeVar("T")
LookUp = Callable[[str], Connection]
SECONDS = 60.0  # for all facts together; what has not answered by then is unknown


@dataclass(frozen=True)
class Gathered:
    """The facts, and what the warehouse remembers, where it was asked to."""

    facts: Facts
    history: History | None = None


def gather(
    application: Application,
    look_up: LookUp,
    *,
    pauses: Mapping[str, Pause] | None = None,
    query_tag: str = "",
    seconds: float = SECONDS,
) -> Gathered:
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

    together = ThreadPoolExecutor(max_workers=len(names) + 1, thread_name_prefix="gather")
    try:
        stored = together.submit(
            lambda: warehouse_facts(given("snowflake_default"), query_tag=query_tag, with_history=pauses is None)
        )
        connect = together.submit(_connect, application, given, deadline)
        topics = together.submit(lambda: topic_facts(application, given("kafka")))
        shards = {
            shard.name: together.submit(partial(lambda s: shard_facts(s, given(s.connection)), shard))
            for shard in application.shards
        }
        warehouse = known(lambda: _in_time(stored, "The warehouse", deadline))
        if isinstance(warehouse, Unknown) and pauses is None:
            raise _unreadable(warehouse)
        found = known(lambda: _in_time(topics, "Kafka", deadline))
        facts = Facts(
            **_of_connect(known(lambda: _in_time(connect, "Kafka Connect", deadline))),
            **_of_warehouse(warehouse, pauses or {}),
            shards={
                name: known(partial(_in_time, asked, f"The database of {name}", deadline))
                for name, asked in shards.items()
            },
            topics=found,
            ends=found
            if isinstance(found, Unknown)
            else {Partition(name, n): end for name, topic in found.items() for n, (_, end) in topic.bounds.items()},
        )
    finally:
        together.shutdown(wait=False, cancel_futures=True)  # every request has a time-out of its own
    history = None if isinstance(warehouse, Unknown) else warehouse.history
    return Gathered(_positions_of_sink(facts, application), history)


def _in_time(asked: Future[T], what: str, deadline: float) -> T:
    try:
        return asked.result(timeout=max(0.0, deadline - time.monotonic()))
    except Late as error:
        raise TryAgain(f"{what} did not answer in time.") from error


def _unreadable(warehouse: Unknown) -> CatchmentError:
    text = f"What people have paused can't be read, so nothing is done: {warehouse.because}"
    return TryAgain(text) if warehouse.away else CatchmentError(text)


def _of_warehouse(warehouse: WarehouseFacts | Unknown, pauses: Mapping[str, Pause]) -> dict[str, Any]:
    if isinstance(warehouse, Unknown):
        return {"loaded": warehouse, "epochs": warehouse, "pauses": pauses, "warehouse": warehouse}
    return {
        "loaded": warehouse.loaded,
        "epochs": warehouse.epochs,
        "pauses": warehouse.pauses,
        "topic_ids": warehouse.topic_ids,
        "loaders": warehouse.loaders,
    }


# --- Connect --------------------------------------------------------------------------------------------------------


def _of_connect(found: dict[str, Any] | Unknown) -> dict[str, Any]:
    return {"plan": found, "running": found} if isinstance(found, Unknown) else found


def _connect(application: Application, given: Callable[[str], Connection], deadline: float) -> dict[str, Any]:
    """What Connect reports: connectors, the plan that follows, and Debezium's offsets."""
    configs = known(lambda: declared_connectors(application, given))
    with_sink = known(lambda: Sink.of(given("kafka_connect")) is not None) is True
    with Connect(given("kafka_connect")) as connect:
        running: Mapping[str, Running] | Unknown = known(connect.connectors)
        planned: Plan | Unknown
        if isinstance(running, Unknown) or isinstance(configs, Unknown):
            planned = configs if isinstance(configs, Unknown) else Unknown("Connect does not answer.")
        else:
            planned = plan(configs, running)
        there: Iterable[str] = () if isinstance(running, Unknown) else running
        sinks = {database.sink for database in application.databases}
        names = {shard.connector for shard in application.shards} | (sinks if with_sink else set())
        offsets = {name: _offset(connect, name, deadline) for name in sorted(names) if name in there}
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
    found = [facts.offsets.get(database.sink) for database in application.databases]
    known_ones = [dict(offsets) for offsets in found if offsets is not None and not isinstance(offsets, Unknown)]
    if not known_ones:
        return facts
    loaded = ChainMap(*known_ones)
    return replace(facts, loaded={p: int(loaded[str(p)]) for p in facts.ends if str(p) in loaded})
