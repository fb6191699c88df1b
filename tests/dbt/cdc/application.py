"""A small application on two shards, the changes that Debezium tells of it, and the truth to compare with.

Nothing here knows how the warehouse merges: rows are changed as Postgres would, and each committed change is written to
one of three partitions by its key, with log positions given when it is made and sent when it is committed.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from typing import Any

from catchment.cdc.declared import application as declared
from tests.dbt.cdc.records import Message, envelope, fake_before, rejected, unavailable

TABLE = "accounts"
PARTITIONS = 3
LARGE = ("settings", "notes", "feature_flags")
UNKNOWN = "_unresolved"
Row = dict[str, Any]
Op = tuple[str, int, int]
"""What is done to which id; the number says how (which columns, which other id)."""


@dataclass(frozen=True)
class Change:
    """One change of a transaction that may not be committed yet."""

    op: str
    key: int | None
    after: Row | None
    lsn: int


@dataclass
class Shard:
    """One database: its rows, its log, and what it has sent."""

    name: str
    clock: list[int]
    rows: dict[int, Row] = field(default_factory=dict)
    lsn: int = 5_000
    last_commit: int | None = None
    epoch: int = 0
    partitions: list[list[Message]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    offsets: list[int] = field(default_factory=lambda: [0] * PARTITIONS)
    sent: list[Message] = field(default_factory=list)
    epochs: list[tuple[int, int, int]] = field(default_factory=list)
    seen: dict[int, Row] = field(default_factory=dict)
    left: dict[int, Row] = field(default_factory=dict)
    poison: set[int] = field(default_factory=set)
    versions: dict[int, list[list[Any]]] = field(default_factory=dict)
    made: int = 0

    # --- transactions -------------------------------------------------------------------------------------------

    def transact(self, ops: list[Op], *, rolled_back: bool = False) -> None:
        """One transaction after another's end."""
        rows = {key: dict(row) for key, row in self.rows.items()}
        changes = [change for op in ops for change in self._do(op, rows)]
        if not rolled_back:
            self._commit(changes, rows)

    def two_at_once(self, ops: list[Op], others: list[Op], *, second_first: bool) -> None:
        """Two transactions on different ids whose changes lie between each other's in the log."""
        first, second = ([op for op in each if op[0] != "truncate" and op[0] != "rekey"] for each in (ops, others))
        first = [(kind, which - which % 2, how) for kind, which, how in first]
        second = [(kind, which - which % 2 + 1, how) for kind, which, how in second]
        made: tuple[list[Change], list[Change]] = ([], [])
        rows = {key: dict(row) for key, row in self.rows.items()}
        for number in range(max(len(first), len(second))):
            for changes, each in zip(made, (first, second), strict=True):
                if number < len(each):
                    changes.extend(self._do(each[number], rows))
        for parity in (1, 0) if second_first else (0, 1):
            mine = {key: row for key, row in rows.items() if key % 2 == parity}
            rest = {key: row for key, row in self.rows.items() if key % 2 != parity}
            self._commit(made[parity], mine | rest)

    def snapshot_beside(self, op: Op) -> None:
        """An incremental snapshot reads the rows while a transaction is open, which commits after the chunk is sent."""
        rows = {key: dict(row) for key, row in self.rows.items()}
        changes = self._do(op, rows) if op[0] != "truncate" else []
        self.last_commit = self._next()  # the signal's own transaction
        self._read(None, self.last_commit, "incremental")
        self._commit(changes, rows)

    def begin_epoch(self, unseen: list[Op], crossing: Op) -> None:
        """The slot was lost and rows changed unseen; a new epoch begins, with a snapshot, deletes for what is gone.

        LSNs begin again, as on another timeline. `crossing` wrote before the snapshot and commits after it.
        """
        for op in unseen:
            self._do(op, self.rows)
        known = self.seen.keys() - self.rows.keys()
        self.epoch, self.lsn = self.epoch + 1, 100
        self.epochs += [(number, self.epoch, offset) for number, offset in enumerate(self.offsets)]
        rows, changes, position = self._snapshot(crossing)
        at = self._tick()
        for key in known:
            value = envelope("d", None, lsn=position, commit=position, ms=at)
            value["source"]["connector"] = "catchment"
            self._send(key, value)
            self._send(key, None)
            self._version(key, None, at)
            del self.seen[key]
        self._commit(changes, rows)

    def lose_offsets(self, unseen: list[Op], crossing: Op) -> None:
        """Connect forgot how far it was: the epoch goes on, with a snapshot. What is deleted unseen, nobody tells."""
        for op in unseen:
            if op[0] in ("insert", "update"):
                self._do(op, self.rows)
        rows, changes, _ = self._snapshot(crossing)
        self._commit(changes, rows)

    def send_again(self, count: int) -> None:
        """Connect was killed: the last records come once more, with offsets of their own."""
        for message in self.sent[-count:] if count else []:
            self._append(message)

    # --- inside -------------------------------------------------------------------------------------------------

    def _snapshot(self, crossing: Op) -> tuple[dict[int, Row], list[Change], int]:
        """An initial snapshot, while a transaction is open: what that will have done, and the snapshot's position."""
        rows = {key: dict(row) for key, row in self.rows.items()}
        changes = self._do(crossing, rows)
        position, self.last_commit, self.sent = self._next(), None, []
        self._read(position, None, "true")
        return rows, changes, position

    def _read(self, lsn: int | None, commit: int | None, kind: str) -> None:
        at = self._tick()
        for key, row in self.rows.items():
            before = self.seen.get(key)
            lost = self._send(key, envelope("r", dict(row), lsn=lsn, commit=commit, ms=at, snapshot=kind))
            self._see(Change("r", key, dict(row), 0), lost=lost)
            if self.seen[key] != before:
                self._version(key, self.seen[key], at)

    def _see(self, change: Change, *, lost: bool) -> None:
        """What somebody knows who is told one change after the other."""
        key, after = change.key, change.after
        if change.op == "t" or key is None:
            self.seen.clear()
        elif change.op == "d":
            self.left[change.lsn] = self.seen.pop(key)
        elif lost or after is None:
            columns = [name for name in self.rows_columns() if name != "id"]
            self.seen[key] = {"id": key} | dict.fromkeys(columns) | {UNKNOWN: columns}
        else:
            row, before = dict(after), self.left.get(change.lsn) if change.op == "c" else self.seen.get(key)
            row[UNKNOWN] = []
            for name in LARGE:
                if after[name] == unavailable(TABLE, name):
                    assert before is not None
                    row[name] = before[name]
                    row[UNKNOWN] += [name] if name in before[UNKNOWN] else []
            self.seen[key] = row

    def rows_columns(self) -> list[str]:
        return list(declared().database("application").table(TABLE).columns)

    def _do(self, op: Op, rows: dict[int, Row]) -> list[Change]:
        kind, which, how = op
        if kind == "truncate":
            rows.clear()
            return [Change("t", None, None, self._next())]
        if kind == "delete" and which in rows:
            del rows[which]
            return [Change("d", which, None, self._next())]
        if kind == "rekey" and which in rows and (new := how % 6) not in rows:
            row = rows.pop(which) | {"id": new}
            rows[new] = row
            told = {
                name: unavailable(TABLE, name) if name in LARGE and row[name] is not None else row[name] for name in row
            }
            position = self._next()
            return [Change("d", which, None, position), Change("c", new, told, position)]
        if kind in ("insert", "update") and which not in rows:
            rows[which] = self._row(which, 15 if how % 3 else how)
            return [Change("c", which, dict(rows[which]), self._next())]
        if kind in ("insert", "update"):
            fresh, row = self._row(which, how), rows[which]
            told = dict(row)
            for name, bit in zip(("name", *LARGE), (1, 2, 4, 8), strict=True):
                if how & bit or name == "name":
                    told[name] = row[name] = fresh[name]
                elif row[name] is not None:
                    told[name] = unavailable(TABLE, name)
            return [Change("u", which, told, self._next())]
        return []

    def _row(self, key: int, how: int) -> Row:
        """A row with values that no other has; large ones where the bits of `how` say so."""
        self.made += 1
        mark = f"{self.name}.{self.made}"
        return {
            "id": key,
            "external_id": f"account-{key}",
            "name": mark,
            "status": "active",
            "balance": f"{self.made}.2500",
            "settings": json.dumps({"by": mark}) if how & 4 else None,
            "notes": mark * 9 if how & 2 else None,
            "feature_flags": [self.made, self.made + 1] if how & 8 else None,
            "created_at": "2026-11-20T00:00:00.000000Z",
            "updated_at": "2026-11-20T00:00:00.000000Z",
        }

    def _commit(self, changes: list[Change], rows: dict[int, Row]) -> None:
        if not changes:
            return
        at = self._tick()
        for change in changes:
            key = change.key
            value = envelope(
                change.op, change.after, lsn=change.lsn, commit=self.last_commit, ms=at, transaction=changes[0].lsn
            )
            if change.op == "d" and key is not None:
                value["before"] = fake_before(TABLE, {"id": key})
            self._see(change, lost=self._send(key, value))
            if change.op == "d":
                self._send(key, None)
        truncated = any(change.op == "t" for change in changes)
        changed = {change.key for change in changes if change.key is not None}
        for key in changed | (self.rows.keys() if truncated else set()):
            self._version(key, self.seen.get(key), at)
        self.last_commit = self._next()
        self.rows = rows
        self.offsets = [offset + 1 for offset in self.offsets]  # markers of Kafka's transactions

    def _version(self, key: int, row: Row | None, at: int) -> None:
        found = self.versions.setdefault(key, [])
        if found and found[-1][2] is None:
            found[-1][2] = at
        if row is not None:
            found.append([dict(row), at, None])

    def _send(self, key: int | None, value: Row | None) -> bool:
        """Send a record; whether the loader will reject it."""
        partition = self.lsn % PARTITIONS if key is None else key % PARTITIONS
        message = Message(TABLE, self.name, partition, 0, None if key is None else {"id": key}, value)
        lost = key in self.poison and value is not None and value["op"] in ("c", "u", "r")
        if lost and key is not None:
            self.poison.remove(key)
            message = rejected(message)
        self.sent.append(message)
        self._append(message)
        return lost

    def _append(self, message: Message) -> None:
        number = message.partition
        self.partitions[number].append(replace(message, offset=self.offsets[number]))
        self.offsets[number] += 1

    def _next(self) -> int:
        self.lsn += 8
        return self.lsn

    def _tick(self) -> int:
        self.clock[0] += 1000
        return self.clock[0]


def application() -> dict[str, Shard]:
    """Two empty shards that share a clock, which shows ten minutes ago."""
    clock = [(int(time.time()) - 600) * 1000]
    return {name: Shard(name, clock) for name in ("s0", "s1")}
