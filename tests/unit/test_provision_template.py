"""Templates: what a head means, and that no value can become SQL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp, parse_one

from catchment.errors import NeedsPerson
from catchment.warehouse.provision_template import parse


def filled(body: str, /, **values: str | int) -> list[str]:
    return list(parse("10_step.sql", "-- as: SYSADMIN\n" + body).fill(values))


def test_a_head_says_the_role_the_rows_and_the_condition() -> None:
    template = parse("20_a_step.sql", "-- as: SYSADMIN\n-- for each: schema\n-- when: bucket\n-- Why.\nSELECT 1;\n")

    assert (template.step, template.role, template.each, template.when) == ("a_step", "SYSADMIN", "schema", "bucket")
    assert template.statements == ("SELECT 1",)


def test_a_template_without_a_role_is_refused() -> None:
    with pytest.raises(NeedsPerson, match="which role"):
        parse("10_step.sql", "SELECT 1;")


def test_a_file_that_has_no_number_is_refused_rather_than_run_last() -> None:
    with pytest.raises(NeedsPerson, match="a number and a step"):
        parse("step.sql", "-- as: SYSADMIN\nSELECT 1;")


def test_statements_end_at_a_semicolon_that_ends_a_line() -> None:
    assert filled("SELECT 1;\nSELECT '; ' \n  AS x;") == ["SELECT 1", "SELECT '; ' \n  AS x"]


def test_identifiers_numbers_and_literals_are_filled_each_in_its_way() -> None:
    assert filled("ALTER T {name} SET N = {n} C = '{text}';", name="A_1", n=5, text="it's") == [
        "ALTER T A_1 SET N = 5 C = 'it''s'"
    ]


@pytest.mark.parametrize("name", ["", "a", "A B", "A;DROP", 'A"', "A.B", "1A", "A--", "Ä"])
def test_what_is_no_identifier_is_refused_where_one_belongs(name: str) -> None:
    with pytest.raises(NeedsPerson, match="identifier"):
        filled("DROP TABLE {name};", name=name)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_a_literal_comes_back_as_it_was_whatever_it_holds(text: str) -> None:
    (statement,) = filled("SELECT '{text}';", text=text)

    (value,) = parse_one(statement, read="snowflake").expressions
    assert isinstance(value, exp.Literal)
    assert value.this == text


def test_a_line_break_in_a_literal_is_refused() -> None:
    with pytest.raises(NeedsPerson, match="line break"):
        filled("SELECT '{text}';", text="a\nb")


def test_a_value_that_nothing_provides_is_named() -> None:
    with pytest.raises(NeedsPerson, match=r"\{bucket\}.*It may use: name"):
        filled("SELECT {bucket};", name="A")


@pytest.mark.parametrize(
    ("role", "expected"), [("", "CREATE STAGE S\n  X = 1"), ("R", "CREATE STAGE S\n  I = R\n  X = 1")]
)
def test_a_line_with_a_condition_stands_only_if_its_value_is_set(role: str, expected: str) -> None:
    assert filled("CREATE STAGE S\n  I = {role} -- when: role\n  X = 1;", role=role) == [expected]


def test_a_template_with_a_condition_renders_nothing_if_its_value_is_not_set() -> None:
    assert filled("-- when: role\nSELECT 1;", role="") == []
