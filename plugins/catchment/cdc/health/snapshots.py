"""Whether incremental snapshots brought what they should. Pure.

Debezium can skip a table's chunks with no more than a line in its log, stay RUNNING, and deliver a part of the rows. So
each finished snapshot is counted: rows of the table on the shard against keys that raw has seen since. Memory of which
signals are settled is in the detail that each run leaves for the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from catchment.cdc.declared import Application, Shard, Table
from catchment.cdc.health.assessment import Assessment
from catchment.cdc.health.facts import (
    Facts,
    ShardFacts,
    Slot,
    SnapshotCount,
    SnapshotSignal,
    Unknown,
    snapshotted,
    snapshotting_incrementally,
)
from catchment.cdc.health.history import History
from catchment.cdc.health.policy import State

PENDING, COMPLETE, SHORT, UNWATCHED = "pending", "complete", "short", "unwatched"
SETTLING = timedelta(seconds=20)
TRIES = 2  # failed counts in a row that are said to a person


@dataclass(frozen=True)
class Question:
    """A snapshot to count: keys of the table that raw has seen since `since`."""

    shard: Shard
    table: Table
    signal: str
    since: datetime


def subject(shard: Shard) -> str:
    """Under what name the snapshots of a shard are kept in the history."""
    return f"{shard.connector}/snapshots"


def remembered(shard: Shard, facts: Facts, history: History, now: datetime) -> dict[str, dict[str, Any]] | None:
    """What is known of each signal on a shard; new ones are pending. None: the signals can't be read.

    A signal that was there before the first run of all is not judged: nobody knows when it was given.
    """
    database = facts.shards.get(shard.name)
    if not isinstance(database, ShardFacts) or isinstance(database.signals, Unknown):
        return None
    seen = history.last(subject(shard))
    before: Mapping[str, Any] = seen.detail.get("signals", {}) if seen else {}
    fresh: dict[str, Any] = {"verdict": UNWATCHED}
    if seen:
        fresh = {"verdict": PENDING, "since": seen.at.isoformat(), "wal": database.wal}
    return {
        signal.id: dict(
            before.get(signal.id, {"verdict": UNWATCHED} if signal.partial else {**fresh, "first": now.isoformat()})
        )
        for signal in database.signals
    }


def questions(application: Application, facts: Facts, history: History, now: datetime) -> Iterator[Question]:
    """The snapshots that are over, as far as the connector says, and were not counted to the end."""
    behind = {partition.topic for partition, (loaded, end) in facts.behind().items() if end - loaded > 1000}
    for shard in application.shards:
        memory = remembered(shard, facts, history, now)
        offset = facts.offsets.get(shard.connector)
        if not memory or offset is None or isinstance(offset, Unknown) or snapshotting_incrementally(offset):
            continue
        read = _read_up_to(shard, facts)
        for signal, known in memory.items():
            if known["verdict"] != PENDING or read < known.get("wal", 0):  # Debezium may not have seen the signal yet
                continue
            if now - datetime.fromisoformat(known["first"]) < SETTLING:
                continue
            for table in _tables(facts, shard, signal):
                if shard.topic(table) not in behind:
                    yield Question(shard, table, signal, datetime.fromisoformat(known["since"]))


def assess_snapshots(shard: Shard, facts: Facts, history: History, now: datetime) -> Iterator[Assessment]:
    """One assessment for the shard's snapshots. Short is what lacks rows twice, with no row more the second time."""
    memory = remembered(shard, facts, history, now)
    name = subject(shard)
    if memory is None:
        seen = history.last(name)
        yield Assessment(
            name, State.UNKNOWN, f"{name}: can't be seen.", seen.detail if seen else {}, explained=True, shard=shard
        )
        return
    for signal in memory:
        _judge(memory[signal], [count for count in facts.counts if (count.shard, count.signal) == (shard.name, signal)])
    short = {signal: known for signal, known in memory.items() if known["verdict"] == SHORT}
    for signal in _superseded(facts, shard, memory, short):
        del short[signal]
    detail = {"signals": memory}
    uncounted = [
        f"{signal!r} ({known['failures']} times: {known['error']})"
        for signal, known in memory.items()
        if known["verdict"] == PENDING and known.get("failures", 0) >= TRIES
    ]
    if not short and uncounted:
        yield Assessment(
            name,
            State.SNAPSHOT_UNCOUNTED,
            f"{name}: whether a snapshot brought every row is not known, for it could not be counted: "
            f"{'; '.join(uncounted)}. It is tried again; run cdc_reconcile for its tables.",
            detail,
            shard=shard,
        )
        return
    if not short:
        yield Assessment(name, State.HEALTHY, f"{name}: {_summary(shard, facts, memory)}.", detail, shard=shard)
        return
    texts = [
        f"{table} has {numbers['rows']:,} rows on the shard, and the snapshot {signal!r} brought {numbers['seen']:,}"
        for signal, known in short.items()
        for table, numbers in known["tables"].items()
        if numbers["seen"] < numbers["rows"]
    ]
    yield Assessment(
        name,
        State.SNAPSHOT_INCOMPLETE,
        f"{name}: a snapshot skipped rows without a word: {'; '.join(texts)}. Snapshot it again with a surrogate key "
        "(DAG cdc_resnapshot).",
        {**detail, "short": sorted({table for known in short.values() for table in known["tables"]})},
        shard=shard,
    )


