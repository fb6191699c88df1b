"""What is declared to be replicated: databases, their shards and tables, one file of `include/connectors` each.

Names follow from declared ones here and nowhere else: connections, connectors, slots, topics, raw tables.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from catchment.cdc import types
from catchment.errors import ContractBroken, NeedsPerson

FOLDER = Path(os.environ.get("CATCHMENT_CONNECTORS") or Path(__file__).parents[3] / "include" / "connectors")
CDC_SCHEMA = "cdc"
HEARTBEAT = f"{CDC_SCHEMA}.heartbeat"
SIGNALS = f"{CDC_SCHEMA}.signals"
PARTITIONS = 3

T = TypeVar("T")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Table:
    """One replicated table, the same on every shard of its database.

    `columns` are Postgres types by name, in order, each in its one spelling (`types.py`). `surrogate_key` is the column
    that an incremental snapshot reads by, where the primary key can't serve. `history`: staging keeps every version,
    not the newest alone.
    """

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, str] = field(hash=False)
    personal: tuple[str, ...] = ()
    history: bool = False
    surrogate_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Database:
    """One database of the application, sharded or not: what one file declares. `source` is its name downstream."""

    source: str
    database: str
    schema: str
    publication: str
    tables: tuple[Table, ...]

    @property
    def sink(self) -> str:
        """The name of the connector that writes to Snowflake."""
        return f"snowflake-{self.source}"

    def table(self, name: str) -> Table:
        return _called(name, {table.name: table for table in self.tables}, f"{self.source} has no table")

    def staging(self, table: Table) -> str:
        """The dbt model of a table's current state."""
        return f"stg_{self.source}__{table.name}"

    def versions(self, table: Table) -> str:
        """The dbt model of a table's history."""
        return f"hist_{self.source}__{table.name}"


@dataclass(frozen=True)
class Shard:
    """One part of a database; one that is not sharded is its own only shard, and has its name.

    `name` is also the topic prefix and `_shard` in the warehouse, and so unique over all databases.
    """

    name: str
    of: Database = field(repr=False)

    @property
    def _full_name(self) -> tuple[str, ...]:
        return (self.name,) if self.name == self.of.source else (self.of.source, self.name)

    @property
    def connection(self) -> str:
        """The id of the connection of the role `cdc`: the one Debezium and the health DAG use."""
        return "_".join(self._full_name)

    @property
    def owner_connection(self) -> str:
        """The id of the owner's connection: migrations and repairs."""
        return f"{self.connection}_owner"

    @property
    def connector(self) -> str:
        return "-".join(self._full_name)

    @property
    def slot(self) -> str:
        return f"debezium_{self.name}"

    @property
    def tables(self) -> tuple[Table, ...]:
        return self.of.tables

    def table(self, name: str) -> Table:
        return self.of.table(name)

    def topic(self, table: Table) -> str:
        """`s0.public.customers`: every change of one table on one shard, partitions of the table included."""
        return f"{self.name}.{self.of.schema}.{table.name}"

    def raw_table(self, table: Table) -> str:
        """`RAW.APPLICATION.S0_CUSTOMERS`: where the records of one topic are."""
        return f"RAW.{self.of.source}.{self.name}_{table.name}".upper()


@dataclass(frozen=True)
class Application:
    """All that is declared: the shards of every database."""

    shards: tuple[Shard, ...]

    @property
    def databases(self) -> tuple[Database, ...]:
        return tuple(dict.fromkeys(shard.of for shard in self.shards))

    def database(self, source: str) -> Database:
        return _called(source, {database.source: database for database in self.databases}, "there is no database")

    def shard(self, name: str) -> Shard:
        return _called(name, {shard.name: shard for shard in self.shards}, "there is no shard")

    def shards_of(self, database: Database) -> tuple[Shard, ...]:
        return tuple(shard for shard in self.shards if shard.of == database)

    def replicated(self) -> Iterator[tuple[Shard, Table]]:
        """Every table of every shard: the topics that go into raw."""
        return ((shard, table) for shard in self.shards for table in shard.tables)


