"""How what two shards send comes to raw, in any batches, late and again; whether models are the shards' rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tests.dbt.cdc import raw
from tests.dbt.cdc.application import PARTITIONS, TABLE, UNKNOWN, Row, Shard
from tests.dbt.cdc.records import Message
from tests.dbt.warehouse import Warehouse

COLUMNS = ("id", "name", "balance", "settings", "notes", "feature_flags")


class Pipeline:
    """What has come to raw so far, partition by partition."""

    def __init__(self, warehouse: Warehouse, shards: dict[str, Shard]) -> None:
        self.warehouse, self.shards = warehouse, shards
        self.delivered = {(name, number): 0 for name in shards for number in range(PARTITIONS)}
        self.epochs = dict.fromkeys(shards, 0)

    def deliver(self, lags: list[int]) -> None:
        """Everything but the last `lag` records of each partition."""
        new: list[Message] = []
        for (name, number), lag in zip(self.delivered, lags, strict=True):
            found = self.shards[name].partitions[number]
            until = max(self.delivered[name, number], len(found) - lag)
            new += found[self.delivered[name, number] : until]
            self.delivered[name, number] = until
        for name, shard in self.shards.items():
            for number, epoch, offset in shard.epochs[self.epochs[name] :]:
                raw.new_epoch(self.warehouse, f"{name}.public.{TABLE}", number, epoch, offset)
            self.epochs[name] = len(shard.epochs)
        raw.put(self.warehouse, [m for m in new if m.offset % 5], by_sink=False)
        raw.put(self.warehouse, [m for m in new if not m.offset % 5], by_sink=True)

    def replay(self, name: str, number: int, back: int) -> None:
        done = self.delivered[name, number]
        if done:
            offset = self.shards[name].partitions[number][max(0, done - back)].offset
            raw.lower_watermark(self.warehouse, f"{name}.public.{TABLE}", number, offset)


def happen(shards: dict[str, Shard], change: tuple[Any, ...]) -> None:
    kind, name, *rest = change
    shard = shards[name]
    match kind, rest:
        case "transact", [ops, chance]:
            shard.transact(ops, rolled_back=chance == 0)
        case "two_at_once", [ops, others, second_first]:
            shard.two_at_once(ops, others, second_first=second_first)
        case "snapshot_beside", [ops]:
            shard.snapshot_beside(ops[0])
        case "send_again", [count]:
            shard.send_again(count)
        case "begin_epoch", [ops, others]:
            shard.begin_epoch([op for op in ops if op[0] != "truncate"], others[0])
        case "lose_offsets", [ops, others]:
            shard.lose_offsets(ops, others[0])
        case "reject", [key]:
            shard.poison.add(key)


def in_short(row: Row) -> tuple[Any, ...]:
    """A shard's row as it is compared."""
    return (*(row[name] for name in COLUMNS), ",".join(row[UNKNOWN]))


def as_told(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same of a row of the warehouse."""
    key, name, balance, options, notes, flags, unknown = row
    loaded = (
        None if options is None else json.dumps(json.loads(options)),
        None if flags is None else json.loads(flags),
    )
    return (key, name, None if balance is None else f"{balance:.4f}", loaded[0], notes, loaded[1], unknown or "")


def moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)


def check(warehouse: Warehouse, shards: dict[str, Shard]) -> None:
    found = warehouse.rows(
        f"SELECT _SHARD, {', '.join(COLUMNS)}, {UNKNOWN} "
        "FROM ANALYTICS.STAGING.STG_APPLICATION__ACCOUNTS WHERE NOT _IS_DELETED"
    )
    for shard in shards.values():  # what was told is what is, but for what was lost
        told = {key: {n: row[n] for n in COLUMNS if n not in row[UNKNOWN]} for key, row in shard.seen.items()}
        assert told == {key: {n: row[n] for n in told[key]} for key, row in shard.rows.items()}
    now = sorted(((s.name, *in_short(row)) for s in shards.values() for row in s.seen.values()), key=repr)
    compare(sorted(((row[0], *as_told(row[1:])) for row in found), key=repr), now)
    found = warehouse.rows(
        f"SELECT _SHARD, VALID_FROM, VALID_TO, {', '.join(COLUMNS)}, {UNKNOWN} "
        "FROM ANALYTICS.STAGING.HIST_APPLICATION__ACCOUNTS"
    )
    versions = sorted(
        (
            (s.name, moment(since), moment(until), *in_short(row))
            for s in shards.values()
            for each in s.versions.values()
            for row, since, until in each
        ),
        key=repr,
    )
    compare(sorted(((*row[:3], *as_told(row[3:])) for row in found), key=repr), versions)


def compare(found: list[tuple[Any, ...]], wanted: list[tuple[Any, ...]]) -> None:
    """The same rows, each as often."""
    surplus = [row for row in found if row not in wanted]
    missing = [row for row in wanted if row not in found]
    assert (surplus, missing, len(found)) == ([], [], len(wanted)), f"surplus: {surplus}\nmissing: {missing}"