def _summary(shard: Shard, facts: Facts, memory: Mapping[str, Mapping[str, Any]]) -> str:
    """What is known of the snapshots that were asked for, and what is not."""
    verdicts = Counter(str(known["verdict"]) for known in memory.values())
    going_on = snapshotted(facts.offsets.get(shard.connector))
    texts = [
        f"{', '.join(going_on)} is being read" if going_on else "",
        f"{verdicts[COMPLETE]} brought every row" if verdicts[COMPLETE] else "",
        f"{verdicts[PENDING]} to be counted" if verdicts[PENDING] else "",
        f"{verdicts[UNWATCHED]} from before this check began, or of a part of a table, not judged"
        if verdicts[UNWATCHED]
        else "",
    ]
    said = "; ".join(text for text in texts if text)
    return f"of its snapshots {said}" if said else "no snapshot was asked for"


def _judge(known: dict[str, Any], counts: list[SnapshotCount]) -> None:
    """Take the newest counts of one signal into its memory, each once: the check runs more often than the counting."""
    newest = max((count.at.isoformat() for count in counts if count.at), default="")
    if known["verdict"] != PENDING or not counts or newest == known.get("counted", "-"):
        return
    known["counted"] = newest
    known["failures"] = max(count.failures for count in counts)
    known["error"] = next((count.error for count in counts if count.error), "")
    if known["error"]:
        return
    before = known.get("tables", {})
    tables = {count.table: {"rows": count.rows, "seen": count.seen} for count in counts}
    known["tables"] = tables
    if all(numbers["seen"] >= numbers["rows"] for numbers in tables.values()):
        known["verdict"] = COMPLETE
    elif before and all(before.get(table, {}).get("seen") == numbers["seen"] for table, numbers in tables.items()):
        known["verdict"] = SHORT


def _superseded(
    facts: Facts,
    shard: Shard,
    memory: Mapping[str, Mapping[str, Any]],
    short: Mapping[str, Any],
) -> list[str]:
    """Short signals all of whose tables a later snapshot has brought as a whole."""
    whole = {
        (table.name, known["since"])
        for signal, known in memory.items()
        if known["verdict"] == COMPLETE and "since" in known
        for table in _tables(facts, shard, signal)
    }
    return [
        signal
        for signal, known in short.items()
        if all(any(name == table and since > known["since"] for name, since in whole) for table in known["tables"])
    ]


def _read_up_to(shard: Shard, facts: Facts) -> int:
    """The WAL position up to which all changes are in Kafka for good; 0 when that is not known."""
    database = facts.shards[shard.name]
    slot = database.slot if isinstance(database, ShardFacts) else None
    return slot.confirmed_flush if isinstance(slot, Slot) else 0


def _tables(facts: Facts, shard: Shard, signal: str) -> list[Table]:
    database = facts.shards[shard.name]
    if isinstance(database, Unknown) or isinstance(database.signals, Unknown):
        return []
    asked: dict[str, SnapshotSignal] = {entry.id: entry for entry in database.signals}
    return [t for t in shard.tables if signal in asked and asked[signal].asks_for(shard.of.schema, t.name)]
