"""Rebuild a shard's capture after its slot is lost: the slot's changes are lost with it, so every row is read again.

In order, each step safe to repeat: stop the connector, drop the slot, delete the offsets, begin a new epoch (LSNs of
different epochs do not compare), resume with a full snapshot. The snapshot contains every existing row; rows deleted in
the gap are the ones it lacks: `missing_rows.py` finds them and writes deletes to their topics.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from catchment.cdc import pipeline
from catchment.cdc import shard as database
from catchment.cdc.connectors import pauses
from catchment.cdc.connectors.waiting import is_running, retry_on_rebalance, wait_until
from catchment.cdc.declared import Shard
from catchment.cdc.loader.batch import Partition
from catchment.cdc.repair import missing_rows, snapshot
from catchment.cdc.systems import Systems
from catchment.errors import NeedsPerson
from catchment.warehouse.ledger import insert
from catchment.warehouse.names import EPOCHS
from catchment.warehouse.session import transaction

_OURS = "rebuild: "  # how the reason of a rebuild's pause begins
LASTS = timedelta(hours=6)  # how long the health DAG is silent at most, if a rebuild is left half done


def consequence(systems: Systems, shard: Shard) -> str:
    """What a person must know before approving, in Markdown."""
    with systems.shard(shard) as session:
        slot = database.rows(
            session,
            "SELECT active, COALESCE(wal_status, 'none'), pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), "
            "restart_lsn)) FROM pg_replication_slots WHERE slot_name = %s",
            (shard.slot,),
        )
        rows = {table.name: snapshot.count(session, shard, table) for table in shard.tables}
    with systems.connect() as connect:
        state = connect.status(shard.connector).state
    if slot:
        ((active, wal_status, held),) = slot
        lost = wal_status in ("lost", "unreserved")
        use = "active" if active else "not active"
        about = f"the slot `{shard.slot}` is **{wal_status}**, {use}, and holds {held or 'an unknown amount'} of WAL"
        warning = [] if lost else ["", "**The slot is not lost.** Dropping it loses changes that it still holds."]
    else:
        about, warning = f"there is no slot `{shard.slot}`", []
    lines = [
        f"{shard.connector} is {state}; {about}.",
        *warning,
        "",
        "Approved, this happens:",
        "",
        f"- {shard.connector} is stopped, its slot dropped and its offsets forgotten. Changes that were not captured "
        "yet are **not captured any more**, one by one: several changes of a row become one, in history models too.",
        f"- A snapshot reads {sum(rows.values()):,} rows again ({', '.join(f'{n} {c:,}' for n, c in rows.items())}).",
        "- Rows deleted in the gap are found as those that the snapshot does not contain, and marked deleted now.",
        "- Current state is behind until that is done. Other shards are not affected.",
    ]
    return "\n".join(lines)


def plan(shard: Shard) -> list[str]:
    """What a rebuild would do, in sentences."""
    tables = len(shard.tables)
    return [
        f"stop {shard.connector}, with a pause recorded, so that the health DAG ignores it",
        f"drop the slot {shard.slot} and delete the connector's offsets",
        f"write an epoch row for each partition of the {tables} topics of {shard.name}, from Kafka's end",
        f"resume {shard.connector}: it makes a new slot and snapshots all {tables} tables",
        "wait until raw has all of it, and count it against the shard",
        "write a delete on its topic for each key that raw knew and the snapshot does not contain",
        "compare the shard with the current state (cdc_reconcile)",
    ]


def stop(systems: Systems, shard: Shard, *, run: str, owner: str, reason: str) -> None:
    """Stop the connector, silently; it keeps its config. Raises NeedsPerson while another run rebuilds the shard."""
    active = pauses.active_pause(systems, shard.connector, datetime.now(UTC))
    if active and active.reason.startswith(_OURS) and not active.reason.endswith(_mark(run)):
        raise NeedsPerson(
            f"{shard.connector} is being rebuilt since {active.starts:%H:%M} UTC, as {active.owner} approved "
            f"({active.reason}). Wait until that run's task `rebuild` has ended. If it is red, clear it there; if "
            "that can't be done, trigger cdc_resume for the connector and clear this task. Nothing was changed."
        )
    why = f"{_OURS}{reason}{_mark(run)}"
    pauses.stop(systems, pauses.Pause.from_now(shard.connector, LASTS, owner=owner, reason=why))


def forget(systems: Systems, shard: Shard) -> None:
    """Drop the slot and the offsets of the stopped connector."""
    held = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
    with systems.shard(shard) as session:
        wait_until(
            lambda: not any(active for (active,) in database.rows(session, held, (shard.slot,))),
            seconds=90,
            otherwise=f"somebody still reads the slot {shard.slot} of {shard.name}: it can't be dropped",
        )
        database.rows(
            session,
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s",
            (shard.slot,),
        )
    with systems.connect() as connect:
        retry_on_rebalance(lambda: connect.reset_offsets(shard.connector))


def begin_epoch(systems: Systems, shard: Shard, *, run: str, reason: str) -> int:
    """Write the shard's next epoch, from Kafka's end; the connector must be stopped."""
    ends = _ends(systems, shard)
    with systems.warehouse() as warehouse, transaction(warehouse, f"epoch of {shard.name}") as cursor:
        cursor.execute(f"SELECT MAX(EPOCH) FROM {EPOCHS} WHERE SHARD = %(shard)s", {"shard": shard.name})
        epoch = int(cursor.fetchone()[0] or 0) + 1
        for partition, end in sorted(ends.items()):
            starts = {"TOPIC": partition.topic, "KAFKA_PARTITION": partition.number, "FROM_OFFSET": end}
            why = {"REASON": reason + _mark(run), "STARTED_AT": datetime.now(UTC)}
            insert(cursor, EPOCHS, {"SHARD": shard.name, "EPOCH": epoch, **starts, **why})
    return epoch


def begun_epoch(systems: Systems, shard: Shard, *, run: str) -> int | None:
    """The epoch that an earlier try of the same run began."""
    with systems.warehouse() as warehouse:
        cursor = warehouse.cursor()
        cursor.execute(
            f"SELECT MAX(EPOCH) FROM {EPOCHS} WHERE SHARD = %(shard)s AND ENDSWITH(REASON, %(mark)s)",
            {"shard": shard.name, "mark": _mark(run)},
        )
        (epoch,) = cursor.fetchone()
    return None if epoch is None else int(epoch)


def waits_for(systems: Systems, shard: Shard) -> str:
    """What raw still waits for before it has the whole snapshot; empty when it has."""
    with systems.connect() as connect:
        if not is_running(connect, shard.connector):
            raise NeedsPerson(
                f"{shard.connector} does not run, so its snapshot does not continue. See what cdc_connector_health "
                "says about it; when it runs, clear this task."
            )
        if not is_snapshot_over(connect.offsets(shard.connector)):
            return "Debezium reads the tables"
    ends = _ends(systems, shard)
    with systems.warehouse() as warehouse:
        behind = pipeline.not_loaded(warehouse.cursor(), ends)
    return f"raw is {sum(behind.values()):,} offsets behind Kafka" if behind else ""


def write_missing_deletes(systems: Systems, shard: Shard, epoch: int) -> dict[str, int]:
    """Write deletes for keys that the epoch's snapshot does not contain. Returns how many for each table."""
    written = {}
    with systems.warehouse() as warehouse, systems.shard(shard) as session:
        cursor = warehouse.cursor()
        cursor.execute(
            f"SELECT TOPIC, KAFKA_PARTITION, FROM_OFFSET FROM {EPOCHS} WHERE SHARD = %(shard)s AND EPOCH = %(epoch)s",
            {"shard": shard.name, "epoch": epoch},
        )
        starts = {Partition(topic, int(number)): int(offset) for topic, number, offset in cursor.fetchall()}
        lsn = _snapshot_lsn(cursor, shard, starts) or pipeline.lsn_now(session)
        # Twice over the same keys: no delete is written before every table is known to be whole.
        for table in shard.tables:
            for keys in missing_rows.find(cursor, shard, table, starts):
                there = missing_rows.still_on_shard(session, shard, table, keys)
                missing_rows.refuse_if_skipped(shard, table, there)
        for table in shard.tables:
            written[table.name] = 0
            for keys in missing_rows.find(cursor, shard, table, starts):
                missing_rows.write_deletes(systems, shard, table, keys, lsn)
                written[table.name] += len(keys)
    return written


def _snapshot_lsn(cursor: Any, shard: Shard, starts: Mapping[Partition, int]) -> int | None:
    """The LSN that the rows of the epoch's snapshot carry: missing rows are deleted as of this LSN."""
    found = []
    for table in shard.tables:
        since = missing_rows.since(shard.topic(table), starts)
        cursor.execute(
            f"SELECT MIN(RECORD_CONTENT:source.lsn::NUMBER) FROM {shard.raw_table(table)} "
            f"WHERE ({since}) AND RECORD_CONTENT:op::VARCHAR = 'r'"
        )
        found.append(cursor.fetchone()[0])
    return min((int(lsn) for lsn in found if lsn is not None), default=None)


def is_snapshot_over(offsets: list[dict[str, Any]]) -> bool:
    """Whether the initial snapshot is over, by the committed offsets: they contain `snapshot` while it runs."""
    return any(entry.get("offset") and not entry["offset"].get("snapshot") for entry in offsets)


def _ends(systems: Systems, shard: Shard) -> dict[Partition, int]:
    return pipeline.ends(systems.look_up("kafka"), [shard.topic(table) for table in shard.tables])


def _mark(run: str) -> str:
    return f" [{run}]"
