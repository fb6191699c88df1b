"""The state of one Debezium source: the connector, its tasks, its slot and its database, taken together. Pure.

The order of the questions is the order of importance: what loses data, then what a person did, then what is down, then
what is broken, then what is merely not as declared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from catchment.cdc.declared import Shard
from catchment.cdc.health.assessment import Assessment, amount, first_cause
from catchment.cdc.health.facts import (
    Facts,
    Slot,
    Unknown,
    snapshotted,
    snapshotting,
    snapshotting_incrementally,
)
from catchment.cdc.health.history import History
from catchment.cdc.health.observation import Observation, measured
from catchment.cdc.health.policy import SEEN_TWICE, Policy, State

_FULL = ("No space left on device", "could not extend file", "disk quota exceeded", "Disk full")
_REFUSED = ("password authentication failed", "no password was provided")


def assess_source(shard: Shard, facts: Facts, history: History, now: datetime, policy: Policy) -> Assessment:
    """The state of a shard's connector."""
    observed = Observation(shard, facts, history, now, policy)
    detail = measured(observed)
    for question in _QUESTIONS:
        found = question(observed, detail)
        if found:
            return replace(found, detail=detail)
    return replace(observed.describe(State.HEALTHY, "runs, and its slot moves on."), detail=detail)


# --- what would lose data -------------------------------------------------------------------------------------------


