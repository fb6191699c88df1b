"""Facts of a stream that is well, to be spoilt one at a time; and runs of the health check a minute apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from catchment.cdc.connectors.client import ConnectorStatus, Running, TaskStatus
from catchment.cdc.connectors.plan import plan
from catchment.cdc.declared import Application, application, parse
from catchment.cdc.health.decide import Decision, decide
from catchment.cdc.health.facts import Facts, ShardFacts, Slot, Unknown
from catchment.cdc.health.history import History
from catchment.cdc.health.memory import after
from catchment.cdc.health.policy import Policy
from catchment.cdc.loader.batch import Partition

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
APPLICATION = application()
NAME = "application-s0"
CONFIGS = {shard.connector: {"slot.name": shard.slot} for shard in APPLICATION.shards}
AWAY = Unknown("it does not answer")


def two_shards() -> Application:
    return parse(
        """
        source = "application"
        database = "app"
        schema = "public"
        publication = "catchment"
        shards = [{ name = "s0" }, { name = "s1" }]
        [[tables]]
        name = "activities"
        key = ["id"]
        columns = { id = "bigint" }
        """
    )


def slot(**changes: Any) -> Slot:
    return replace(Slot(active=True, wal_status="reserved", confirmed_flush=1000, held=100), **changes)


def shard(**changes: Any) -> ShardFacts:
    return replace(ShardFacts(wal=1000, slot=slot(), heartbeat=3.0), **changes)


def running(state: str = "RUNNING", tasks: tuple[str, ...] = ("RUNNING",), trace: str = "") -> ConnectorStatus:
    return ConnectorStatus(state, tuple(TaskStatus(number, task, trace=trace) for number, task in enumerate(tasks)))


def well(**changes: Any) -> Facts:
    """Everything runs, with what `changes` says."""
    connectors = {name: Running(name, config, running()) for name, config in CONFIGS.items()}
    facts = Facts(
        plan=plan(CONFIGS, connectors),
        running=connectors,
        shards={s.name: shard() for s in APPLICATION.shards},
        offsets={name: {"lsn": 1000} for name in CONFIGS},
        ends={Partition("s0.public.accounts", 0): 10},
        loaded={Partition("s0.public.accounts", 0): 10},
    )
    return replace(facts, **changes)


def with_status(status: ConnectorStatus | None, name: str = NAME, config: Mapping[str, str] | None = None) -> Facts:
    """All well but for one connector; None: it does not exist."""
    facts = well()
    assert not isinstance(facts.running, Unknown)
    connectors = {key: value for key, value in facts.running.items() if key != name}
    if status is not None:
        connectors[name] = Running(name, config or CONFIGS[name], status)
    return replace(facts, running=connectors, plan=plan(CONFIGS, connectors))


def with_shard(**changes: Any) -> Facts:
    """All well but for the database of s0."""
    return well(shards={**well().shards, "s0": shard(**changes)})


class Watch:
    """Runs of the health check, each a minute after the other and with the memory of those before."""

    def __init__(self, policy: Policy | None = None, application: Application = APPLICATION) -> None:
        self.application = application
        self.now = START
        self.history = History()
        self.policy = policy or Policy()

    def see(self, facts: Facts, *, later: timedelta = MINUTE) -> Decision:
        """One run; what it decided is remembered, as rows in the warehouse would be."""
        self.now += later
        facts = replace(facts, counts=tuple(replace(count, at=self.now) for count in facts.counts))
        decision = decide(self.application, facts, self.history, self.now, self.policy)
        self.history = after(self.history, decision, self.now)
        return decision
