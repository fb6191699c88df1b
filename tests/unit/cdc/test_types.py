"""Which types and names of columns can be declared, however they are written, and what the others are answered."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from catchment.cdc.types import PgType, can_be_read_as, column_refusal, key_refusal, parse, refusal

MACROS = Path(__file__).parents[3] / "include" / "dbt" / "macros" / "cdc"


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("timestamp(6) without time zone", "timestamp(6)"),  # as Rails makes them
        ("timestamp(3)", "timestamp(3)"),  # as Prisma makes them
        ("timestamp(3) with time zone", "timestamptz(3)"),
        ("timestamptz(3)", "timestamptz(3)"),
        ("TIMESTAMP WITH TIME ZONE", "timestamptz"),
        ("time(3) without time zone", "time(3)"),
        ("interval day to second(3)", "interval(3)"),
        ("interval year to month", "interval"),
        ("character varying(40)", "varchar(40)"),
        ("character varying(10)[]", "varchar(10)[]"),
        ("character(5)", "char(5)"),
        ("char", "char(1)"),
        ("numeric(5)", "numeric(5,0)"),
        ("decimal(18, 4)", "numeric(18,4)"),
        ("int8", "bigint"),
        ("float8", "double precision"),
        ("int4[3]", "integer[]"),
        ("public.citext", "citext"),
        ("enum[]", "enum[]"),
    ],
)
def test_a_type_is_known_however_it_is_written(written: str, kind: str) -> None:
    assert str(parse(written)) == kind
    assert parse(kind) == parse(written)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("numeric(78,0)", 'no numbers of more than 38 digits. Declare it as "text"'),
        ("numeric(5,-2)", "does not exist"),
        ("numeric(3,5)", "does not exist"),
        ("bigserial", 'declare "bigint"'),
        ("money", "the server's locale"),
        ("time with time zone", "its own zone is lost"),
        ("bit(3)", "as bytes"),
        ("hstore", "as JSON"),
        ("point", "as an object"),
        ("citext", "never tried"),
        ("int4range", "not known here"),
        ("text(3)", "takes no such numbers"),
        ("date[]", "the elements of a date[]"),
        ("enum[]", "that has a NULL in it"),
        ("", "not known here"),
    ],
)
def test_a_type_that_does_not_arrive_as_it_is_gets_a_sentence(written: str, words: str) -> None:
    assert words in (refusal(parse(written)) or "")


@pytest.mark.parametrize("written", ["timestamp(6)", "timestamptz(3)", "interval(3)", "enum", "integer[]", "varchar"])
def test_what_arrives_as_it_is_can_be_declared(written: str) -> None:
    assert refusal(parse(written)) is None


@pytest.mark.parametrize("written", ["timestamptz", "timestamp(3)", "time"])
def test_chunks_are_not_read_by_times_in_a_key(written: str) -> None:
    """Debezium compares them with text: `operator does not exist: time without time zone <= character varying`."""
    assert "surrogate_key" in (key_refusal(parse(written), has_surrogate=False) or "")
    assert key_refusal(parse(written), has_surrogate=True) is None


def test_an_array_is_no_part_of_a_key() -> None:
    assert key_refusal(parse("integer[]"), has_surrogate=True)


@pytest.mark.parametrize("name", ["userId", "order_id", "order", "user", "createdAt"])
def test_a_column_may_have_any_plain_name(name: str) -> None:
    assert column_refusal(name) is None


@pytest.mark.parametrize("name", ["valid_from", "Valid_To", "is_current", "_op", "a b", "größe"])
def test_a_column_may_not_have_a_name_of_ours_or_an_odd_one(name: str) -> None:
    assert column_refusal(name)


def test_every_name_that_the_models_give_is_refused_as_a_column() -> None:
    """A table's own `valid_from` once took the place of ours: history then had no current version."""
    texts = [(MACROS / f"{name}.sql").read_text() for name in ("filled", "current_state", "history")]
    lines = [
        line for text in texts for line in text.splitlines() if not re.match(r" *(from|inner|left|join|\)|--)", line)
    ]
    given = {match[1] for line in lines if (match := re.search(r"\bas ([a-z]\w*),?$", line))}
    assert given
    assert {name for name in given if column_refusal(name) is None} == set()


def test_a_long_number_may_be_declared_as_text() -> None:
    assert can_be_read_as(PgType("text"), parse("numeric(78,0)"))
    assert not can_be_read_as(PgType("text"), parse("integer"))
