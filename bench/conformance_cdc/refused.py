"""What must be refused: at the declaration, or by `cdc-check` once a shard's catalog is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.conformance_cdc.judge import REFUSED, WRONG, Cell
from bench.conformance_cdc.matrix import REFUSED_IN_KEY, REFUSED_NAMES, REFUSED_TYPES
from catchment.cdc.declared import Database, Shard, Table, parse
from catchment.cdc.setup import catalog
from catchment.cdc.setup.problems import problems
from catchment.errors import ContractBroken

_HEAD = 'source = "application"\ndatabase = "a"\nschema = "public"\npublication = "p"\n[[shards]]\nname = "s0"\n'
_TABLES = {
    "generated": "id integer PRIMARY KEY, v integer GENERATED ALWAYS AS (id + 1) STORED",
    "two_dimensions": "id integer PRIMARY KEY, v integer[][]",
    "array_of_domain": "id integer PRIMARY KEY, v e_mail[]",
    "two_dimensions_by_domain": "id integer PRIMARY KEY, v grid",
    "composite": "id integer PRIMARY KEY, v elder",
    "deferred": "id integer PRIMARY KEY DEFERRABLE, v text",
    "deferred_unique": "id integer NOT NULL UNIQUE DEFERRABLE, v text",
    "required_enums": "id integer PRIMARY KEY, v text, w mood[] NOT NULL",
    "no_key": "id integer, v text",
    "nothing": "id integer PRIMARY KEY, v text",
    "several_unique": "id integer NOT NULL UNIQUE, v text UNIQUE",
    "partial_unique": "id integer NOT NULL, v text",
    "by_another_index": "id integer PRIMARY KEY, v text NOT NULL UNIQUE",
    "other_type": "id integer PRIMARY KEY, v bigint",
    "renamed": "id integer PRIMARY KEY, w text",
    "parent": "id integer PRIMARY KEY, v text",
    "leaves_nothing": "id integer PRIMARY KEY, v text) PARTITION BY RANGE (id",
}
REFUSED_TABLES = (
    "no primary key and no unique index; or a unique index that is partial, deferrable, or one of several",
    "REPLICA IDENTITY NOTHING, of the table or of one of its partitions",
    "REPLICA IDENTITY USING INDEX of other columns than the key",
    "a deferrable primary key as replica identity: once it is published, Postgres refuses its updates",
    "generated columns, arrays of two dimensions, arrays of a domain and composite types, where declared",
    "a required array of an enum, declared or not: a NULL in one ends Debezium's task",
    "tables that others inherit from",
    "a partition by its own name; views, materialized views, foreign tables",
    "unlogged tables, or partitions",
    "row security that the replicating role does not pass",
)
"""What the tables are that are refused, in words."""
_DECLARED = {
    "generated": "integer",
    "two_dimensions": "integer[]",
    "two_dimensions_by_domain": "integer[]",
    "array_of_domain": "varchar(30)[]",
}
"""The type of the column `v` in the declaration, where it is not text."""
_ALSO = """
ALTER TABLE nothing REPLICA IDENTITY NOTHING;
CREATE UNIQUE INDEX partial ON partial_unique (id) WHERE id > 0;
ALTER TABLE by_another_index REPLICA IDENTITY USING INDEX by_another_index_v_key;
CREATE TABLE child () INHERITS (parent);
CREATE MATERIALIZED VIEW a_kept_view AS SELECT 1 AS id, 'x'::text AS v;
CREATE TABLE leaves_unlogged (id integer PRIMARY KEY, v text) PARTITION BY HASH (id);
CREATE TABLE logged PARTITION OF leaves_unlogged FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE UNLOGGED TABLE not_logged PARTITION OF leaves_unlogged FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE UNLOGGED TABLE unlogged (id integer PRIMARY KEY, v text);
CREATE VIEW a_view AS SELECT 1 AS id, 'x'::text AS v;
CREATE TABLE leaf PARTITION OF leaves_nothing FOR VALUES FROM (0) TO (9);
ALTER TABLE leaf REPLICA IDENTITY NOTHING;
CREATE TABLE secured (id integer PRIMARY KEY, v text);
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
"""
_FITS = """
CREATE TABLE fits (id integer PRIMARY KEY, v text);
CREATE TABLE fits_full (id integer NOT NULL UNIQUE, v text);
ALTER TABLE fits_full REPLICA IDENTITY FULL;
CREATE TABLE fits_index (id integer NOT NULL UNIQUE, v text);
ALTER TABLE fits_index REPLICA IDENTITY USING INDEX fits_index_id_key;
CREATE TABLE fits_list (id integer PRIMARY KEY, v text) PARTITION BY LIST (id);
CREATE TABLE fits_list_1 PARTITION OF fits_list FOR VALUES IN (1) PARTITION BY HASH (id);
CREATE TABLE fits_list_1_0 PARTITION OF fits_list_1 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
"""


def at_declaration() -> Iterator[Cell]:
    """Each type and name that may not be declared, and each that may not be in a key."""
    for kind in REFUSED_TYPES:
        yield _declared(kind, f'key = ["id"]\n[tables.columns]\nid = "integer"\nv = "{kind}"\n')
    for kind in REFUSED_IN_KEY:
        yield _declared(kind, f'key = ["v"]\n[tables.columns]\nv = "{kind}"\n', is_key=True)
    for name in REFUSED_NAMES:
        yield _declared(name, f'key = ["id"]\n[tables.columns]\nid = "integer"\n"{name}" = "text"\n')


def _declared(what: str, entry: str, *, is_key: bool = False) -> Cell:
    try:
        parse(f'{_HEAD}[[tables]]\nname = "t"\n{entry}')
    except ContractBroken as error:
        return Cell(what, is_key, None, None, str(error), REFUSED)
    return Cell(what, is_key, None, None, "can be declared", WRONG)


def by_check(session: Any) -> Iterator[Cell]:
    """Each table that can't be replicated has a problem, and those that can have none. Makes a schema of its own."""
    with session.cursor() as cursor:
        cursor.execute("CREATE SCHEMA refused; SET search_path = refused, public; CREATE DOMAIN grid AS integer[][]")
        for name, columns in _TABLES.items():
            cursor.execute(f"CREATE TABLE {name} ({columns})")
        cursor.execute(_ALSO + _FITS)
    fits = [line.split()[2] for line in _FITS.splitlines() if line.startswith("CREATE") and "fits_list_" not in line]
    wrong = [*_TABLES, "unlogged", "leaves_unlogged", "a_view", "a_kept_view", "secured", "leaf", "not_there"]
    kinds = {name: {"id": "integer", "v": _DECLARED.get(name, "text")} for name in (*wrong, *fits)}
    tables = tuple(Table(name=name, key=("id",), columns=columns) for name, columns in kinds.items())
    of = Database(source="refused", database="a", schema="refused", publication="none", tables=tables)
    there = catalog.read(session, Shard("refused", of), tables, role="nobody")
    for table in tables:
        name, found = table.name, problems([table], there)
        if name in fits:
            if found:
                yield Cell(name, False, None, None, str(found[0]), WRONG)
        else:
            said = str(found[0]) if found else "no problem"
            yield Cell(name, False, None, None, said, REFUSED if found else WRONG)
