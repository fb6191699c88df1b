"""What a shard's own catalog says of the replicated tables and of the publication, read by a few cheap queries.

No row of a table is read, so it can be asked every minute. What is wrong with it, `problems.py` says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from catchment.cdc.declared import Shard, Table
from catchment.cdc.shard import rows
from catchment.cdc.types import PgType, parse


@dataclass(frozen=True)
class Column:
    """One column. `kind`: its type, domains resolved and every enum called `enum`; `written`: Postgres' word."""

    name: str
    kind: PgType
    written: str
    dimensions: int = 0
    is_required: bool = False
    is_generated: bool = False
    is_domain: bool = False


@dataclass(frozen=True)
class Index:
    """A unique index. `is_plain`: valid, immediate, of all rows, and of nothing but its key's columns."""

    name: str
    columns: tuple[str, ...]
    is_primary: bool = False
    is_plain: bool = True
    is_deferrable: bool = False


@dataclass(frozen=True)
class Identity:
    """What Postgres logs of a row's old values: default, nothing, full, or a unique index's columns."""

    form: str = "default"
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Storage:
    """Tables in which rows really are, alike in what matters: the table itself, or its partitions, or its children."""

    identity: Identity = Identity()
    is_unlogged: bool = False
    is_foreign: bool = False
    count: int = 1
    example: str = ""


@dataclass(frozen=True)
class Relation:
    """What one name is on a shard. `form` is table, partitioned table, view or foreign table."""

    name: str
    form: str = "table"
    columns: tuple[Column, ...] = ()
    indexes: tuple[Index, ...] = ()
    storage: tuple[Storage, ...] = (Storage(),)
    partition_of: str | None = None
    inherited_by: int = 0
    has_row_security: bool = False
    is_readable: bool | None = True

    @property
    def primary_key(self) -> tuple[str, ...]:
        return next((index.columns for index in self.indexes if index.is_primary), ())

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True)
class Published:
    """A table in the publication. `columns` and `filter` are None where all columns and rows are published."""

    columns: tuple[str, ...] | None = None
    filter: str | None = None


@dataclass(frozen=True)
class Publication:
    """What is streamed, which operations, and whether a partition's rows come under its root's name."""

    name: str
    operations: frozenset[str]
    via_root: bool
    tables: Mapping[str, Published] = field(hash=False, default_factory=dict)


@dataclass(frozen=True)
class Catalog:
    """One shard's answer. A name without a relation is not in `relations`; `publication` is None where it is not there.

    `role_sees_all_rows`: whether the replicating role passes row security; None where there is no such role yet.
    """

    relations: Mapping[str, Relation] = field(hash=False, default_factory=dict)
    publication: Publication | None = None
    role_sees_all_rows: bool | None = None


def read(session: Any, shard: Shard, tables: Iterable[Table], *, role: str) -> Catalog:
    """The catalog as it is now. Any login may ask; a table that no role may see is still named.

    Args:
        session: an open session with the shard (`catchment.cdc.shard.opened`).
        role: the login that Debezium uses.
    """
    names = [table.name for table in tables]
    asked = {"schema": shard.of.schema, "tables": names, "publication": shard.of.publication, "role": role}
    heads = rows(session, _RELATIONS, asked)
    columns = _grouped(rows(session, _COLUMNS, asked))
    indexes = _grouped(rows(session, _INDEXES, asked))
    storage = _grouped(rows(session, _STORAGE, asked))
    relations = {
        name: Relation(
            name=name,
            form=_FORMS.get(kind, "view"),
            columns=tuple(Column(column, parse(kind), *rest) for column, kind, *rest in columns[name]),
            indexes=tuple(Index(index, tuple(of or ()), *rest) for index, of, *rest in indexes[name]),
            storage=tuple(
                Storage(Identity(_IDENTITIES[identity], tuple(of or ())), *rest)
                for identity, of, *rest in storage[name]
            ),
            partition_of=parent,
            inherited_by=0 if kind == "p" else children,
            has_row_security=row_security,
            is_readable=readable,
        )
        for name, kind, parent, children, row_security, readable in heads
    }
    published = {
        table: Published(tuple(columns) if columns is not None else None, condition)
        for table, columns, condition in rows(session, _PUBLISHED, asked)
    }
    publications = rows(session, _PUBLICATION, asked)
    roles = rows(session, _ROLE, asked)
    return Catalog(
        relations,
        next((Publication(name, frozenset(sent), root, published) for name, sent, root in publications), None),
        next((bool(sees_all) for (sees_all,) in roles), None),
    )


