"""What of a shard's catalog keeps a declared table from being replicated row for row: each problem with its cure.

Pure. `problems` is about the tables themselves, and refuses a declaration; `publication_problems` is about what
`cdc-migrate` sets up, and what can drift afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from catchment.cdc.declared import Table
from catchment.cdc.setup.catalog import Catalog, Relation, Storage
from catchment.cdc.types import can_be_read_as, parse

OPERATIONS = ("insert", "update", "delete", "truncate")
Found = tuple[str, str, str]  # the subject, what is wrong, the cure
_RE_READ = "then re-read the table (docs/runbooks/cdc_resnapshot.md)"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with one table, and what to do. `subject` is a column, or what else it is about."""

    table: str
    subject: str
    wrong: str
    cure: str

    def __str__(self) -> str:
        return f"{self.table}: {self.subject}: {self.wrong}. {self.cure}."


def problems(tables: Iterable[Table], catalog: Catalog) -> list[Problem]:
    """What keeps each declared table from being replicated exactly."""
    return [Problem(table.name, *each) for table in tables for each in _of_table(table, catalog)]


def publication_problems(tables: Iterable[Table], catalog: Catalog) -> list[Problem]:
    """What the publication and grants lack for the declared tables to be streamed whole."""
    return [Problem(table.name, *each) for table in tables for each in _published(table, catalog)]


def _of_table(table: Table, catalog: Catalog) -> Iterator[Found]:
    relation = catalog.relations.get(table.name)
    if relation is None:
        cure = "Make it there first (the application's own migration), or take the entry out"
        yield "table", "the shard has no such table", cure
    elif relation.form not in ("table", "partitioned table"):
        wrong = f"is a {relation.form}: Postgres logs no changes of it"
        yield "table", wrong, "Declare the tables that it is made of"
    else:
        yield from _of_form(relation, catalog)
        yield from _of_columns(table, relation)
        yield from _of_key(table, relation)
        yield from _of_storage(table, relation)


def _of_form(relation: Relation, catalog: Catalog) -> Iterator[Found]:
    if relation.partition_of:
        wrong = f"is a partition of {relation.partition_of}: its changes come under that name"
        yield "table", wrong, f"Declare {relation.partition_of}"
    if relation.inherited_by:
        wrong = f"{relation.inherited_by} tables inherit from it: a snapshot reads their rows too, changes do not come"
        yield "inheritance", wrong, "Make them partitions, or take the entry out"
    if relation.has_row_security and catalog.role_sees_all_rows is not True:
        wrong = "row security is on and the replicating role does not pass it: a snapshot would miss rows"
        yield "row security", wrong, "ALTER ROLE … BYPASSRLS for the role of the connection"


def _of_columns(table: Table, relation: Relation) -> Iterator[Found]:
    for each in relation.columns:  # declared or not: every column of a table is sent
        if each.is_required and each.kind.is_array and each.kind.name == "enum":
            wrong = "is an array of an enum, and required: Debezium stops with an error at one that has a NULL in it"
            yield each.name, wrong, "ALTER TABLE … ALTER COLUMN … DROP NOT NULL"
    strangers = [column for column in relation.columns if column.name not in table.columns]
    for name, written in table.columns.items():
        column = relation.column(name)
        kind = parse(str(written))
        if column is None:
            alike = [stranger.name for stranger in strangers if can_be_read_as(kind, stranger.kind)]
            hint = f"; it may be renamed: {' or '.join(alike)}" if alike else ""
            wrong = f"there is no such column{hint}"
            yield name, wrong, "Declare the columns that the table has, " + _RE_READ
        elif column.is_generated:
            wrong = "is a generated column: Postgres does not send its values"
            yield name, wrong, "Leave it out of the declaration and compute it in dbt"
        elif not can_be_read_as(kind, column.kind):
            also = f" ({column.written})" if column.written != str(column.kind) else ""
            cure = f'Declare it as "{column.kind}"; if the type has changed since, {_RE_READ}'
            yield name, f"is {column.kind}{also}, declared as {written}", cure
        elif name in table.key and column.is_domain and column.kind.name == "enum":
            form = f"is a domain of an enum ({column.written}), in the key"
            wrong = f"{form}: incremental snapshots can't compare its values"
            yield name, wrong, "ALTER TABLE … ALTER COLUMN … TYPE the enum itself"
        elif column.dimensions > 1:
            wrong = f"is an array of {column.dimensions} dimensions: Debezium sends nulls in place of its values"
            yield name, wrong, "Leave it out of the declaration, and keep such values as jsonb"


