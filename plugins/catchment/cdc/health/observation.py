"""What one run knows of one subject, what it finds, and what it measures for the next one to compare with."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from catchment.cdc.connectors.client import Config, ConnectorStatus, Running
from catchment.cdc.connectors.pauses import Pause
from catchment.cdc.declared import Shard
from catchment.cdc.health.facts import Facts, ShardFacts, Slot, Unknown
from catchment.cdc.health.history import History, Seen, newest
from catchment.cdc.health.policy import HEALTHY_STATES, Policy, State

CONNECT, KAFKA, WAREHOUSE, CLOCK, LOADER = "connect", "kafka", "warehouse", "clock", "loader"
_WORDLESS = re.compile(r"java\.lang\.NullPointerException(: Cannot .*)?")


@dataclass(frozen=True)
class Assessment:
    """The state of a subject, since when it is so, and since when not all is well, whatever states it passed through.

    `sentence` is for a person, `detail` for the next run. `shard`: the one it speaks of. `explained`: another subject's
    state is the cause, so this one raises no alert.
    `about`: what of many it is about, where another one in the same state is news. `news`: an alert at once, however
    long the state has to last otherwise.
    """

    subject: str
    state: State
    sentence: str
    detail: Mapping[str, Any]
    since: datetime
    unhealthy_since: datetime | None
    shard: Shard | None = None
    explained: bool = False
    about: str = ""
    news: bool = False


@dataclass(frozen=True, kw_only=True)
class Observation:
    """The facts, and what was seen before, of one subject: a connector, the loader, or something of a shard."""

    name: str
    facts: Facts
    history: History
    now: datetime
    policy: Policy = field(default_factory=Policy)
    shard: Shard | None = None

    @property
    def running(self) -> Running | None:
        return None if isinstance(self.facts.running, Unknown) else self.facts.running.get(self.name)

    @property
    def status(self) -> ConnectorStatus | None:
        return self.running.status if self.running else None

    @property
    def pause(self) -> Pause | None:
        return self.facts.pause(self.name, self.now)

    @property
    def drift(self) -> str:
        """In which settings the connector is not as declared."""
        change = self.facts.change(self.name)
        return "; ".join(each.text for each in change.differences) if change else ""

    @property
    def seen(self) -> Seen | None:
        return self.history.seen.get(self.name)

    def kept(self, key: str, otherwise: Any = None) -> Any:
        """What the run before left for this one, however long ago it was."""
        return self.seen.detail.get(key, otherwise) if self.seen else otherwise

    def before(self, key: str) -> Any:
        """What was measured a run ago; None when that is too long ago to compare with."""
        seen = self.history.recent(self.name, self.now)
        return seen.detail.get(key) if seen else None

    def describe(
        self,
        state: State,
        sentence: str,
        detail: Mapping[str, Any] | None = None,
        *,
        explained: bool = False,
        about: str = "",
        news: bool = False,
    ) -> Assessment:
        seen, trouble = self.seen, None
        if state not in HEALTHY_STATES:
            trouble = (seen and seen.unhealthy_since) or self.now
        return Assessment(
            subject=self.name,
            state=state,
            sentence=f"{self.name}: {sentence}",
            detail=detail or {},
            since=seen.since if seen and seen.state == state else self.now,
            unhealthy_since=trouble,
            shard=self.shard,
            explained=explained,
            about=about,
            news=news,
        )

    def silenced(self, pause: Pause) -> Assessment:
        until = f"paused until {pause.ends:%Y-%m-%d %H:%M} UTC, at the request of {pause.owner}: {pause.reason}."
        return self.describe(State.SILENCED, until)


@dataclass(frozen=True, kw_only=True)
class ShardObservation(Observation):
    """The same of a shard's connector, tables, topics or snapshots."""

    shard: Shard

    @property
    def database(self) -> ShardFacts | Unknown:
        return self.facts.shards.get(self.shard.name, Unknown("nobody asked"))

    @property
    def slot(self) -> Slot | Unknown | None:
        return self.database if isinstance(self.database, Unknown) else self.database.slot

    @property
    def offset(self) -> Mapping[str, Any] | Unknown | None:
        return self.facts.offsets.get(self.shard.connector)

    @property
    def traces(self) -> str:
        return "\n".join(task.trace for task in self.status.failed) or self.status.trace if self.status else ""

    @property
    def reported_state(self) -> str:
        """The connector's own word for its state."""
        return self.status.state if self.status else "nothing"

    @property
    def epoch(self) -> datetime | None:
        """When the shard's epoch began."""
        return None if isinstance(self.facts.epochs, Unknown) else self.facts.epochs.get(self.shard.name)


