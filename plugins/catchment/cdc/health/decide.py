"""The state of everything watched, and what to do about it, given the facts, the history and the time. Pure.

A REST status of RUNNING is no health: a connector is well when its tasks run, its slot is read, its slot moves on, its
heartbeat beats, its snapshots brought every row, and its config, tables, publication and topics are the declared ones.

Nothing that could skip data is ever an action. It is a proposal, which a person approves after reading the
consequence. Only what failed is restarted, with back-off and a budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, TypeAlias

from catchment.cdc.connectors.client import Config
from catchment.cdc.connectors.plan import Change
from catchment.cdc.declared import Application, Shard
from catchment.cdc.health.drift import assess_tables
from catchment.cdc.health.facts import Facts, Unknown
from catchment.cdc.health.history import History, newest
from catchment.cdc.health.observation import LOADER, Assessment, Observation, ShardObservation
from catchment.cdc.health.policy import HEALTHY_STATES, NOW, SEEN_TWICE, Policy, State
from catchment.cdc.health.shared import assess_loader, assess_parts, assess_sink
from catchment.cdc.health.snapshots import SNAPSHOTS, assess_snapshots
from catchment.cdc.health.sources import assess_source
from catchment.cdc.health.topics import assess_topics
from catchment.errors import CatchmentError

REBUILD, RESNAPSHOT, END_SNAPSHOT, ASK = "cdc_rebuild_shard", "cdc_resnapshot", "cdc_end_snapshot", "cdc_approval"


class ActionKind(StrEnum):
    """What the health DAG may do by itself. None of it skips data."""

    CREATE = "create"
    UPDATE = "update"
    RESTART_FAILED = "restart_failed"
    RESTART = "restart"
    MIGRATE = "migrate"
    TOPICS = "topic_settings"


@dataclass(frozen=True)
class ConnectorAction:
    """Something to do now; `attempt` counts tries since it was last stable. `shard` is to be migrated, `topics` get
    their declared settings."""

    subject: str
    act: ActionKind
    reason: str
    attempt: int
    fingerprint: str = ""
    config: Config | None = field(default=None, repr=False, compare=False)
    shard: Shard | None = None
    topics: tuple[str, ...] = ()


Outcome: TypeAlias = tuple[ConnectorAction, CatchmentError | None]  # None is well


@dataclass(frozen=True)
class Alert:
    """A sentence for a person: once when a problem begins, and again as long as it lasts."""

    subject: str
    key: str
    text: str


@dataclass(frozen=True)
class Proposal:
    """A run of an on-call DAG that waits for a person. `consequence` says what it costs; `since` when it was needed."""

    subject: str
    dag_id: str
    conf: Mapping[str, Any]
    consequence: str
    since: datetime

    @property
    def run_id(self) -> str:
        """The same for the same problem, so that it is requested once."""
        about = "__".join((self.subject.replace("/", "_"), *([self.conf["table"]] if "table" in self.conf else [])))
        return f"health__{about}__{self.since:%Y%m%dT%H%M%S}"

    @property
    def asked_by(self) -> tuple[str, Mapping[str, Any]]:
        """The DAG whose run asks, and its conf: rebuilding asks by itself, for others `cdc_approval` does."""
        if self.dag_id == REBUILD:
            return self.dag_id, self.conf
        return ASK, {"dag": self.dag_id, "conf": dict(self.conf), "consequence": self.consequence}


@dataclass(frozen=True)
class Decision:
    """The outcome of one run. `troubles` are the subjects that are not well, alerted or not."""

    subjects: tuple[Assessment, ...]
    actions: tuple[ConnectorAction, ...]
    alerts: tuple[Alert, ...]
    proposals: tuple[Proposal, ...]

    @property
    def troubles(self) -> tuple[Assessment, ...]:
        return tuple(s for s in self.subjects if s.state not in HEALTHY_STATES)

    def state(self, subject: str) -> State:
        return next(s.state for s in self.subjects if s.subject == subject)


def decide(
    application: Application,
    facts: Facts,
    history: History,
    now: datetime,
    policy: Policy | None = None,
    *,
    clock_ran_back: bool = False,
) -> Decision:
    """The states of everything, and what follows from them. `clock_ran_back`: the last run was in our future."""
    policy = policy or Policy()
    subjects = tuple(_assess(application, facts, history, now, policy, clock_ran_back))
    actions = tuple(action for s in subjects for action in _actions(s, facts, history, now, policy))
    alerts = tuple(alert for s in subjects for alert in _alerts(s, history, now, policy))
    proposals = tuple(proposal for s in subjects for proposal in _proposals(s, facts, history, now, policy))
    return Decision(subjects, actions, alerts, proposals)


def _assess(
    application: Application, facts: Facts, history: History, now: datetime, policy: Policy, clock_ran_back: bool
) -> Iterator[Assessment]:
    """What all share; each source with its snapshots, tables and topics; Snowflake's sink; what nobody declared."""
    of = partial(Observation, facts=facts, history=history, now=now, policy=policy)
    yield from assess_parts(of, clock_ran_back)
    yield assess_loader(of(name=LOADER))
    for shard in application.shards:
        of_shard = partial(ShardObservation, facts=facts, history=history, now=now, policy=policy, shard=shard)
        yield assess_source(of_shard(name=shard.connector))
        yield assess_snapshots(of_shard(name=shard.connector + SNAPSHOTS))
        if tables := assess_tables(of_shard(name=f"{shard.connector}/tables")):
            yield tables
        yield assess_topics(of_shard(name=f"{shard.connector}/topics"))
    if facts.sink_declared:
        yield from (assess_sink(of(name=database.sink)) for database in application.databases)
    if not isinstance(facts.plan, Unknown):
        for name in facts.plan.undeclared:
            yield of(name=name).describe(State.UNDECLARED, "runs and is not declared; it is left alone.")


