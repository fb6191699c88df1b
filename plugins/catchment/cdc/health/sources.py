"""The state of one Debezium source: the connector, its tasks, its slot and its database, taken together. Pure.

What is found comes in the order of importance: what loses data, then what a person did, then what is down, then what is
broken, then what is merely not as declared. The first is the state; nothing after it is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from catchment.cdc.health.facts import (
    ShardFacts,
    Slot,
    Unknown,
    snapshotted,
    snapshotting,
    snapshotting_incrementally,
)
from catchment.cdc.health.history import newest
from catchment.cdc.health.observation import Assessment, ShardObservation, first_cause, measured
from catchment.cdc.health.policy import SEEN_TWICE, State

_FULL = ("No space left on device", "could not extend file", "disk quota exceeded", "Disk full")
_REFUSED = ("password authentication failed", "no password was provided")


def assess_source(observed: ShardObservation) -> Assessment:
    """The state of a shard's connector."""
    detail = measured(observed)
    return replace(next(_found(observed, detail)), detail=detail)


def _found(observed: ShardObservation, detail: Mapping[str, Any]) -> Iterator[Assessment]:
    yield from _losing(observed)
    yield from _of_people(observed, detail)
    yield from _down(observed)
    yield from _broken(observed)
    database, slot = observed.database, observed.slot
    if isinstance(slot, Unknown):
        yield observed.describe(State.UNKNOWN, f"runs, but its database can't be checked: {slot.because}")
    if isinstance(database, Unknown) or isinstance(slot, Unknown):
        return
    if snapshotting(observed.offset):
        yield observed.describe(State.SNAPSHOTTING, "is in its initial snapshot.")
    yield from _standing_still(observed, database, slot, detail)
    yield from _clock(observed, database)
    if isinstance(database.unpublished, tuple) and database.unpublished:
        yield observed.describe(
            State.UNPUBLISHED,
            "the publication lacks declared tables, whose changes nobody sees: "
            f"{', '.join(database.unpublished)}. Run the DAG cdc_add_table.",
        )
    if observed.drift:
        changed = observed.kept("config") not in (None, detail.get("config"))
        who = " Somebody changed it since the last run." if changed else ""
        text = f"is not as declared, and is set right: {observed.drift}.{who}"
        yield observed.describe(State.DRIFTED, text, news=changed)
    yield observed.describe(State.HEALTHY, "runs, and its slot moves on.")


def _losing(observed: ShardObservation) -> Iterator[Assessment]:
    """What loses data: no pause silences it."""
    slot = observed.slot
    if not isinstance(slot, Slot):
        return
    if slot.wal_status == "lost":
        tasks = len(observed.status.tasks) if observed.status else 0
        yield observed.describe(
            State.SLOT_LOST,
            f"the database gave up the slot {observed.shard.slot} (wal_status lost): changes since then can't be read, "
            f"though the connector says {observed.reported_state} with {tasks} tasks. The shard has to be rebuilt.",
        )
    short = slot.safe_wal is not None and slot.safe_wal < min(observed.policy.safe_wal, slot.held)
    if slot.wal_status == "unreserved" or short:
        left = "it may be lost at any time"
        if slot.safe_wal is not None:
            left = f"{amount(slot.safe_wal)} may still be written"
        yield observed.describe(
            State.SLOT_AT_RISK,
            f"the slot {observed.shard.slot} holds {amount(slot.held)} of WAL and is about to be lost ({left}). Let "
            "the connector catch up now, or raise max_slot_wal_keep_size.",
        )