def _slot_lost(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    if isinstance(observed.slot, Slot) and observed.slot.lost:
        tasks = len(observed.status.tasks) if observed.status else 0
        return observed.describe(
            State.SLOT_LOST,
            f"the database gave up the slot {observed.shard.slot} (wal_status lost): changes since then can't be read, "
            f"though the connector says {observed.reported_state} with {tasks} tasks. The shard has to be rebuilt.",
        )
    return None


def _slot_at_risk(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    slot = observed.slot
    if not isinstance(slot, Slot):
        return None
    short = slot.safe_wal is not None and slot.safe_wal < min(observed.policy.safe_wal, slot.held)
    if slot.wal_status == "unreserved" or short:
        left = (
            f"{amount(slot.safe_wal)} may still be written"
            if slot.safe_wal is not None
            else "it may be lost at any time"
        )
        return observed.describe(
            State.SLOT_AT_RISK,
            f"the slot {observed.shard.slot} holds {amount(slot.held)} of WAL and is about to be lost ({left}). Let "
            "the connector catch up now, or raise max_slot_wal_keep_size.",
        )
    return None


def _slot_replaced(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    if "replaced_at" not in detail:
        return None
    return observed.describe(
        State.SLOT_REPLACED,
        f"the slot {observed.shard.slot} was dropped and made again: what was written in between can't be read, though "
        f"the connector says {observed.reported_state}. The shard has to be rebuilt.",
    )


# --- what a person did ----------------------------------------------------------------------------------------------


def _silenced(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    pause = observed.facts.pause(observed.name, observed.now)
    if pause is None:
        return None
    return observed.describe(
        State.SILENCED,
        f"paused until {pause.ends:%Y-%m-%d %H:%M} UTC, at the request of {pause.owner}: {pause.reason}.",
    )


def _connect_unknown(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    if isinstance(observed.facts.running, Unknown):
        return observed.describe(State.UNKNOWN, f"can't be seen: {observed.facts.running.because}", explained=True)
    return None


def _missing(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    if observed.running is not None:
        return None
    if detail.get("config"):
        return observed.describe(
            State.MISSING,
            "was deleted by somebody. It is made again and goes on where it was: nothing is lost. Whoever deleted it: "
            "take it out of the declaration, or pause it (DAG cdc_pause).",
            news=True,
        )
    return observed.describe(State.MISSING, "is declared and does not exist. It is created.")


def _held_still(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    if observed.status is None or observed.status.state not in ("PAUSED", "STOPPED"):
        return None
    state = State(observed.status.state.lower())
    pause = observed.facts.pauses.get(observed.name)
    over = f" The pause of {pause.owner} ended {pause.ends:%Y-%m-%d %H:%M} UTC." if pause else " Nobody wrote down why."
    held = f" Its slot holds {amount(observed.slot.held)} of WAL." if isinstance(observed.slot, Slot) else ""
    return observed.describe(state, f"is {state}.{over}{held} Resume it, or pause it with a reason (DAG cdc_pause).")


# --- what is down ---------------------------------------------------------------------------------------------------


def _database(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    database = observed.database
    refused = database.because if isinstance(database, Unknown) else database.write_refused
    if any(words in refused for words in _FULL):
        return observed.describe(
            State.DISK_FULL,
            f"its database has no room left to write, so the application's writes fail, too. {refused} Give the disk "
            "room; nothing that was committed is lost, and the connector goes on by itself.",
        )
    if isinstance(database, Unknown) and database.away:
        return observed.describe(
            State.DATABASE_DOWN, f"waits for its database, and is not restarted. {database.because}"
        )
    return None


def _slot_missing(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    if observed.slot is not None:
        return None
    if not observed.offset:  # it has read nothing yet: the slot is made when its task starts
        return None
    return observed.describe(
        State.SLOT_MISSING,
        f"the slot {observed.shard.slot} is gone, and the connector has read before. A new slot would begin after "
        "changes that nobody has read, so it is not restarted. The shard has to be rebuilt.",
    )


# --- what is broken -------------------------------------------------------------------------------------------------


def _publication(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    if isinstance(observed.database, Unknown) or observed.database.unpublished is not None:
        return None
    return observed.describe(
        State.PUBLICATION_MISSING,
        "its publication does not exist. Make it again (python -m catchment cdc-migrate), then compare the shard: "
        "changes made in the meantime can be missing. It is not restarted before.",
    )


def _failed(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    status = observed.status
    if status is None or (not status.failed and status.state != "FAILED"):
        return None
    tasks = ", ".join(str(task.id) for task in status.failed)
    what = f"task {tasks} failed" if tasks else "the connector itself failed"
    if any(words in observed.traces for words in _REFUSED):
        return observed.describe(
            State.PASSWORD_REFUSED,
            f"{what}: the database refuses its password. Compare the secret that the connector refers to with the "
            "role's (docs/runbooks/cdc_rotate_password.md).",
        )
    if "RecordTooLargeException" in observed.traces:
        return observed.describe(
            State.RECORD_TOO_LARGE,
            f"{what}: a row is larger than Kafka takes: {_too_large(observed.traces)} It holds up every change after "
            "it, and each restart ends there. Nothing is lost while the slot keeps the WAL. Raise LARGEST_RECORD as "
            "the page says (connector, topics and the row's way are set right by the next run), or shorten the row in "
            "the application before the slot is at risk.",
        )
    if snapshotting_incrementally(observed.offset) and "ncremental" in observed.traces:
        tables = snapshotted(observed.offset)
        return observed.describe(
            State.SNAPSHOT_POISONED,
            f"{what} over a snapshot that can't be read ({', '.join(tables) or 'of an unknown table'}): "
            f"{first_cause(observed.traces)}. The snapshot stands in the connector's offsets, so no restart helps, and "
            "no stop signal is read. Take it out of the offsets (DAG cdc_end_snapshot). Changes are kept by the slot.",
        )
    if "publication" in observed.traces and "does not exist" in observed.traces:
        what += ", because its publication was missing for a while"
    return observed.describe(State.FAILED, f"{what}: {first_cause(observed.traces)}")


def _tasks(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    status = observed.status
    if status is None or not status.tasks:
        if _began_lately(observed):
            return observed.describe(State.STARTING, "has no tasks yet.")
        return observed.describe(
            State.NO_TASKS, f"says {observed.reported_state} and has no tasks. It is restarted as a whole."
        )
    states = {task.state for task in status.tasks}
    if "UNASSIGNED" in states or status.state == "UNASSIGNED":
        return observed.describe(State.REBALANCING, "is not assigned to a worker at present.")
    if "RESTARTING" in states or "PAUSED" in states or status.state == "RESTARTING":
        return observed.describe(State.STARTING, "is changing its state.")
    return None


def _snapshot(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    if snapshotting(observed.offset):
        return observed.describe(State.SNAPSHOTTING, "is in its initial snapshot.")
    return None


def _unseen(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    if isinstance(observed.slot, Unknown):
        return observed.describe(State.UNKNOWN, f"runs, but its database can't be checked: {observed.slot.because}")
    return None


def _idle(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    if isinstance(observed.slot, Unknown):
        return None
    if observed.slot is not None and observed.slot.active:
        return None
    if _began_lately(observed):
        return observed.describe(State.STARTING, "has not opened its slot yet.")
    if observed.offset is not None and not isinstance(observed.offset, Unknown) and not observed.offset:
        return observed.describe(State.STALLED, "says it runs, and has not begun to read. See its log.")
    idle = observed.now - datetime.fromisoformat(str(detail["inactive_since"]))
    if idle < SEEN_TWICE:
        return observed.describe(
            State.SLOT_IDLE, f"says {observed.reported_state}, but nobody reads its slot. It is checked again."
        )
    return observed.describe(
        State.ZOMBIE,
        f"says {observed.reported_state}, but nobody has read its slot {observed.shard.slot} for {_minutes(idle)}: "
        "nothing flows, and nothing will. A restart does not help; the shard has to be rebuilt.",
    )


def _growing(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    slot = observed.slot
    if not isinstance(slot, Slot) or isinstance(observed.database, Unknown):
        return None
    still = observed.now - datetime.fromisoformat(str(detail["flush_since"]))
    grown = observed.database.wal - int(detail["flush_wal"])
    if slot.held >= observed.policy.wal_held or (still >= SEEN_TWICE and grown >= observed.policy.wal_step):
        return observed.describe(
            State.WAL_GROWING,
            f"its slot holds {amount(slot.held)} of WAL and has not moved for {_minutes(still)}, in which "
            f"{amount(grown)} were written.{_pulse(observed)}",
        )
    return None


def _stalled(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    """By the age of the last heartbeat, and by their count where a clock that was set makes old ones young."""
    if isinstance(observed.database, Unknown) or isinstance(observed.database.heartbeat, Unknown):
        return None
    age, limit = observed.database.heartbeat, observed.policy.heartbeat
    moved = observed.before("beats") not in (None, observed.database.beats)
    quiet = observed.now - datetime.fromisoformat(str(detail.get("beat_since", observed.now.isoformat())))
    late = age is not None and ((age > limit.total_seconds() and not moved) or (age < 0 and quiet > limit))
    if age is None or late:
        return observed.describe(State.STALLED, f"runs, but something is stuck.{_pulse(observed)}")
    return None


def _clock(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    if isinstance(observed.database, Unknown):
        return None
    beat, ahead = observed.database.heartbeat, observed.database.clock
    limit = observed.policy.clock.total_seconds()
    jumped = isinstance(beat, float) and not -limit < beat < limit  # it beats, so its time is wrong
    if not jumped and abs(ahead) < limit:
        return None
    texts = [f"it is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"] * (abs(ahead) >= limit)
    if jumped:
        texts.append(f"its last heartbeat is {_minutes(abs(timedelta(seconds=float(str(beat)))))} from its own time")
    return observed.describe(
        State.CLOCK_JUMPED,
        f"the clock of its database jumped: {'; '.join(texts)}. Changes are ordered by the log and not by time, so "
        "none is lost; times that now() and triggers wrote into rows are wrong. See that the server keeps time.",
    )


# --- what is not as declared ----------------------------------------------------------------------------------------


def _unpublished(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    if isinstance(observed.database, Unknown) or not isinstance(observed.database.unpublished, tuple):
        return None
    if observed.database.unpublished:
        return observed.describe(
            State.UNPUBLISHED,
            "the publication lacks declared tables, whose changes nobody sees: "
            f"{', '.join(observed.database.unpublished)}. Run the DAG cdc_add_table.",
        )
    return None


def _drifted(observed: Observation, detail: Mapping[str, Any]) -> Assessment | None:
    change = None if isinstance(observed.facts.plan, Unknown) else observed.facts.plan.change(observed.name)
    if change and change.differences:
        text = "; ".join(difference.text for difference in change.differences)
        seen = observed.history.last(observed.name)
        changed = seen is not None and seen.detail.get("config") not in (None, detail.get("config"))
        who = " Somebody changed it since the last run." if changed else ""
        return observed.describe(State.DRIFTED, f"is not as declared, and is set right: {text}.{who}", news=changed)
    return None


_QUESTIONS: tuple[Callable[[Observation, Mapping[str, Any]], Assessment | None], ...] = (
    _slot_lost,
    _slot_at_risk,
    _silenced,
    _slot_replaced,
    _connect_unknown,
    _missing,
    _held_still,
    _database,
    _slot_missing,
    _publication,
    _failed,
    _tasks,
    _unseen,
    _snapshot,
    _idle,
    _growing,
    _stalled,
    _clock,
    _unpublished,
    _drifted,
)


# --- helpers --------------------------------------------------------------------------------------------------------


def _began_lately(observed: Observation) -> bool:
    """Whether we created, changed or restarted it recently."""
    acted = observed.history.last_action(observed.name)
    return acted is not None and observed.now - acted.at < observed.policy.starting


def _pulse(observed: Observation) -> str:
    if isinstance(observed.database, Unknown) or isinstance(observed.database.heartbeat, Unknown):
        return ""
    if observed.database.heartbeat is None:
        return (
            " The row of cdc.heartbeat is missing, so nothing moves the slot on: run python -m catchment cdc-migrate."
        )
    return f" Its heartbeat is {_minutes(timedelta(seconds=observed.database.heartbeat))} old."


def _too_large(traces: str) -> str:
    """What Kafka says of the size."""
    found = re.search(r"RecordTooLargeException: ([^\n]*)", traces)
    return found[1] if found else first_cause(traces)


def _minutes(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
