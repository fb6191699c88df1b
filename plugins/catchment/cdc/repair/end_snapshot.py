"""Take an incremental snapshot out of a connector's offsets.

Debezium keeps one that runs there, under keys of its own. A table that can't be read in chunks fails the task at each
start, before it reads any signal: then this is the only cure that skips no change.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from catchment.cdc.connectors import pauses
from catchment.cdc.connectors.waiting import retry_on_rebalance
from catchment.cdc.declared import Shard
from catchment.cdc.health.facts import snapshotted
from catchment.cdc.systems import Systems
from catchment.errors import NeedsPerson

KEYS = "incremental_snapshot_"
LASTS = timedelta(minutes=30)  # how long the health check is silent at most, if this is left half done


def plan(systems: Systems, shard: Shard) -> list[str]:
    """What it would do, in sentences."""
    with systems.connect() as connect:
        tables = _tables(connect.offsets(shard.connector))
    if not tables:
        return [f"{shard.connector} has no snapshot in its offsets: there is nothing to end"]
    return [
        f"stop {shard.connector}, with a pause recorded",
        f"take the snapshot of {', '.join(tables)} out of its offsets; its place in the log stays",
        f"resume {shard.connector}, and wait until its task runs: it goes on with the changes that wait",
    ]


def end(systems: Systems, shard: Shard, *, owner: str, reason: str) -> str:
    """Stop, patch, resume. Safe to repeat. Raises NeedsPerson where the task does not run afterwards."""
    pauses.stop(systems, pauses.Pause.from_now(shard.connector, LASTS, owner=owner, reason=reason))
    with systems.connect() as connect:
        offsets = retry_on_rebalance(lambda: connect.offsets(shard.connector))
        tables = _tables(offsets)
        if tables:
            retry_on_rebalance(lambda: connect.patch_offsets(shard.connector, without_snapshot(offsets)))
    pauses.resume(systems, shard.connector)
    if not tables:
        raise NeedsPerson(f"{shard.connector} had no snapshot in its offsets. It was stopped and resumed, no more.")
    return f"{shard.connector}: the snapshot of {', '.join(tables)} is over, unread; changes go on where they were."


def without_snapshot(offsets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same offsets without the incremental snapshot, and without the word that one goes on."""

    def kept(offset: Mapping[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in offset.items() if not k.startswith(KEYS) and (k, v) != ("snapshot", "INCREMENTAL")}

    return [{**entry, "offset": kept(entry["offset"])} for entry in offsets if entry.get("offset")]


def _tables(offsets: list[dict[str, Any]]) -> tuple[str, ...]:
    found: Mapping[str, Any] = (offsets[0].get("offset") or {}) if offsets else {}
    named = snapshotted(found)
    return named or (("an unnamed table",) if any(key.startswith(KEYS) and found[key] for key in found) else ())
