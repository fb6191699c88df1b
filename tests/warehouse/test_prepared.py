"""A statement with bindings that comes again means what it meant the first time, for whoever sends it."""

from __future__ import annotations

MERGE = """MERGE INTO T USING (SELECT ? AS ID, ? AS V) AS S ON T.ID = S.ID
    WHEN MATCHED THEN UPDATE SET V = S.V WHEN NOT MATCHED THEN INSERT (ID, V) VALUES (S.ID, S.V)"""
INSERT = "INSERT ALL WHEN ID > 1 THEN INTO T (ID, V) VALUES (ID, V) SELECT ? AS ID, ? AS V"


def test_each_time_with_its_own_values(connect):
    cursor = connect(paramstyle="qmark").cursor()
    cursor.execute("CREATE TABLE T (ID NUMBER, V VARCHAR)")
    for values in ((1, "a"), (2, "b"), (1, "c")):
        cursor.execute(MERGE, values)
    for values in ((1, "not wanted"), (5, "e"), (6, "f")):
        cursor.execute(INSERT, values)
    assert cursor.execute("SELECT ID, V FROM T ORDER BY ID").fetchall() == [(1, "c"), (2, "b"), (5, "e"), (6, "f")]


def test_in_another_schema_it_is_another_table(connect, schema):
    cursor = connect(paramstyle="qmark").cursor()
    other = f"RAW.{schema}_OTHER"
    cursor.execute("CREATE TABLE T (ID NUMBER, V VARCHAR)")
    cursor.execute(MERGE, (1, "here"))
    cursor.execute(f"CREATE SCHEMA {other}")
    cursor.execute(f"CREATE TABLE {other}.T (ID NUMBER, V VARCHAR)")
    cursor.execute(f"USE SCHEMA {other}")
    cursor.execute(MERGE, (2, "there"))
    assert cursor.execute(f"SELECT V FROM RAW.{schema}.T").fetchall() == [("here",)]
    assert cursor.execute(f"SELECT V FROM {other}.T").fetchall() == [("there",)]


def test_a_table_that_was_made_again_is_the_one_that_is_changed(connect):
    cursor = connect(paramstyle="qmark").cursor()
    cursor.execute("CREATE TABLE T (ID NUMBER, V VARCHAR)")
    cursor.execute(MERGE, (1, "a"))
    cursor.execute("CREATE OR REPLACE TABLE T (ID NUMBER, V VARCHAR, MORE NUMBER DEFAULT 7)")
    cursor.execute(MERGE, (1, "b"))
    assert cursor.execute("SELECT ID, V, MORE FROM T").fetchall() == [(1, "b", 7)]
