"""The state of one Debezium source: the connector, its tasks, its slot and its database, taken together. Pure.

The order of the questions is the order of importance: what loses data, then what a person did, then what is down, then
what is broken, then what is merely not as declared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from catchment.cdc.declared import Shard
from catchment.cdc.health.assessment import Assessment, amount, first_cause
from catchment.cdc.health.facts import Facts, Slot, Unknown, snapshotting
from catchment.cdc.health.history import History
from catchment.cdc.health.look import Look, measured
from catchment.cdc.health.policy import SEEN_TWICE, Policy, State
from catchment.cdc.plan import Update

_REFUSED = ("password authentication failed", "no password was provided")


def assess_source(shard: Shard, facts: Facts, history: History, now: datetime, policy: Policy) -> Assessment:
    """The state of a shard's connector."""
    look = Look(shard, facts, history, now, policy)
    detail = measured(look)
    for question in _QUESTIONS:
        found = question(look, detail)
        if found:
            return replace(found, detail=detail)
    return replace(look.says(State.HEALTHY, "runs, and its slot moves on."), detail=detail)


# --- what would lose data -------------------------------------------------------------------------------------------


def _slot_lost(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    if isinstance(look.slot, Slot) and look.slot.lost:
        tasks = len(look.status.tasks) if look.status else 0
        return look.says(
            State.SLOT_LOST,
            f"the database gave up the slot {look.shard.slot} (wal_status lost): changes since then can't be read, "
            f"though the connector says {look.says_it_is} with {tasks} tasks. The shard has to be rebuilt.",
        )
    return None


def _slot_at_risk(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    slot = look.slot
    if not isinstance(slot, Slot):
        return None
    short = slot.safe_wal is not None and slot.safe_wal < min(look.policy.safe_wal, slot.held)
    if slot.wal_status == "unreserved" or short:
        left = f"{amount(slot.safe_wal)} may still be written" if slot.safe_wal is not None else "it may go any moment"
        return look.says(
            State.SLOT_AT_RISK,
            f"the slot {look.shard.slot} holds {amount(slot.held)} of WAL and is about to be lost ({left}). Let the "
            "connector catch up now, or raise max_slot_wal_keep_size.",
        )
    return None


def _slot_replaced(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    if "replaced_at" not in detail:
        return None
    return look.says(
        State.SLOT_REPLACED,
        f"the slot {look.shard.slot} was dropped and made again: what was written in between can't be read, though the "
        f"connector says {look.says_it_is}. The shard has to be rebuilt.",
    )


# --- what a person did ----------------------------------------------------------------------------------------------


def _silenced(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    pause = look.facts.pause(look.name, look.now)
    if pause is None:
        return None
    return look.says(
        State.SILENCED, f"left alone until {pause.ends:%Y-%m-%d %H:%M} UTC, as {pause.owner} wished: {pause.reason}."
    )


def _connect_unknown(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    if isinstance(look.facts.running, Unknown):
        return look.says(State.UNKNOWN, f"can't be seen: {look.facts.running.because}", explained=True)
    return None


def _missing(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    if look.running is None:
        return look.says(State.MISSING, "is declared and does not exist. It is created, and goes on where it was.")
    return None


def _held_still(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    if look.status is None or look.status.state not in ("PAUSED", "STOPPED"):
        return None
    state = State(look.status.state.lower())
    pause = look.facts.pauses.get(look.name)
    over = f" The pause of {pause.owner} ended {pause.ends:%Y-%m-%d %H:%M} UTC." if pause else " Nobody wrote down why."
    held = f" Its slot holds {amount(look.slot.held)} of WAL." if isinstance(look.slot, Slot) else ""
    return look.says(state, f"is {state}.{over}{held} Resume it, or pause it with a reason (DAG cdc_pause).")


# --- what is down ---------------------------------------------------------------------------------------------------


def _database(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    database = look.database
    if isinstance(database, Unknown) and database.away:
        return look.says(State.DATABASE_DOWN, f"waits for its database, and is not restarted. {database.because}")
    return None


def _slot_missing(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    if look.slot is not None:
        return None
    if not look.offset:  # it has read nothing yet: the slot is made when its task starts
        return None
    return look.says(
        State.SLOT_MISSING,
        f"the slot {look.shard.slot} is gone, and the connector has read before. A new slot would begin after changes "
        "that nobody has read, so it is not restarted. The shard has to be rebuilt.",
    )


# --- what is broken -------------------------------------------------------------------------------------------------


def _publication(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    if isinstance(look.database, Unknown) or look.database.unpublished is not None:
        return None
    return look.says(
        State.PUBLICATION_MISSING,
        "its publication does not exist. Make it again (python -m catchment cdc-migrate), then compare the shard: "
        "changes made meanwhile can be missing. It is not restarted before.",
    )


def _failed(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    status = look.status
    if status is None or (not status.failed and status.state != "FAILED"):
        return None
    tasks = ", ".join(str(task.id) for task in status.failed)
    what = f"task {tasks} failed" if tasks else "the connector itself failed"
    if any(words in look.traces for words in _REFUSED):
        return look.says(
            State.PASSWORD_REFUSED,
            f"{what}: the database refuses its password. Compare the secret that the connector refers to with the "
            "role's (DAG cdc_rotate_password).",
        )
    if "publication" in look.traces and "does not exist" in look.traces:
        what += ", as it met a moment without its publication"
    return look.says(State.FAILED, f"{what}: {first_cause(look.traces)}")


def _tasks(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    status = look.status
    if status is None or not status.tasks:
        if _began_lately(look):
            return look.says(State.STARTING, "has no tasks yet.")
        return look.says(State.NO_TASKS, f"says {look.says_it_is} and has no tasks. It is restarted as a whole.")
    states = {task.state for task in status.tasks}
    if "UNASSIGNED" in states or status.state == "UNASSIGNED":
        return look.says(State.REBALANCING, "is assigned to no worker at the moment.")
    if "RESTARTING" in states or "PAUSED" in states or status.state == "RESTARTING":
        return look.says(State.STARTING, "is changing its state.")
    return None


def _snapshot(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    if snapshotting(look.offset):
        return look.says(State.SNAPSHOTTING, "is in its initial snapshot.")
    return None


def _unseen(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    if isinstance(look.slot, Unknown):
        return look.says(State.UNKNOWN, f"runs, but its database can't be looked at: {look.slot.because}")
    return None


def _idle(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    if isinstance(look.slot, Unknown):
        return None
    if look.slot is not None and look.slot.active:
        return None
    if _began_lately(look):
        return look.says(State.STARTING, "has not opened its slot yet.")
    if look.offset is not None and not isinstance(look.offset, Unknown) and not look.offset:
        return look.says(State.STALLED, "says it runs, and has not begun to read. See its log.")
    idle = look.now - datetime.fromisoformat(str(detail["inactive_since"]))
    if idle < SEEN_TWICE:
        return look.says(State.SLOT_IDLE, f"says {look.says_it_is}, but nobody reads its slot. It is looked at again.")
    return look.says(
        State.ZOMBIE,
        f"says {look.says_it_is}, but nobody has read its slot {look.shard.slot} for {_minutes(idle)}: nothing flows, "
        "and nothing will. A restart does not help; the shard has to be rebuilt.",
    )


def _growing(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    slot = look.slot
    if not isinstance(slot, Slot) or isinstance(look.database, Unknown):
        return None
    still = look.now - datetime.fromisoformat(str(detail["flush_since"]))
    grown = look.database.wal - int(detail["flush_wal"])
    if slot.held >= look.policy.wal_held or (still >= SEEN_TWICE and grown >= look.policy.wal_step):
        return look.says(
            State.WAL_GROWING,
            f"its slot holds {amount(slot.held)} of WAL and has not moved for {_minutes(still)}, in which "
            f"{amount(grown)} were written.{_pulse(look)}",
        )
    return None


def _stalled(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    if isinstance(look.database, Unknown) or isinstance(look.database.heartbeat, Unknown):
        return None
    beat = look.database.heartbeat
    if beat is None or beat > look.policy.heartbeat.total_seconds():
        return look.says(State.STALLED, f"runs, but something is stuck.{_pulse(look)}")
    return None


# --- what is not as declared ----------------------------------------------------------------------------------------


def _unpublished(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    if isinstance(look.database, Unknown) or not isinstance(look.database.unpublished, tuple):
        return None
    if look.database.unpublished:
        return look.says(
            State.UNPUBLISHED,
            "the publication lacks declared tables, whose changes nobody sees: "
            f"{', '.join(look.database.unpublished)}. Run the DAG cdc_add_table.",
        )
    return None


def _drifted(look: Look, detail: Mapping[str, Any]) -> Assessment | None:
    change = None if isinstance(look.facts.plan, Unknown) else look.facts.plan.change(look.name)
    if isinstance(change, Update):
        text = "; ".join(difference.text for difference in change.differences)
        return look.says(State.DRIFTED, f"is not as declared, and is set right: {text}.")
    return None


_QUESTIONS: tuple[Callable[[Look, Mapping[str, Any]], Assessment | None], ...] = (
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
    _unpublished,
    _drifted,
)


# --- helpers --------------------------------------------------------------------------------------------------------


def _began_lately(look: Look) -> bool:
    """Whether we created, changed or restarted it a moment ago."""
    acted = look.history.last_action(look.name)
    return acted is not None and look.now - acted.at < look.policy.starting


def _pulse(look: Look) -> str:
    if isinstance(look.database, Unknown) or isinstance(look.database.heartbeat, Unknown):
        return ""
    if look.database.heartbeat is None:
        return (
            " The row of cdc.heartbeat is missing, so nothing moves the slot on: run python -m catchment cdc-migrate."
        )
    return f" Its heartbeat is {_minutes(timedelta(seconds=look.database.heartbeat))} old."


def _minutes(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