def _called(name: str, known: Mapping[str, T], none: str) -> T:
    if name not in known:
        raise NeedsPerson(f"{none} {name!r}; declared are: {', '.join(known)}")
    return known[name]


@cache
def application(folder: Path = FOLDER) -> Application:
    """All that the files of `folder` declared when it was first asked for."""
    return read(folder)


def read(folder: Path) -> Application:
    """All that the files of `folder` declare now. Raises ContractBroken with what is wrong and where."""
    found = [shard for path in sorted(folder.glob("*.toml")) for shard in _read(path)]
    _unique("shard", [shard.name for shard in found])
    _unique("connection", [shard.connection for shard in found])
    if not found:
        raise ContractBroken(f"{folder} declares no database: add a file like application.toml.")
    return Application(tuple(found))


def _read(path: Path) -> tuple[Shard, ...]:
    try:
        shards = parse(path.read_text()).shards
        if shards[0].of.source != path.stem:
            raise ContractBroken(f"source is {shards[0].of.source!r}: the file is named after it.")
    except (OSError, tomllib.TOMLDecodeError, ContractBroken) as error:
        raise ContractBroken(f"{path.name}: {error}") from error
    return shards


def parse(text: str) -> Application:
    """The database that one TOML text declares; without an entry `shards` it is its own only shard."""
    entries = tomllib.loads(text)
    names = {key: _name(entries, key) for key in ("source", "database", "schema", "publication")}
    database = Database(**names, tables=tuple(_table(entry) for entry in entries.get("tables", ())))
    shards = [_name(entry, "name") for entry in entries.get("shards", ())] or [database.source]
    _unique("shard", shards)
    _unique("table", [table.name for table in database.tables])
    return Application(tuple(Shard(name, database) for name in shards))


def _table(entry: Mapping[str, Any]) -> Table:
    name = _name(entry, "name")
    unknown = entry.keys() - {"name", "key", "columns", "personal", "history", "surrogate_key"}
    if unknown:
        raise ContractBroken(f"table {name} has entries that mean nothing: {', '.join(sorted(unknown))}. Remove them.")
    table = Table(
        name=name,
        key=tuple(entry.get("key", ())),
        columns=MappingProxyType({c: str(types.parse(str(kind))) for c, kind in entry.get("columns", {}).items()}),
        personal=tuple(entry.get("personal", ())),
        history=bool(entry.get("history", False)),
        surrogate_key=entry.get("surrogate_key"),
    )
    _check(table)
    return table


def _check(table: Table) -> None:
    if not table.key:
        raise ContractBroken(f"table {table.name} has no key: name the columns of its primary key.")
    named = (*table.key, *table.personal, *((table.surrogate_key,) if table.surrogate_key else ()))
    for column in named:
        if column not in table.columns:
            raise ContractBroken(f"table {table.name} names the column {column!r} but does not declare its type.")
    for column, kind in table.columns.items():
        wrong = types.column_refusal(column) or types.refusal(types.parse(kind))
        if wrong:
            raise ContractBroken(f'table {table.name}: column "{column}" can\'t be declared as "{kind}": {wrong}.')
    _unique(f"in table {table.name} (upper and lower case are one), column", [name.lower() for name in table.columns])
    for column in table.key:
        part = types.parse(table.columns[column])
        if wrong := types.key_refusal(part, has_surrogate=table.surrogate_key is not None):
            raise ContractBroken(f'table {table.name} has "{column}" in its key: {wrong}.')


def _name(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ContractBroken(f"{key} is {value!r}: it must be a lower-case name, of letters, digits and underscores.")
    return value


def _unique(kind: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ContractBroken(f"declared twice: {kind} {', '.join(twice)}. Keep one entry.")
