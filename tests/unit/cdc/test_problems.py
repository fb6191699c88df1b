"""What a shard's catalog says against a declared table, each problem with its cure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catchment.cdc.declared import Table
from catchment.cdc.setup.catalog import Catalog, Column, Identity, Index, Publication, Published, Relation, Storage
from catchment.cdc.setup.problems import OPERATIONS, problems, publication_problems
from catchment.cdc.types import parse

TABLE = Table(name="orders", key=("id",), columns={"id": "bigint", "paid": "timestamp(3)", "note": "text"})
PRIMARY = Index("orders_pkey", ("id",), is_primary=True)


def column(name: str, written: str, *, dimensions: int = 0, required: bool = False, generated: bool = False) -> Column:
    return Column(name, parse(written), written, dimensions, required, generated)


COLUMNS = (
    column("id", "bigint", required=True),
    column("paid", "timestamp(3) without time zone"),
    column("note", "text"),
)
RELATION = Relation("orders", columns=COLUMNS, indexes=(PRIMARY,), storage=(Storage(example="orders"),))
UNIQUE = replace(RELATION, indexes=(Index("one", ("id",)),), storage=(Storage(Identity("full")),))
PARTITIONED = replace(RELATION, form="partitioned table")
PUBLICATION = Publication("catchment", frozenset(OPERATIONS), True, {"orders": Published()})


def said(relation: Relation, *, sees_all: bool | None = False) -> list[str]:
    return [str(problem) for problem in problems([TABLE], Catalog({"orders": relation}, None, sees_all))]


def with_column(*columns: Column) -> Relation:
    return replace(RELATION, columns=columns)


def test_a_table_as_it_is_declared_has_no_problem() -> None:
    assert said(RELATION) == []
    assert publication_problems([TABLE], Catalog({"orders": RELATION}, PUBLICATION)) == []


def test_a_key_by_the_only_unique_index_is_no_problem() -> None:
    assert said(UNIQUE) == []
    assert said(replace(UNIQUE, storage=(Storage(Identity("index", ("id",))),))) == []


def test_a_number_too_long_for_the_warehouse_may_be_declared_as_text() -> None:
    assert said(with_column(*COLUMNS[:2], column("note", "numeric(78,0)"))) == []


def test_a_column_that_is_gone_is_named_with_the_one_it_may_be_now() -> None:
    (text,) = said(with_column(*COLUMNS[:2], column("remark", "text")))
    assert text.startswith("orders: note: there is no such column; it may be renamed: remark.")


def test_a_domain_of_an_enum_is_refused_in_a_key_alone() -> None:
    """Found by the matrix: "operator does not exist: feeling <= unknown", and Debezium skips the table and the next."""
    kind = Column("kind", parse("enum"), "feeling", is_required=True, is_domain=True)
    table = replace(TABLE, key=("id", "kind"), columns={**TABLE.columns, "kind": "enum"})
    relation = replace(RELATION, columns=(*COLUMNS, kind), indexes=(replace(PRIMARY, columns=("id", "kind")),))
    (text,) = map(str, problems([table], Catalog({"orders": relation}, None, False)))
    assert "is a domain of an enum (feeling), in the key" in text
    by_enum = replace(relation, columns=(*COLUMNS, replace(kind, written="mood", is_domain=False)))
    assert list(problems([table], Catalog({"orders": by_enum}, None, False))) == []
    assert said(with_column(*COLUMNS, kind)) == []


@pytest.mark.parametrize(
    ("relation", "words"),
    [
        (replace(RELATION, form="view"), "is a view"),
        (replace(RELATION, partition_of="all_orders"), "Declare all_orders"),
        (replace(RELATION, inherited_by=2), "2 tables inherit from it"),
        (replace(RELATION, has_row_security=True), "row security is on"),
        (with_column(*COLUMNS[:2], column("note", "integer")), "note: is integer, declared as text"),
        (with_column(COLUMNS[0], column("paid", "timestamp(6) with time zone"), COLUMNS[2]), '"timestamptz(6)"'),
        (with_column(*COLUMNS[:2], column("note", "text", generated=True)), "is a generated column"),
        (with_column(*COLUMNS[:2], column("note", "text", dimensions=2)), "array of 2 dimensions"),
        (replace(UNIQUE, indexes=()), "no unique index"),
        (with_column(*COLUMNS, column("moods", "enum[]", required=True)), "stops with an error"),
        (replace(RELATION, indexes=(replace(PRIMARY, columns=("id", "paid")),)), "is (id, paid), declared as (id)"),
        (replace(UNIQUE, indexes=(Index("one", ("id",), is_plain=False),)), "no unique index of all rows"),
        (
            replace(UNIQUE, indexes=(Index("one", ("id",)), Index("two", ("note",)))),
            "several unique indexes (one, two)",
        ),
        (replace(UNIQUE, columns=(column("id", "bigint"), *COLUMNS[1:])), "may be NULL (id)"),
        (replace(UNIQUE, storage=(Storage(),)), "is the primary key, and there is none"),
        (replace(RELATION, storage=(Storage(Identity("nothing")),)), "is NOTHING"),
        (replace(RELATION, indexes=(replace(PRIMARY, is_deferrable=True),)), "a deferrable one is none"),
        (replace(RELATION, storage=(Storage(Identity("index", ("note",))),)), "is an index of (note)"),
        (replace(RELATION, storage=(Storage(is_unlogged=True),)), "is unlogged"),
        (
            replace(
                RELATION, form="partitioned table", storage=(Storage(), Storage(Identity("nothing"), example="p2"))
            ),
            "is NOTHING: Postgres refuses updates and deletes of a published table without one (partition p2)",
        ),
    ],
)
def test_what_can_not_be_replicated_is_one_problem_with_a_cure(relation: Relation, words: str) -> None:
    texts = said(relation)
    assert len(texts) == 1
    assert words in texts[0]


def test_row_security_is_no_problem_for_a_role_that_passes_it() -> None:
    assert said(replace(RELATION, has_row_security=True), sees_all=True) == []


@pytest.mark.parametrize(
    ("publication", "words"),
    [
        (None, "there is none yet"),
        (replace(PUBLICATION, tables={}), "does not hold it"),
        (replace(PUBLICATION, operations=frozenset({"insert", "update"})), "does not send delete, truncate"),
        (replace(PUBLICATION, tables={"orders": Published(("id", "paid"))}), "does not send note"),
        (replace(PUBLICATION, tables={"orders": Published(None, "(id > 3)")}), "only rows with (id > 3)"),
    ],
)
def test_what_the_publication_hides_is_said(publication: Publication | None, words: str) -> None:
    (problem,) = publication_problems([TABLE], Catalog({"orders": RELATION}, publication))
    assert words in str(problem)


def test_partitions_that_are_published_under_their_own_names_are_said_once() -> None:
    by_leaf = replace(PUBLICATION, via_root=False, tables={})
    (problem,) = publication_problems([TABLE], Catalog({"orders": PARTITIONED}, by_leaf))
    assert "publish_via_partition_root" in str(problem)
