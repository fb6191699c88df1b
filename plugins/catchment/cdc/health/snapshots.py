"""Whether incremental snapshots brought what they should. Pure.

Debezium can skip a table's chunks with no more than a line in its log, stay RUNNING, and deliver a part of the rows. So
each finished snapshot is counted: rows of the table on the shard against keys that raw has seen since. Memory of which
signals are settled is in the detail that each run leaves for the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from catchment.cdc.declared import Application
from catchment.cdc.health.facts import (
    Facts,
    Question,
    ShardFacts,
    Slot,
    SnapshotCount,
    Unknown,
    snapshotted,
    snapshotting_incrementally,
)
from catchment.cdc.health.history import History
from catchment.cdc.health.observation import Assessment, ShardObservation
from catchment.cdc.health.policy import State

PENDING, COMPLETE, SHORT, UNWATCHED = "pending", "complete", "short", "unwatched"
SETTLING = timedelta(seconds=20)
SNAPSHOTS = "/snapshots"  # after the connector's name: the subject
TRIES = 2  # failed counts in a row that are said to a person


def remembered(observed: ShardObservation) -> dict[str, dict[str, Any]] | None:
    """What is known of each signal on a shard; new ones are pending. None: the signals can't be read.

    A signal that was there before the first run of all is not judged: nobody knows when it was given.
    """
    database, seen = observed.database, observed.seen
    if isinstance(database, Unknown) or isinstance(database.signals, Unknown):
        return None
    before: Mapping[str, Any] = observed.kept("signals", {})
    fresh: dict[str, Any] = {"verdict": UNWATCHED}
    if seen:
        fresh = {"verdict": PENDING, "since": seen.at.isoformat(), "wal": database.wal}
    fresh["first"] = observed.now.isoformat()
    return {
        signal.id: dict(before.get(signal.id, {"verdict": UNWATCHED} if signal.partial else fresh))
        for signal in database.signals
    }


def questions(application: Application, facts: Facts, history: History, now: datetime) -> Iterator[Question]:
    """The snapshots that are over, as far as the connector says, and were not counted to the end."""
    behind = {partition.topic for partition, (loaded, end) in facts.behind().items() if end - loaded > 1000}
    for shard in application.shards:
        name = shard.connector + SNAPSHOTS
        observed = ShardObservation(name=name, facts=facts, history=history, now=now, shard=shard)
        offset, slot = observed.offset, observed.slot
        if offset is None or isinstance(offset, Unknown) or snapshotting_incrementally(offset):
            continue
        read = slot.confirmed_flush if isinstance(slot, Slot) else 0  # up to here all changes are in Kafka for good
        for signal, known in (remembered(observed) or {}).items():
            if known["verdict"] != PENDING or read < known.get("wal", 0):  # Debezium may not have seen the signal yet
                continue
            if now - datetime.fromisoformat(known["first"]) < SETTLING:
                continue
            for table in _tables(observed, signal):
                if shard.topic(shard.table(table)) not in behind:
                    yield Question(shard.name, table, signal, datetime.fromisoformat(known["since"]))


def assess_snapshots(observed: ShardObservation) -> Assessment:
    """The state of a shard's snapshots. Short is what lacks rows twice, with no row more the second time."""
    memory = remembered(observed)
    if memory is None:
        kept = observed.seen.detail if observed.seen else {}
        return observed.describe(State.UNKNOWN, "can't be seen.", kept, explained=True)
    for signal, known in memory.items():
        of = (observed.shard.name, signal)
        _judge(known, [count for count in observed.facts.counts if (count.shard, count.signal) == of])
    detail: dict[str, Any] = {"signals": memory}
    if short := _short(observed, memory):
        texts = [
            f"{table} has {of['rows']:,} rows on the shard, and the snapshot {signal!r} brought {of['seen']:,}"
            for signal, known in short.items()
            for table, of in known["tables"].items()
            if of["seen"] < of["rows"]
        ]
        detail["short"] = sorted({table for known in short.values() for table in known["tables"]})
        return observed.describe(
            State.SNAPSHOT_INCOMPLETE,
            f"a snapshot skipped rows without a word: {'; '.join(texts)}. Snapshot it again with a surrogate key (DAG "
            "cdc_resnapshot).",
            detail,
        )
    uncounted = [
        f"{signal!r} ({known['failures']} times: {known['error']})"
        for signal, known in memory.items()
        if known["verdict"] == PENDING and known.get("failures", 0) >= TRIES
    ]
    if uncounted:
        return observed.describe(
            State.SNAPSHOT_UNCOUNTED,
            "whether a snapshot brought every row is not known, for it could not be counted: "
            f"{'; '.join(uncounted)}. It is tried again; run cdc_reconcile for its tables.",
            detail,
        )
    return observed.describe(State.HEALTHY, f"{_summary(observed, memory)}.", detail)


def _summary(observed: ShardObservation, memory: Mapping[str, Mapping[str, Any]]) -> str:
    """What is known of the snapshots that were asked for, and what is not."""
    verdicts = Counter(str(known["verdict"]) for known in memory.values())
    going_on = snapshotted(observed.offset)
    texts = [f"{', '.join(going_on)} is being read"] if going_on else []
    for verdict, text in (
        (COMPLETE, "brought every row"),
        (PENDING, "to be counted"),
        (UNWATCHED, "from before this check began, or of a part of a table, not judged"),
    ):
        if verdicts[verdict]:
            texts.append(f"{verdicts[verdict]} {text}")
    return f"of its snapshots {'; '.join(texts)}" if texts else "no snapshot was asked for"


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
    known["tables"] = tables = {count.table: {"rows": count.rows, "seen": count.seen} for count in counts}
    if all(numbers["seen"] >= numbers["rows"] for numbers in tables.values()):
        known["verdict"] = COMPLETE
    elif before and all(before.get(table, {}).get("seen") == numbers["seen"] for table, numbers in tables.items()):
        known["verdict"] = SHORT


def _short(observed: ShardObservation, memory: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is known of short signals, but for those all of whose tables a later snapshot has brought as a whole."""
    whole = [
        (table, known["since"])
        for signal, known in memory.items()
        if known["verdict"] == COMPLETE and "since" in known
        for table in _tables(observed, signal)
    ]
    return {
        signal: known
        for signal, known in memory.items()
        if known["verdict"] == SHORT
        and not all(any(of == table and since > known["since"] for of, since in whole) for table in known["tables"])
    }


def _tables(observed: ShardObservation, signal: str) -> list[str]:
    """The declared tables that a signal asks for."""
    shard, database = observed.shard, observed.database
    if not isinstance(database, ShardFacts) or isinstance(database.signals, Unknown):
        return []
    asked = [each for each in database.signals if each.id == signal]
    return [t.name for t in shard.tables if any(each.asks_for(shard.of.schema, t.name) for each in asked)]
