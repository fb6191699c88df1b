"""What the workload does, decided by its seed alone: endless transactions for each lane, which a writer carries out.

A lane is one client of the application with rows of its own, on its home shard; some rows it takes to another shard and
back. A few rows are shared by all lanes of a shard. Statements never rely on a row being there (another lane may have
truncated the table), so that each of them means something whatever the others did.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from bench.chaos_cdc.values import Column, value

BEYOND = 2**53 + 1  # where the ids of every second lane begin: no double holds them
LANE_IDS = 10**9
SMALL_IDS = 5 * 10**9  # above those of the first rows
MONTHS = ("2031-01", "2031-02", "2031-03", "2031-04")  # activities that the workload writes have happened in these
BULK_AT = 12  # which transaction of the first lane is the large one
BULK_TABLE = "events"
ROLLED_BACK = 0.08  # the share of transactions
MOVES_SHARD = 0.04
TRUNCATED = ("subscriptions", "invoices", "activities", "users", BULK_TABLE)  # tables that are truncated

Key = tuple[str, ...]
Row = Mapping[str, str | None]


@dataclass(frozen=True)
class Table:
    """A replicated table: its key, its columns, and on each shard some keys that all lanes write to."""

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    shared: Mapping[str, tuple[Key, ...]] = field(default_factory=dict)

    @property
    def others(self) -> tuple[Column, ...]:
        """The columns that are no part of the key."""
        return tuple(column for column in self.columns if column.name not in self.key)


@dataclass(frozen=True)
class Write:
    """One statement."""

    sql: str
    values: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class Undone:
    """Statements after a savepoint, which is then rolled back to."""

    writes: tuple[Write, ...]


@dataclass(frozen=True)
class Carry:
    """A row as it is, written on another shard and committed there; the transaction it is in then deletes it here."""

    table: str
    where: Write
    to: str


Step = Write | Undone | Carry


@dataclass(frozen=True)
class Transaction:
    """What one transaction does on `shard`; `kinds` names the changes in it."""

    shard: str
    kinds: tuple[str, ...]
    steps: tuple[Step, ...]
    commits: bool = True


@dataclass
class Lane:
    """One client. Iterating gives its transactions: the same ones for the same seed, number and tables."""

    seed: int
    number: int
    home: str
    shards: tuple[str, ...]
    tables: tuple[Table, ...]
    bulk: int = 0

    def __post_init__(self) -> None:
        self._draw = Random(f"{self.seed}:{self.number}")
        self._next = (BEYOND if self.number % 2 else SMALL_IDS) + self.number * LANE_IDS
        self._keys: dict[str, list[Key]] = {table.name: [] for table in self.tables}
        self._away: dict[str, list[tuple[Key, str]]] = {table.name: [] for table in self.tables}
        self._gone: dict[str, list[Key]] = {table.name: [] for table in self.tables}
        self._large: tuple[int, int] | None = None

    def __iter__(self) -> Iterator[Transaction]:
        for table in self.tables:
            yield self._transaction([("insert", table)] * 4)
        number = 0
        while True:
            number += 1
            if self.bulk and number == BULK_AT:
                yield Transaction(self.home, ("bulk",), tuple(self.insert_many()))
            elif self._draw.random() < MOVES_SHARD:
                yield from self._move()
            else:
                yield self._transaction(self._some())

    # --- transactions -----------------------------------------------------------------------------------------------

    def _transaction(self, changes: Sequence[tuple[str, Table]]) -> Transaction:
        """A transaction of these changes; one that is rolled back leaves the lane's memory as it was."""
        commits = self._draw.random() >= ROLLED_BACK
        memory = None if commits else copy.deepcopy((self._keys, self._away, self._gone))
        made: list[tuple[str, list[Step]]] = [(name, getattr(self, name)(table)) for name, table in changes]
        if memory is not None:
            self._keys, self._away, self._gone = memory
        kinds = tuple(name for name, steps in made if steps)
        return Transaction(self.home, kinds, tuple(step for _, steps in made for step in steps), commits)

    def _some(self) -> list[tuple[str, Table]]:
        names = self._draw.choices(tuple(_WEIGHTS), tuple(_WEIGHTS.values()), k=self._draw.choice((1, 1, 1, 2, 3, 5)))
        return [(name, self._draw.choice(self.tables)) for name in names]

    def _move(self) -> Iterator[Transaction]:
        """A row goes to another shard: for a moment it is on both. Or it comes back from there."""
        table = self._draw.choice(self.tables)
        away = self._away[table.name]
        if away and self._draw.random() < 0.5:
            key, there = away.pop(self._draw.randrange(len(away)))
            source, target = there, self.home
            self._keys[table.name].append(key)
        else:
            taken = self._take(table)
            others = [shard for shard in self.shards if shard != self.home]
            if taken is None or not others:
                return
            key, source, target = taken, self.home, self._draw.choice(others)
            away.append((key, target))
        steps = (Carry(table.name, Write(_where(table), key), target), _delete(table, key))
        yield Transaction(source, ("move_shard",), steps)

    # --- changes: each gives statements, and remembers what they mean -------------------------------------------------

    def insert(self, table: Table) -> list[Step]:
        key = self._new_key(table)
        self._keys[table.name].append(key)
        return [self._insert(table, key)]

    def update(self, table: Table) -> list[Step]:
        """Some columns; a large value in another column is not written again."""
        key = self._one(table)
        chosen = self._draw.sample(table.others, min(len(table.others), self._draw.choice((1, 1, 2, 3))))
        return [self._update(table, key, chosen)] if key else []

    def update_small(self, table: Table) -> list[Step]:
        """Columns that are never large, so that every large value of the row stays unsaid."""
        key = self._one(table)
        small = [column for column in table.others if not column.can_be_large]
        return [self._update(table, key, [self._draw.choice(small)])] if key and small else []

    def update_nothing(self, table: Table) -> list[Step]:
        """A row is written as it was."""
        key, column = self._one(table), self._draw.choice(table.others).name
        sql = f'UPDATE {table.name} SET "{column}" = "{column}" WHERE {_where(table)}'
        return [Write(sql, key)] if key else []

    def update_shared(self, table: Table) -> list[Step]:
        shared = table.shared.get(self.home)
        return [self._update(table, self._draw.choice(shared), [self._draw.choice(table.others)])] if shared else []

    def delete(self, table: Table) -> list[Step]:
        key = self._take(table)
        if key is None:
            return []
        self._gone[table.name].append(key)
        return [_delete(table, key)]

    def insert_again(self, table: Table) -> list[Step]:
        """A key that was deleted lives again."""
        gone = self._gone[table.name]
        if not gone:
            return []
        key = gone.pop(self._draw.randrange(len(gone)))
        self._keys[table.name].append(key)
        return [self._insert(table, key)]

    def change_key(self, table: Table) -> list[Step]:
        """Another primary key; the old one may come back later. Rows of `events` move between partitions by it."""
        old = self._take(table)
        if old is None:
            return []
        new = self._new_key(table)
        self._keys[table.name].append(new)
        self._gone[table.name].append(old)
        return [_rekey(table, old, new)]

    def change_key_twice(self, table: Table) -> list[Step]:
        old = self._take(table)
        if old is None:
            return []
        between, new = self._new_key(table), self._new_key(table)
        self._keys[table.name].append(new)
        self._gone[table.name] += [old, between]
        columns = [self._draw.choice(table.others)]
        return [_rekey(table, old, between), self._update(table, between, columns), _rekey(table, between, new)]

    def move_partition(self, table: Table) -> list[Step]:
        """An activity has happened in another month; in other tables, a change of the key."""
        if "occurred_at" not in table.key:
            return self.change_key(table)
        old = self._take(table)
        if old is None:
            return []
        new = (old[0], self._moment())
        self._keys[table.name].append(new)
        return [_rekey(table, old, new)]

    def change_often(self, table: Table) -> list[Step]:
        """Several changes of one key."""
        key = self._one(table)
        if key is None:
            return []
        return [self._update(table, key, [self._draw.choice(table.others)]) for _ in range(2 + self._draw.randrange(3))]

    def come_and_go(self, table: Table) -> list[Step]:
        """A row that nobody else ever sees, and one that is deleted and there again."""
        passing = self._new_key(table)
        self._gone[table.name].append(passing)
        steps: list[Step] = [self._insert(table, passing), *self._once(table, passing), _delete(table, passing)]
        if key := self._one(table):
            steps += [_delete(table, key), self._insert(table, key), *self._once(table, key)]
        return steps

    def undo_a_part(self, table: Table) -> list[Step]:
        """A savepoint is rolled back to; the transaction goes on."""
        key = self._one(table)
        if key is None:
            return []
        undone = (self._insert(table, self._new_key(table)), *self._once(table, key), _delete(table, key))
        return [*self._once(table, key), Undone(undone), *self._once(table, key)]

    def truncate(self, table: Table) -> list[Step]:
        """A table is truncated between two inserts. The one that holds the large transaction's rows is not."""
        if table.name not in TRUNCATED or (table.name == BULK_TABLE and self.home == self.shards[0]):
            return self.update(table)
        before, after = self._new_key(table), self._new_key(table)
        self._gone[table.name] += [*self._keys[table.name], before]
        self._keys[table.name] = [after]
        return [self._insert(table, before), Write(f"TRUNCATE {table.name}"), self._insert(table, after)]

    def add_partition(self, table: Table) -> list[Step]:
        """A partition that was not there when the connector started; in tables without, an insert."""
        if "occurred_at" not in table.key:
            return self.insert(table)
        month = f"{self._draw.randrange(2032, 2036)}-{self._draw.randrange(1, 13):02}"
        key = (self._new_id(), self._moment(month))  # not remembered: another shard may lack the partition
        make = Write("SELECT ensure_activity_partitions(%s, %s)", (f"{month}-01", f"{month}-01"))
        return [make, self._insert(table, key)]

    def insert_many(self) -> list[Step]:
        first = self._next
        self._next += self.bulk
        self._large = (first, self._next)
        sql = (
            f"INSERT INTO {BULK_TABLE} (id, account_id, name, properties, duration_ms, occurred_at, received_at) "
            "SELECT n, mod(n, 1000), 'bulk ' || n, jsonb_build_object('n', n), n / 7.0::float8, "
            "'2031-01-01Z'::timestamptz + mod(n, 9999) * interval '1 s', '2031-01-01' "
            "FROM generate_series(%s::bigint, %s) AS n"
        )
        return [Write(sql, (str(first), str(self._next - 1)))]

    def change_many(self, table: Table) -> list[Step]:
        """A stretch of the large transaction's rows is changed or deleted; without one, an update."""
        if self._large is None:
            return self.update(table)
        start = self._draw.randrange(*self._large)
        stretch = (str(start), str(start + (self._large[1] - self._large[0]) // 50))
        where = "WHERE id BETWEEN %s AND %s"
        if self._draw.random() < 0.3:
            return [Write(f"DELETE FROM {BULK_TABLE} {where}", stretch)]
        return [Write(f"UPDATE {BULK_TABLE} SET duration_ms = duration_ms + 1 {where}", stretch)]

    # --- parts --------------------------------------------------------------------------------------------------------

    def _insert(self, table: Table, key: Key) -> Write:
        row: dict[str, str | None] = dict(zip(table.key, key, strict=True))
        row |= {column.name: value(self._draw, column) for column in table.others}
        return _upsert(table, row)

    def _update(self, table: Table, key: Key, columns: Sequence[Column]) -> Write:
        changes = {column.name: value(self._draw, column) for column in columns}
        assigned = ", ".join(f'"{name}" = %s' for name in changes)
        return Write(f"UPDATE {table.name} SET {assigned} WHERE {_where(table)}", (*changes.values(), *key))

    def _once(self, table: Table, key: Key) -> tuple[Write, ...]:
        return (self._update(table, key, [self._draw.choice(table.others)]),)

    def _one(self, table: Table) -> Key | None:
        return self._draw.choice(self._keys[table.name]) if self._keys[table.name] else None

    def _take(self, table: Table) -> Key | None:
        keys = self._keys[table.name]
        return keys.pop(self._draw.randrange(len(keys))) if keys else None

    def _new_key(self, table: Table) -> Key:
        return (self._new_id(), self._moment()) if "occurred_at" in table.key else (self._new_id(),)

    def _new_id(self) -> str:
        self._next += 1
        return str(self._next)

    def _moment(self, month: str | None = None) -> str:
        draw = self._draw
        at = f"{draw.randrange(24):02}:{draw.randrange(60):02}:{draw.randrange(60):02}.{draw.randrange(10**6):06}+00"
        return f"{month or draw.choice(MONTHS)}-{draw.randrange(1, 29):02} {at}"


# How often each change happens, relative to the others.
_WEIGHTS = {
    "insert": 20,
    "update": 20,
    "update_small": 12,
    "update_shared": 8,
    "delete": 8,
    "change_often": 6,
    "change_key": 5,
    "insert_again": 5,
    "move_partition": 4,
    "come_and_go": 4,
    "undo_a_part": 3,
    "change_key_twice": 2,
    "update_nothing": 2,
    "change_many": 1,
    "add_partition": 1,
    "truncate": 0.3,
}


def _where(table: Table) -> str:
    return " AND ".join(f'"{column}" = %s' for column in table.key)


def _delete(table: Table, key: Key) -> Write:
    return Write(f"DELETE FROM {table.name} WHERE {_where(table)}", key)


def _rekey(table: Table, old: Key, new: Key) -> Write:
    assigned = ", ".join(f'"{column}" = %s' for column in table.key)
    return Write(f"UPDATE {table.name} SET {assigned} WHERE {_where(table)}", (*new, *old))


def _upsert(table: Table, row: Row) -> Write:
    names = ", ".join(f'"{name}"' for name in row)
    places = ", ".join(["%s"] * len(row))
    key = ", ".join(f'"{column}"' for column in table.key)
    assigned = ", ".join(f'"{column.name}" = EXCLUDED."{column.name}"' for column in table.others)
    sql = f"INSERT INTO {table.name} ({names}) VALUES ({places}) ON CONFLICT ({key}) DO UPDATE SET {assigned}"
    return Write(sql, tuple(row.values()))