def _grouped(found: list[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    groups = defaultdict(list)
    for name, *entry in found:
        groups[name].append(tuple(entry))
    return groups


_FORMS = {"r": "table", "p": "partitioned table", "f": "foreign table"}
_IDENTITIES = {"d": "default", "n": "nothing", "f": "full", "i": "index"}

_ASKED = """
    asked AS (
        SELECT pg_class.* , pg_class.oid AS id
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = %(schema)s AND relname = ANY(%(tables)s) AND relkind IN ('r', 'p', 'v', 'm', 'f')
    )"""
_RELATIONS = f"""
    WITH {_ASKED}
    SELECT
        relname::text, relkind::text,
        (SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = id AND relispartition),
        (SELECT count(*)::integer FROM pg_inherits WHERE inhparent = id),
        relrowsecurity,
        (SELECT has_table_privilege(rolname, id, 'SELECT') FROM pg_roles WHERE rolname = %(role)s)
    FROM asked ORDER BY relname"""
# Domains are followed to what they are made of; a precision is the last one that is given.
_COLUMNS = f"""
    WITH RECURSIVE {_ASKED},
    typed AS (
        SELECT relname, attnum, attname, atttypid AS type_id, atttypmod AS modifier, attndims::integer,
            attnotnull, attgenerated <> '' AS generated, format_type(atttypid, atttypmod) AS written, 0 AS depth
        FROM asked JOIN pg_attribute ON attrelid = id WHERE attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT relname, attnum, attname, typbasetype, greatest(modifier, typtypmod),
            greatest(attndims, typndims::integer), attnotnull OR typnotnull, generated, written, depth + 1
        FROM typed JOIN pg_type ON pg_type.oid = type_id WHERE typtype = 'd'
    ),
    resolved AS (SELECT DISTINCT ON (relname, attnum) * FROM typed ORDER BY relname, attnum, depth DESC)
    SELECT relname::text, attname::text,
        CASE
            WHEN kind.typtype = 'e' THEN 'enum'
            WHEN element.typtype = 'e' THEN 'enum[]'
            WHEN element.typtype = 'd' THEN 'array of the domain ' || element.typname
            ELSE format_type(type_id, modifier)
        END,
        written, attndims, attnotnull, generated, depth > 0
    FROM resolved
    JOIN pg_type AS kind ON kind.oid = type_id
    LEFT JOIN pg_type AS element ON element.oid = kind.typelem AND kind.typcategory = 'A'
    ORDER BY relname, attnum"""
_INDEXES = f"""
    WITH {_ASKED}
    SELECT relname::text, indexrelid::regclass::text,
        (SELECT array_agg(attname::text ORDER BY place)
         FROM unnest(indkey::smallint[]) WITH ORDINALITY AS part (number, place)
         JOIN pg_attribute ON attrelid = id AND attnum = number WHERE place <= indnkeyatts),
        indisprimary,
        indisvalid AND indimmediate AND indpred IS NULL AND indexprs IS NULL AND indnkeyatts = indnatts,
        NOT indimmediate
    FROM asked JOIN pg_index ON indrelid = id
    WHERE indisunique
    ORDER BY relname, NOT indisprimary, indexrelid"""
# The leaves of partitions; a table without partitions is its own leaf. Tables that inherit are no leaves.
_STORAGE = f"""
    WITH RECURSIVE {_ASKED},
    tree AS (
        SELECT relname AS root, id, relkind FROM asked
        UNION ALL
        SELECT root, inhrelid, child.relkind
        FROM tree JOIN pg_inherits ON inhparent = tree.id JOIN pg_class AS child ON child.oid = inhrelid
        WHERE tree.relkind = 'p' AND NOT inhdetachpending
    ),
    leaves AS (
        SELECT root, leaf.oid, relreplident::text AS identity, relpersistence::text AS persistence,
            leaf.relkind::text AS kind,
            (SELECT array_agg(attname::text ORDER BY attnum)
             FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
             WHERE indrelid = leaf.oid AND indisreplident AND relreplident = 'i') AS columns
        FROM tree JOIN pg_class AS leaf ON leaf.oid = tree.id WHERE leaf.relkind <> 'p'
    )
    SELECT root::text, identity, columns, persistence <> 'p', kind = 'f', count(*)::integer, min(oid::regclass::text)
    FROM leaves GROUP BY root, identity, columns, persistence, kind ORDER BY root, count(*) DESC, identity"""
_PUBLICATION = """
    SELECT pubname::text,
        ARRAY(SELECT word FROM unnest(ARRAY['insert', 'update', 'delete', 'truncate'],
            ARRAY[pubinsert, pubupdate, pubdelete, pubtruncate]) AS operation (word, is_sent) WHERE is_sent),
        pubviaroot
    FROM pg_publication WHERE pubname = %(publication)s"""
# As JSON, for column lists and row filters are only known from Postgres 15 on. `attnames` holds every column that is
# sent, list or none, generated ones left out.
_PUBLISHED = """
    SELECT tablename::text,
        CASE WHEN to_jsonb(member) ->> 'prattrs' IS NOT NULL THEN
            (SELECT array_agg(name) FROM jsonb_array_elements_text(to_jsonb(sent) -> 'attnames') AS name) END,
        to_jsonb(sent) ->> 'rowfilter'
    FROM pg_publication_tables AS sent
    LEFT JOIN pg_publication ON pg_publication.pubname = sent.pubname
    LEFT JOIN pg_publication_rel AS member
        ON member.prpubid = pg_publication.oid AND member.prrelid = format('%%I.%%I', schemaname, tablename)::regclass
    WHERE sent.pubname = %(publication)s AND schemaname = %(schema)s AND tablename = ANY(%(tables)s)
    ORDER BY tablename"""
_ROLE = "SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = %(role)s"