def _of_key(table: Table, relation: Relation) -> Iterator[Found]:
    """Debezium takes the primary key; without one the first unique index by name, whatever it is of."""
    wanted = set(table.key)
    if relation.primary_key:
        if set(relation.primary_key) != wanted:
            wrong = f"is ({', '.join(relation.primary_key)}), declared as ({', '.join(table.key)})"
            yield "primary key", wrong, "Declare the table's own primary key"
        return
    if not relation.indexes:
        wrong = "the table has none, and no unique index: a row can't be known from another"
        yield "primary key", wrong, f"ALTER TABLE … ADD PRIMARY KEY ({', '.join(table.key)})"
        return
    fitting = [index for index in relation.indexes if index.is_plain and set(index.columns) == wanted]
    if not fitting:
        wrong = f"there is none, and no unique index of all rows is of ({', '.join(table.key)})"
        yield "primary key", wrong, "Add a primary key, or declare the unique index's columns"
    elif len(relation.indexes) > 1:
        names = ", ".join(index.name for index in relation.indexes)
        wrong = f"there is none, and Debezium would take one of several unique indexes ({names})"
        yield "primary key", wrong, "Add a primary key"
    optional = [name for name in table.key if (column := relation.column(name)) and not column.is_required]
    if optional:
        wrong = f"its columns may be NULL ({', '.join(optional)}): rows with NULL are not distinct"
        yield "primary key", wrong, "ALTER TABLE … ALTER COLUMN … SET NOT NULL"


def _of_storage(table: Table, relation: Relation) -> Iterator[Found]:
    """Each partition has a form and a replica identity of its own; what the partitioned table has means nothing."""
    for storage in relation.storage:
        where = f" (partition {storage.example}{', and others' if storage.count > 1 else ''})"
        where = where if relation.form == "partitioned table" else ""
        if storage.is_unlogged:
            wrong = f"is unlogged{where}: its changes are in no log"
            yield "table", wrong, f"ALTER TABLE {storage.example} SET LOGGED"
        if storage.is_foreign:
            wrong = f"is a foreign table{where}: its changes are in another server's log"
            yield "table", wrong, "Take the entry out, or declare the table where it is"
        if unfit := _identity(table, relation, storage):
            has_own = any(index.is_primary and not index.is_deferrable for index in relation.indexes)
            form = "DEFAULT" if has_own else "FULL, or USING INDEX with the index of the declared key"
            cure = f"ALTER TABLE {storage.example} REPLICA IDENTITY {form}; {_RE_READ}"
            yield "replica identity", unfit + where, cure


def _identity(table: Table, relation: Relation, storage: Storage) -> str | None:
    refuses = "Postgres refuses updates and deletes of a published table without one"
    match storage.identity.form:
        case "nothing":
            return f"is NOTHING: {refuses}"
        case "default" if not relation.primary_key:
            return f"is the primary key, and there is none: {refuses}"
        case "default" if any(index.is_primary and index.is_deferrable for index in relation.indexes):
            return f"is the primary key, and a deferrable one is none: {refuses}"
        case "index" if not set(table.key) <= set(storage.identity.columns):
            columns = ", ".join(storage.identity.columns) or "an index that is gone"
            return f"is an index of ({columns}): a delete would not say which key it is of"
    return None


def _published(table: Table, catalog: Catalog) -> Iterator[Found]:
    publication, relation = catalog.publication, catalog.relations.get(table.name)
    if publication is None:
        yield "publication", "there is none yet", "Run cdc-migrate"
        return
    name = publication.name
    sent = publication.tables.get(table.name)
    is_partitioned = relation is not None and relation.form == "partitioned table"
    if is_partitioned and not publication.via_root:
        wrong = "publish_via_partition_root is off: changes come under the partitions' names, and are dropped"
        cure = f"ALTER PUBLICATION {name} SET (publish_via_partition_root = true); {_RE_READ}"
        yield "publication", wrong, cure
    elif sent is None:
        yield "publication", f"{name} does not hold it", "Run the DAG cdc_add_table"
    if missing := [word for word in OPERATIONS if word not in publication.operations]:
        wrong = f"{name} does not send {', '.join(missing)}"
        cure = f"ALTER PUBLICATION {name} SET (publish = '{', '.join(OPERATIONS)}'); {_RE_READ}"
        yield "publication", wrong, cure
    whole = f"Take the table out of {name} and add it without; {_RE_READ}"
    if sent and sent.columns is not None and (hidden := [c for c in table.columns if c not in sent.columns]):
        yield "column list", f"{name} does not send {', '.join(hidden)}", whole
    if sent and sent.filter:
        yield "row filter", f"{name} sends only rows with {sent.filter}", whole
    if relation is not None and relation.is_readable is False:
        yield "grants", "the replicating role may not read it", "Run cdc-migrate"