# --- actions --------------------------------------------------------------------------------------------------------


def _actions(s: Assessment, facts: Facts, history: History, now: datetime, policy: Policy) -> Iterator[ConnectorAction]:
    """At most one action for a subject."""
    action = _wanted(s, facts, now)
    if action is None:
        return
    last = newest(history.actions, s.subject, action.act, action.fingerprint)
    if last and (s.unhealthy_since or now) - last.at >= policy.stable:
        last = None  # all was well for so long after it that it does not count
    attempts = last.attempt if last else 0
    if policy.may_act(attempts, last.at if last else None, now):
        yield replace(action, attempt=attempts + 1)


def _wanted(s: Assessment, facts: Facts, now: datetime) -> ConnectorAction | None:
    """What would help, whether or not it may be done now."""
    plain = ConnectorAction(s.subject, ActionKind.RESTART_FAILED, s.sentence, 1, shard=s.shard)
    match s.state:
        case State.TOPIC_DRIFTED:
            topics = tuple(s.detail["drifted"])
            return replace(plain, act=ActionKind.TOPICS, topics=topics, fingerprint=s.about)
        case State.PUBLICATION_NARROWED if s.detail["is_safe"]:
            return replace(plain, act=ActionKind.MIGRATE, fingerprint=s.about)
    if s.state.hands_off or isinstance(facts.running, Unknown):
        return None
    match s.state, facts.change(s.subject):
        case State.MISSING, Change(_, config, ()):
            return replace(plain, act=ActionKind.CREATE, config=config)
        case _, Change(_, config, differences) as update if differences:
            return replace(plain, act=ActionKind.UPDATE, fingerprint=update.fingerprint, config=config)
        case ((State.FAILED | State.PASSWORD_REFUSED | State.RECORD_TOO_LARGE), _):
            # Without Kafka a restart fails for sure, and would only spend the budget.
            return None if isinstance(facts.ends, Unknown) else plain
        case State.NO_TASKS, _ if now - s.since >= SEEN_TWICE:  # every rebalance looks like this briefly
            return replace(plain, act=ActionKind.RESTART)
        case _:
            return None


