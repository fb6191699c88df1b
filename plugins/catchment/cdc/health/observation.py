"""Everything known about one Debezium source, and what a run stores for the next one to compare with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catchment.cdc.connectors.client import Config, ConnectorStatus, Running
from catchment.cdc.declared import Shard
from catchment.cdc.health.assessment import Assessment
from catchment.cdc.health.facts import Facts, ShardFacts, Slot, Unknown
from catchment.cdc.health.history import History
from catchment.cdc.health.policy import Policy, State


@dataclass(frozen=True)
class Observation:
    """Everything known about one source."""

    shard: Shard
    facts: Facts
    history: History
    now: datetime
    policy: Policy

    @property
    def name(self) -> str:
        return self.shard.connector

    @property
    def running(self) -> Running | None:
        return None if isinstance(self.facts.running, Unknown) else self.facts.running.get(self.name)

    @property
    def status(self) -> ConnectorStatus | None:
        return self.running.status if self.running else None

    @property
    def database(self) -> ShardFacts | Unknown:
        return self.facts.shards.get(self.shard.name, Unknown("nobody asked"))

    @property
    def slot(self) -> Slot | Unknown | None:
        return self.database if isinstance(self.database, Unknown) else self.database.slot

    @property
    def offset(self) -> Mapping[str, Any] | Unknown | None:
        return self.facts.offsets.get(self.name)

    @property
    def traces(self) -> str:
        return "\n".join(task.trace for task in self.status.failed) or self.status.trace if self.status else ""

    @property
    def reported_state(self) -> str:
        """The connector's own word for its state."""
        return self.status.state if self.status else "nothing"

    def before(self, key: str) -> Any:
        seen = self.history.recent(self.name, self.now)
        return seen.detail.get(key) if seen else None

    def describe(self, state: State, sentence: str, *, explained: bool = False, news: bool = False) -> Assessment:
        return Assessment(
            self.name, state, f"{self.name}: {sentence}", explained=explained, shard=self.shard, news=news
        )


def measured(observed: Observation) -> dict[str, Any]:
    """What this run measured, and since when the slot is idle or does not move: the next run compares."""
    tasks = [task.state for task in observed.status.tasks] if observed.status else []
    detail: dict[str, Any] = {"connector": observed.reported_state, "tasks": tasks}
    if observed.running is not None:
        detail["config"] = fingerprint(observed.running.config)
    elif seen := observed.history.last(observed.name):
        detail["config"] = seen.detail.get("config")
    database, now = observed.database, observed.now.isoformat()
    if isinstance(database, Unknown):
        return detail | {"database": database.because} | _generation(observed, None)
    slot = database.slot
    detail |= {
        "wal": database.wal,
        "unpublished": _plain(database.unpublished),
        "heartbeat_s": _plain(database.heartbeat),
        "slot": slot.as_dict() if isinstance(slot, Slot) else _plain(slot),
    }
    if isinstance(slot, Slot):
        detail |= {"flush": slot.confirmed_flush, "flush_since": now, "flush_wal": database.wal}
        if observed.before("flush") == slot.confirmed_flush:
            detail |= {key: observed.before(key) for key in ("flush_since", "flush_wal")}
    if slot is None or (isinstance(slot, Slot) and not slot.active):
        detail["inactive_since"] = _inactive_since(observed)
    if database.beats is not None:
        detail |= {"beats": database.beats, "beat_since": now}
        if observed.before("beats") == database.beats:
            detail["beat_since"] = observed.before("beat_since")
    return detail | _generation(observed, slot if isinstance(slot, Slot) else None)


def fingerprint(config: Config) -> str:
    """Of a running config: whether it is the one of the run before."""
    text = json.dumps(sorted(config.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _generation(observed: Observation, slot: Slot | None) -> dict[str, Any]:
    """Identifies the slot. A transaction count that fell without a reset or a new epoch means that this is another
    slot; remembered until an epoch begins."""
    seen = observed.history.last(observed.name)
    before = seen.detail.get("generation") if seen else None
    now = (
        {"decoded": slot.decoded, "counted_since": slot.counted_since, "at": observed.now.isoformat()}
        if slot
        else before
    )
    kept: dict[str, Any] = {"generation": now} if now else {}
    replaced_at = seen.detail.get("replaced_at") if seen else None
    if slot and before and before["counted_since"] == slot.counted_since and slot.decoded < before["decoded"]:
        replaced_at = before["at"]
    epoch = {} if isinstance(observed.facts.epochs, Unknown) else observed.facts.epochs
    began = epoch.get(observed.shard.name)
    if replaced_at and not (began and began >= datetime.fromisoformat(str(replaced_at))):
        kept["replaced_at"] = replaced_at
    return kept


def _inactive_since(observed: Observation) -> str:
    """Since when nobody reads the slot of a connector that says it runs.

    An action on it, a rebuild or the end of a pause begins the time again."""
    before = observed.before("inactive_since") if observed.before("connector") == "RUNNING" else None
    if before is None:
        return observed.now.isoformat()
    epochs = {} if isinstance(observed.facts.epochs, Unknown) else observed.facts.epochs
    acted, pause = observed.history.last_action(observed.name), observed.facts.pauses.get(observed.name)
    begins = (acted and acted.at, epochs.get(observed.shard.name), pause and pause.ends)
    idle = datetime.fromisoformat(str(before))
    return max(idle, *(at for at in begins if at and at <= observed.now), idle).isoformat()


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    match value:
        case Unknown(because):
            return because
        case tuple():
            return list(value)
        case _:
            return value
