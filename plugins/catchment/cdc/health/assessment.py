"""The result of looking at one thing: its state, a sentence for a person, and what the next run wants to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from catchment.cdc.declared import Shard
from catchment.cdc.health.policy import State

CONNECT, KAFKA, LOADER = "connect", "kafka", "loader"
_RUNBOOKS = {
    State.CONNECT_DOWN: "cdc_connect_down",
    State.REBALANCING: "cdc_connect_down",
    State.KAFKA_DOWN: "cdc_kafka_down",
    State.LOADER_STUCK: "cdc_loader_stuck",
    State.DATABASE_DOWN: "cdc_database_down",
    State.PAUSED: "cdc_paused",
    State.STOPPED: "cdc_paused",
    State.SLOT_LOST: "cdc_slot",
    State.SLOT_MISSING: "cdc_slot",
    State.SLOT_REPLACED: "cdc_slot",
    State.SLOT_AT_RISK: "cdc_slot",
    State.ZOMBIE: "cdc_slot",
    State.WAL_GROWING: "cdc_wal_growing",
    State.STALLED: "cdc_wal_growing",
    State.SNAPSHOT_INCOMPLETE: "cdc_snapshot_incomplete",
}


@dataclass(frozen=True)
class Assessment:
    """`explained`: another subject's state is the cause, so this one raises no alert. `shard`: the one it speaks of."""

    subject: str
    state: State
    sentence: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    explained: bool = False
    shard: Shard | None = None


def runbook(state: State) -> str:
    return f"docs/runbooks/{_RUNBOOKS.get(state, 'cdc_connector_failed')}.md"


def amount(count: float) -> str:
    """Bytes for a person: `1.5 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(count) < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def first_cause(trace: str) -> str:
    """The innermost cause of a Java stack trace, in one line."""
    lines = [line.strip() for line in trace.splitlines() if line.strip() and not line.lstrip().startswith("at ")]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by:")]
    text = (causes or lines or ["no trace"])[-1]
    name, _, said = text.partition(": ")
    return f"{name.rpartition('.')[2]}: {said}"[:240] if said else text[:240]
