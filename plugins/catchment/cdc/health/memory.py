"""What the health check keeps from one run to the next, in a store that costs nothing to write each minute.

In Airflow that is the state store of an asset, which has no expiry; on a terminal it is a table of one row a key. The
warehouse's facts (`records`) are only what changed; should a store be empty, the history is read from them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

from catchment.cdc.connectors.pauses import Pause
from catchment.cdc.health.decide import Decision, Outcome
from catchment.cdc.health.facts import Question, SnapshotCount
from catchment.cdc.health.history import Done, History, Seen
from catchment.cdc.systems import warehouse_session
from catchment.connection import Connection
from catchment.errors import TryAgain
from catchment.warehouse.names import MEMORY

FORGOTTEN = timedelta(days=30)  # for how long what no longer exists is remembered
MOST_UNWRITTEN = 500  # rows kept for a warehouse that is away
_KEPT, _COUNTS = "kept", "counts"

Row = tuple[str, str, str, str, str, str | None, str, str]


class Memory(Protocol):
    """JSON values by key. Airflow's `AssetStateStoreAccessor` is one."""

    def get(self, key: str) -> Any: ...
    def set(self, key: str, value: Any) -> None: ...


@dataclass(frozen=True)
class Kept:
    """What a run leaves: history, people's pauses as last read, rows that the warehouse has not taken yet, and what it
    wants to be counted."""

    at: datetime
    history: History = field(default_factory=History)
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    unwritten: tuple[Row, ...] = ()
    questions: tuple[Question, ...] = ()


def load(memory: Memory) -> Kept | None:
    """What the last run left; None when there was none, or it was of a version that can't be read any more."""
    value = memory.get(_KEPT)
    try:
        return None if value is None else msgspec.convert(value, Kept)
    except msgspec.ValidationError:
        return None


def save(memory: Memory, kept: Kept) -> None:
    shortened = replace(kept, unwritten=kept.unwritten[-MOST_UNWRITTEN:])
    memory.set(_KEPT, json.loads(json.dumps(msgspec.to_builtins(shortened), default=str)))


def load_counts(memory: Memory) -> tuple[SnapshotCount, ...]:
    """The newest count of each snapshot's table, made by the task that counts."""
    return msgspec.convert(memory.get(_COUNTS) or [], tuple[SnapshotCount, ...])


def save_counts(memory: Memory, counts: Iterable[SnapshotCount]) -> None:
    memory.set(_COUNTS, msgspec.to_builtins(tuple(counts)))


def after(history: History, decision: Decision, now: datetime, outcomes: Iterable[Outcome] = ()) -> History:
    """The history once a decision is part of it: of each thing only the newest, for that is all that is asked.

    `outcomes`: how actions ended, once it is known. What Connect could not take just then (409) does not count.
    """
    errors = {action.subject: error for action, error in outcomes if error}
    seen = {s.subject: Seen(now, s.state, s.since, s.unhealthy_since, s.detail) for s in decision.subjects}
    kept = {name: each for name, each in history.seen.items() if now - each.at < FORGOTTEN}
    actions = (
        Done(a.subject, a.act, now, a.attempt, a.fingerprint, str(errors.get(a.subject, "")))
        for a in decision.actions
        if not isinstance(errors.get(a.subject), TryAgain)
    )
    return History(
        seen=kept | seen,
        actions=_newest((*history.actions, *actions), now),
        alerts=_newest((*history.alerts, *(Done(a.subject, a.key, now) for a in decision.alerts)), now),
        proposals=_newest((*history.proposals, *(Done(p.subject, p.dag_id, now) for p in decision.proposals)), now),
    )


def _newest(done: tuple[Done, ...], now: datetime) -> tuple[Done, ...]:
    newest = {(each.subject, each.key, each.fingerprint): each for each in done if now - each.at < FORGOTTEN}
    return tuple(sorted(newest.values(), key=lambda each: each.at))


def not_after(kept: Kept, now: datetime) -> Kept:
    """The same, with nothing in the future: this machine's clock was set back since, and waits must still end."""

    def past(done: tuple[Done, ...]) -> tuple[Done, ...]:
        return tuple(replace(each, at=min(each.at, now)) for each in done)

    history, seen = kept.history, {}
    for name, each in history.seen.items():
        trouble = each.unhealthy_since and min(each.unhealthy_since, now)
        seen[name] = replace(each, at=min(each.at, now), since=min(each.since, now), unhealthy_since=trouble)
    history = History(seen, past(history.actions), past(history.alerts), past(history.proposals))
    return replace(kept, at=min(kept.at, now), history=history)


@dataclass(frozen=True)
class WarehouseMemory:
    """For a terminal, and where no Airflow runs. Each call opens a session, for calls are few."""

    look_up: Callable[[str], Connection]

    def get(self, key: str) -> Any:
        found = self._run(f"SELECT VALUE FROM {MEMORY} WHERE NAME = %s", (key,))
        return json.loads(found[0][0]) if found else None

    def set(self, key: str, value: Any) -> None:
        self._run(
            f"MERGE INTO {MEMORY} AS kept "
            "USING (SELECT %s AS NAME, %s AS VALUE, %s::TIMESTAMP_NTZ AS UPDATED_AT) AS new ON kept.NAME = new.NAME "
            "WHEN MATCHED THEN UPDATE SET VALUE = new.VALUE, UPDATED_AT = new.UPDATED_AT "
            "WHEN NOT MATCHED THEN INSERT (NAME, VALUE, UPDATED_AT) VALUES (new.NAME, new.VALUE, new.UPDATED_AT)",
            (key, json.dumps(value), datetime.now(UTC).replace(tzinfo=None).isoformat(" ")),
        )

    def _run(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        doing = "read or write the memory of the health check"
        with warehouse_session(self.look_up("snowflake_default"), query_tag="cdc-health", doing=doing) as opened:
            cursor = opened.cursor()
            cursor.execute(sql, values)
            return list(cursor.fetchall())