def _of_people(observed: ShardObservation, detail: Mapping[str, Any]) -> Iterator[Assessment]:
    """What a person did, and whether there is a connector at all."""
    if observed.pause:
        yield observed.silenced(observed.pause)
    if "replaced_at" in detail:
        yield observed.describe(
            State.SLOT_REPLACED,
            f"the slot {observed.shard.slot} was dropped and made again: what was written in between can't be read, "
            f"though the connector says {observed.reported_state}. The shard has to be rebuilt.",
        )
    if isinstance(observed.facts.running, Unknown):
        yield observed.describe(State.UNKNOWN, f"can't be seen: {observed.facts.running.because}", explained=True)
    elif observed.running is None and detail.get("config"):
        yield observed.describe(
            State.MISSING,
            "was deleted by somebody. It is made again and goes on where it was: nothing is lost. Whoever deleted it: "
            "take it out of the declaration, or pause it (DAG cdc_pause).",
            news=True,
        )
    elif observed.running is None:
        yield observed.describe(State.MISSING, "is declared and does not exist. It is created.")
    if observed.status and observed.status.state in ("PAUSED", "STOPPED"):
        state, over = State(observed.status.state.lower()), "Nobody wrote down why."
        if pause := observed.facts.pauses.get(observed.name):
            over = f"The pause of {pause.owner} ended {pause.ends:%Y-%m-%d %H:%M} UTC."
        held = f" Its slot holds {amount(observed.slot.held)} of WAL." if isinstance(observed.slot, Slot) else ""
        text = f"is {state}. {over}{held} Resume it, or pause it with a reason (DAG cdc_pause)."
        yield observed.describe(state, text)


def _down(observed: ShardObservation) -> Iterator[Assessment]:
    database = observed.database
    refused = database.because if isinstance(database, Unknown) else database.write_refused
    if any(words in refused for words in _FULL):
        yield observed.describe(
            State.DISK_FULL,
            f"its database has no room left to write, so the application's writes fail, too. {refused} Give the disk "
            "room; nothing that was committed is lost, and the connector goes on by itself.",
        )
    if isinstance(database, Unknown) and database.away:
        text = f"waits for its database, and is not restarted. {database.because}"
        yield observed.describe(State.DATABASE_DOWN, text)
    if observed.slot is None and observed.offset:  # before it has read anything, its task makes the slot as it starts
        yield observed.describe(
            State.SLOT_MISSING,
            f"the slot {observed.shard.slot} is gone, and the connector has read before. A new slot would begin after "
            "changes that nobody has read, so it is not restarted. The shard has to be rebuilt.",
        )


def _broken(observed: ShardObservation) -> Iterator[Assessment]:
    if isinstance(observed.database, ShardFacts) and observed.database.unpublished is None:
        yield observed.describe(
            State.PUBLICATION_MISSING,
            "its publication does not exist. Make it again (python -m catchment cdc-migrate), then compare the shard: "
            "changes made in the meantime can be missing. It is not restarted before.",
        )
    status = observed.status
    if status and (status.failed or status.state == "FAILED"):
        tasks = ", ".join(str(task.id) for task in status.failed)
        yield _failed(observed, f"task {tasks} failed" if tasks else "the connector itself failed")
    if status is None or not status.tasks:
        if _began_lately(observed):
            yield observed.describe(State.STARTING, "has no tasks yet.")
        text = f"says {observed.reported_state} and has no tasks. It is restarted as a whole."
        yield observed.describe(State.NO_TASKS, text)
        return
    states = {status.state, *(task.state for task in status.tasks)}
    if "UNASSIGNED" in states:
        yield observed.describe(State.REBALANCING, "is not assigned to a worker at present.")
    if states & {"RESTARTING", "PAUSED"}:
        yield observed.describe(State.STARTING, "is changing its state.")


def _failed(observed: ShardObservation, what: str) -> Assessment:
    """Why a task failed, by its trace."""
    traces = observed.traces
    if any(words in traces for words in _REFUSED):
        return observed.describe(
            State.PASSWORD_REFUSED,
            f"{what}: the database refuses its password. Compare the secret that the connector refers to with the "
            "role's (docs/runbooks/cdc_rotate_password.md).",
        )
    if "RecordTooLargeException" in traces:
        size = re.search(r"RecordTooLargeException: ([^\n]*)", traces)
        return observed.describe(
            State.RECORD_TOO_LARGE,
            f"{what}: a row is larger than Kafka takes: {size[1] if size else first_cause(traces)} It holds up every "
            "change after it, and each restart ends there. Nothing is lost while the slot keeps the WAL. Raise "
            "LARGEST_RECORD as the page says (connector, topics and the row's way are set right by the next run), or "
            "shorten the row in the application before the slot is at risk.",
        )
    if snapshotting_incrementally(observed.offset) and "ncremental" in traces:
        tables = ", ".join(snapshotted(observed.offset)) or "of an unknown table"
        return observed.describe(
            State.SNAPSHOT_POISONED,
            f"{what} over a snapshot that can't be read ({tables}): {first_cause(traces)}. The snapshot stands in the "
            "connector's offsets, so no restart helps, and no stop signal is read. Take it out of the offsets (DAG "
            "cdc_end_snapshot). Changes are kept by the slot.",
        )
    if "publication" in traces and "does not exist" in traces:
        what += ", because its publication was missing for a while"
    return observed.describe(State.FAILED, f"{what}: {first_cause(traces)}")