# --- alerts ---------------------------------------------------------------------------------------------------------


def _alerts(s: Assessment, history: History, now: datetime, policy: Policy) -> Iterator[Alert]:
    """At most one alert for a subject. An alert's key is its state; a spent restart budget is an alert of its own."""
    if s.state.alert_after is None or s.explained:
        return
    key = f"{s.state}/{s.about}" if s.about else str(s.state)
    sentence, delay = s.sentence, NOW if s.news else s.state.alert_after
    tried = newest(history.actions, s.subject)
    counts = tried is not None and s.unhealthy_since is not None and s.unhealthy_since - tried.at < policy.stable
    if tried and counts and s.state is not State.SILENCED:
        if tried.attempt >= policy.restarts:
            key = f"{key}/given_up"
            sentence = f"{sentence} {tried.key.capitalize()} was tried {tried.attempt} times; it is not tried again."
            delay = NOW
        elif tried.attempt >= 2:
            sentence, delay = f"{sentence} ({tried.key} was tried {tried.attempt} times.)", NOW
        if tried.error:
            sentence = f"{sentence} The last try: {tried.error}"
    if now - s.since >= delay and _is_news(s, key, history, now, policy):
        yield Alert(s.subject, key, f"{sentence} See {s.state.runbook}.")


def _is_news(s: Assessment, key: str, history: History, now: datetime, policy: Policy) -> bool:
    last = newest(history.alerts, s.subject, key)
    if last is None:
        return True
    again = last.at < s.since and now - last.at >= policy.quiet
    return again or now - last.at >= policy.remind


# --- proposals ------------------------------------------------------------------------------------------------------


def _proposals(s: Assessment, facts: Facts, history: History, now: datetime, policy: Policy) -> Iterator[Proposal]:
    """What a person may approve, proposed once for a trouble."""
    shard = s.shard
    if shard is None or facts.pause(shard.connector, now):
        return
    conf = {"shard": shard.name, "reason": s.sentence, "dry_run": False}
    lost = s.state in (State.SLOT_LOST, State.SLOT_MISSING, State.SLOT_REPLACED)
    wanted: list[Proposal] = []
    if lost or (s.state is State.ZOMBIE and now - s.since >= policy.propose_after):
        wanted = [Proposal(s.subject, REBUILD, conf, _REBUILD, s.since)]
    elif s.state is State.SNAPSHOT_POISONED:
        wanted = [Proposal(s.subject, END_SNAPSHOT, conf, _END_SNAPSHOT, s.since)]
    elif s.state is State.SNAPSHOT_INCOMPLETE:
        wanted = [
            Proposal(s.subject, RESNAPSHOT, {**conf, "table": table}, _RESNAPSHOT, s.since)
            for table in s.detail["short"]
        ]
    made = newest(history.proposals, s.subject, wanted[0].dag_id) if wanted else None
    if made is None or made.at < s.since:
        yield from wanted


_REBUILD = (
    "The connector is stopped, its slot dropped and its offsets deleted; a new slot starts now and every table of the "
    "shard is snapshotted again. What was written and deleted in between is never seen as a change: history tables "
    "lack it, and rows deleted in the gap are found by comparing. The snapshot reads every row of the shard's tables."
)
_RESNAPSHOT = (
    "The table is read again, chunk by chunk, while streaming continues; nothing is skipped or deleted. It costs the "
    "database one read of the table, and raw one more row for each of its rows."
)
_END_SNAPSHOT = (
    "The connector is stopped, the snapshot is taken out of its offsets, and it goes on with the changes. No change is "
    "skipped; what the snapshot had not read yet is not read, so the table is as doubtful as before it."
)