def measured(observed: ShardObservation) -> dict[str, Any]:
    """What this run measured, and since when the slot is idle or does not move: the next run compares."""
    tasks = [task.state for task in observed.status.tasks] if observed.status else []
    detail: dict[str, Any] = {"connector": observed.reported_state, "tasks": tasks}
    if observed.running is not None:
        detail["config"] = fingerprint(observed.running.config)
    elif observed.seen:
        detail["config"] = observed.kept("config")
    database, now = observed.database, observed.now.isoformat()
    if isinstance(database, Unknown):
        return detail | {"database": database.because} | _generation(observed, None)
    slot = database.slot
    detail |= {
        "wal": database.wal,
        "unpublished": _plain(database.unpublished),
        "heartbeat_s": _plain(database.heartbeat),
        "slot": _plain(slot),
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
    return hashlib.sha256(json.dumps(sorted(config.items())).encode()).hexdigest()[:12]


def _generation(observed: ShardObservation, slot: Slot | None) -> dict[str, Any]:
    """Identifies the slot. A transaction count that fell without a reset or a new epoch means that this is another
    slot; remembered until an epoch begins."""
    before, replaced_at = observed.kept("generation"), observed.kept("replaced_at")
    now = before
    if slot:
        now = {"decoded": slot.decoded, "counted_since": slot.counted_since, "at": observed.now.isoformat()}
        if before and before["counted_since"] == slot.counted_since and slot.decoded < before["decoded"]:
            replaced_at = before["at"]
    if replaced_at and observed.epoch and observed.epoch >= datetime.fromisoformat(str(replaced_at)):
        replaced_at = None
    found = {"generation": now, "replaced_at": replaced_at}
    return {key: value for key, value in found.items() if value}


def _inactive_since(observed: ShardObservation) -> str:
    """Since when nobody reads the slot of a connector that says it runs.

    An action on it, a rebuild or the end of a pause begins the time again."""
    before = observed.before("inactive_since") if observed.before("connector") == "RUNNING" else None
    if before is None:
        return observed.now.isoformat()
    acted, pause = newest(observed.history.actions, observed.name), observed.facts.pauses.get(observed.name)
    begins = (acted and acted.at, observed.epoch, pause and pause.ends)
    idle = datetime.fromisoformat(str(before))
    return max(idle, *(at for at in begins if at and at <= observed.now), idle).isoformat()


def _plain(value: Any) -> Any:
    """A value as JSON has it; of what is unknown, why."""
    match value:
        case Unknown(because):
            return because
        case tuple():
            return list(value)
        case Slot():
            return asdict(value)
    return value


def first_cause(trace: str) -> str:
    """The innermost cause of a Java stack trace that says something, in one line.

    Of a cause without words (a NullPointerException) the place is named, for that is all that is known.
    """
    causes: list[str] = []
    for line in (line.strip() for line in trace.splitlines()):
        if line.startswith("at "):
            if causes and _WORDLESS.fullmatch(causes[-1]):
                causes[-1] = f"no reason given in {line.removeprefix('at ').partition('(')[0]}"
        elif line and not line.startswith("..."):
            causes.append(line.removeprefix("Caused by: "))
    worded = [cause for cause in causes if not cause.startswith("no reason given")]
    name, _, said = ((worded or [""])[-1]).partition(": ")
    text = f"{name.rpartition('.')[2]}: {said}" if said else name
    wordless = causes[-1] if causes and causes[-1] not in worded else ""
    return (f"{text[:240]} ({wordless[:160]})" if text and wordless else text[:240] or wordless) or "no trace"
