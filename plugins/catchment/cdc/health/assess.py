"""Facts → the state of everything watched. Pure.

A REST status of RUNNING is no health: a connector is well when its tasks run, its slot is read, its slot moves on, its
heartbeat beats, its snapshots brought every row, and its config, tables, publication and topics are the declared ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from catchment.cdc.declared import Application, Shard
from catchment.cdc.health.assessment import LOADER, Assessment
from catchment.cdc.health.drift import assess_tables
from catchment.cdc.health.facts import Facts, Unknown
from catchment.cdc.health.history import History
from catchment.cdc.health.observation import Observation, ShardObservation
from catchment.cdc.health.policy import Policy, State
from catchment.cdc.health.shared import (
    assess_clock,
    assess_connect,
    assess_kafka,
    assess_loader,
    assess_sink,
    assess_warehouse,
)
from catchment.cdc.health.snapshots import SNAPSHOTS, assess_snapshots
from catchment.cdc.health.sources import assess_source
from catchment.cdc.health.topics import assess_topics


def assess(
    application: Application,
    facts: Facts,
    history: History,
    now: datetime,
    policy: Policy,
    *,
    clock_ran_back: bool = False,
) -> Iterator[Assessment]:
    """One assessment for each subject: what all share, and each source with its snapshots, tables and topics."""

    def of(name: str) -> Observation:
        return Observation(name=name, facts=facts, history=history, now=now, policy=policy)

    def of_shard(shard: Shard, what: str = "") -> ShardObservation:
        name = shard.connector + what
        return ShardObservation(name=name, facts=facts, history=history, now=now, policy=policy, shard=shard)

    yield assess_connect(facts)
    yield assess_kafka(facts)
    yield assess_warehouse(facts)
    yield assess_clock(clock_ran_back)
    yield assess_loader(of(LOADER))
    for shard in application.shards:
        yield assess_source(of_shard(shard))
        yield assess_snapshots(of_shard(shard, SNAPSHOTS))
        if tables := assess_tables(of_shard(shard, "/tables")):
            yield tables
        yield assess_topics(of_shard(shard, "/topics"))
    if facts.sink_declared:
        yield from (assess_sink(of(database.sink)) for database in application.databases)
    if not isinstance(facts.plan, Unknown):
        for name in facts.plan.undeclared:
            yield of(name).describe(State.UNDECLARED, "runs and is not declared; it is left alone.")