def _standing_still(
    observed: ShardObservation, database: ShardFacts, slot: Slot | None, detail: Mapping[str, Any]
) -> Iterator[Assessment]:
    """By the slot, by its position, and by the heartbeat."""
    if slot is None or not slot.active:
        if _began_lately(observed):
            yield observed.describe(State.STARTING, "has not opened its slot yet.")
        if observed.offset == {}:
            yield observed.describe(State.STALLED, "says it runs, and has not begun to read. See its log.")
        idle = observed.now - datetime.fromisoformat(str(detail["inactive_since"]))
        said = f"says {observed.reported_state}, but nobody"
        if idle < SEEN_TWICE:
            yield observed.describe(State.SLOT_IDLE, f"{said} reads its slot. It is checked again.")
        yield observed.describe(
            State.ZOMBIE,
            f"{said} has read its slot {observed.shard.slot} for {_minutes(idle)}: nothing flows, and nothing will. A "
            "restart does not help; the shard has to be rebuilt.",
        )
        return
    beat = database.heartbeat
    pulse = "" if isinstance(beat, Unknown) else f" Its heartbeat is {_minutes(timedelta(seconds=beat or 0))} old."
    if beat is None:
        pulse = " The row of cdc.heartbeat is missing, so nothing moves the slot on: "
        pulse += "run python -m catchment cdc-migrate."
    still = observed.now - datetime.fromisoformat(str(detail["flush_since"]))
    grown = database.wal - int(detail["flush_wal"])
    if slot.held >= observed.policy.wal_held or (still >= SEEN_TWICE and grown >= observed.policy.wal_step):
        yield observed.describe(
            State.WAL_GROWING,
            f"its slot holds {amount(slot.held)} of WAL and has not moved for {_minutes(still)}, in which "
            f"{amount(grown)} were written.{pulse}",
        )
    if beat is None or (isinstance(beat, float) and _is_late(observed, beat, detail)):
        yield observed.describe(State.STALLED, f"runs, but something is stuck.{pulse}")


def _is_late(observed: ShardObservation, beat: float, detail: Mapping[str, Any]) -> bool:
    """By the age of the last heartbeat, and by their count where a clock that was set makes old ones young."""
    limit = observed.policy.heartbeat
    if beat < 0:
        since = str(detail.get("beat_since", observed.now.isoformat()))
        return observed.now - datetime.fromisoformat(since) > limit
    moved = observed.before("beats") not in (None, detail.get("beats"))
    return beat > limit.total_seconds() and not moved


def _clock(observed: ShardObservation, database: ShardFacts) -> Iterator[Assessment]:
    beat, ahead, limit = database.heartbeat, database.clock, observed.policy.clock.total_seconds()
    texts = []
    if abs(ahead) >= limit:
        texts.append(f"it is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's")
    if isinstance(beat, float) and not -limit < beat < limit:  # it beats, so its time is wrong
        texts.append(f"its last heartbeat is {_minutes(timedelta(seconds=abs(beat)))} from its own time")
    if texts:
        yield observed.describe(
            State.CLOCK_JUMPED,
            f"the clock of its database jumped: {'; '.join(texts)}. Changes are ordered by the log and not by time, so "
            "none is lost; times that now() and triggers wrote into rows are wrong. See that the server keeps time.",
        )


def _began_lately(observed: ShardObservation) -> bool:
    """Whether we created, changed or restarted it recently."""
    acted = newest(observed.history.actions, observed.name)
    return acted is not None and observed.now - acted.at < observed.policy.starting


def _minutes(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def amount(count: float) -> str:
    """Bytes for a person: `1.5 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(count) < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")
