"""INSERT ALL and INSERT FIRST, as the Kafka loader uses them for all tables of a batch."""

from __future__ import annotations

import json

import pytest
import snowflake.connector

TABLES = ("CREATE TABLE A (V VARIANT, N NUMBER)", "CREATE TABLE B (V VARIANT, N NUMBER)")
BY_KIND = """INSERT {kind}
    WHEN {first} THEN INTO A (V, N) VALUES (V, N)
    WHEN N > 1 THEN INTO B (V, N) VALUES (V, N)
SELECT VALUE:v AS V, VALUE:n::NUMBER AS N FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?)))"""
ROWS = json.dumps([{"n": 1, "v": {"id": 12345678901234567890}}, {"n": 2}, {"n": 3, "v": None}])


@pytest.fixture
def run(connect):
    cursor = connect(paramstyle="qmark").cursor()
    for table in TABLES:
        cursor.execute(table)
    return lambda statement, *values: cursor.execute(statement, values or None).fetchall()


def test_first_puts_a_row_into_the_first_table_that_wants_it(run):
    assert run(BY_KIND.format(kind="FIRST", first="N >= 2"), ROWS) == [(2, 0)]
    assert run("SELECT N FROM A ORDER BY N") == [(2,), (3,)]


def test_all_puts_a_row_into_every_table_that_wants_it(run):
    assert run(BY_KIND.format(kind="ALL", first="N >= 2"), ROWS) == [(2, 2)]


def test_records_arrive_as_they_are_and_what_is_left_out_is_null(run):
    run(BY_KIND.format(kind="FIRST", first="TRUE"), ROWS)
    assert run("SELECT V, V IS NULL FROM A ORDER BY N") == [
        ('{"id":12345678901234567890}', False),
        (None, True),
        ("null", False),
    ]


def test_all_tables_or_none(run):
    run("CREATE OR REPLACE TABLE B (V VARIANT NOT NULL, N NUMBER)")
    with pytest.raises(snowflake.connector.DatabaseError, match="NOT NULL"):
        run(BY_KIND.format(kind="ALL", first="TRUE"), ROWS)
    assert run("SELECT COUNT(*) FROM A") == [(0,)]


def test_it_is_part_of_a_transaction(run):
    run("BEGIN")
    run(BY_KIND.format(kind="FIRST", first="TRUE"), ROWS)
    run("ROLLBACK")
    assert run("SELECT COUNT(*) FROM A") == [(0,)]


def test_else_is_an_error_that_says_so(run):
    statement = BY_KIND.format(kind="FIRST", first="N > 5").replace(
        "SELECT", "ELSE INTO A (V, N) VALUES (V, N)\nSELECT", 1
    )
    with pytest.raises(snowflake.connector.ProgrammingError, match="ELSE"):
        run(statement, ROWS)
