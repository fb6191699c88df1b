"""What the loader sends to the warehouse, statement by statement."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlglot
import zstandard
from snowflake.connector.errors import ProgrammingError
from sqlglot import exp

from catchment.cdc.declared import application
from catchment.cdc.loader import offsets, tables
from catchment.cdc.loader.batch import Advance, KafkaBatch, Partition
from catchment.cdc.loader.offsets import LostRace
from catchment.cdc.loader.warehouse import LoaderWarehouse
from catchment.cdc.loader.write import by_line_statements, copy_statement, insert_statement
from catchment.errors import WarehouseUnavailable
from tests.support.kafka import Message

TARGETS = tables.targets(application())
USERS, EVENTS = "s0.public.users", "s1.public.events"
AT = datetime(2026, 3, 1, tzinfo=UTC)


def _plain(file: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(file)


@dataclass
class Cursor:
    """Answers as the warehouse would, and remembers what it was asked. `refuses(sql)` says which statements fail."""

    asked: list[str] = field(default_factory=list)
    many: list[Sequence[Any]] = field(default_factory=list)
    mine: Callable[[int], int] = lambda count: count
    unread: int = 0
    refuses: Callable[[str], bool] = lambda sql: False
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    moved: int = 0
    name: str = ""
    copied: int = 0

    def execute(self, sql: str, values: Any = None, file_stream: Any = None) -> None:
        self.asked.append(" ".join(sql.split()[:2]))
        if self.refuses(sql):
            raise ProgrammingError("Error parsing JSON")
        match sql.split()[0]:
            case "PUT" if b'"rejected":' in (file := _plain(file_stream.read())):  # keys of refused rows can be read
                self.copied, self.unread = file.count(b"\n"), 0
            case "MERGE":
                self.moved, self.name = len(json.loads(values[0])), values[3]
                self.rows = [(self.moved, 0)]
            case "INSERT" if "TRY_PARSE_JSON" in sql:
                self.rows = [(self.copied - self.unread,)]
            case "INSERT":
                assert "WHERE EXISTS" in sql
                assert values[2] == self.name
                self.rows = [(len(json.loads(values[1])) if self.mine(self.moved) else 0,)]
            case "COPY":
                self.rows = [("file", "LOADED", self.copied, self.copied - self.unread, 0, 0, "Error parsing JSON")]
            case "SELECT" if "COUNT" in sql:
                self.rows = [(self.mine(self.moved),)]
            case "SELECT":
                self.rows = [(0, n) for n in range(self.unread, self.copied)]

    def executemany(self, sql: str, values: Sequence[Any]) -> None:
        self.asked.append(" ".join(sql.split()[:2]))
        self.many += values

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.rows

    def close(self) -> None: ...


@dataclass
class Session:
    only: Cursor

    def cursor(self) -> Cursor:
        return self.only


def commit(cursor: Cursor, *topics: str, rows: int = 2) -> tuple[Any, ...]:
    batch = KafkaBatch()
    for topic in topics:
        batch.add(Partition(topic, 0), [Message(n) for n in range(rows)])
    cursor.copied = rows
    advances = [Advance(Partition(topic, 0), None, rows) for topic in topics]
    warehouse = LoaderWarehouse(Session(cursor), "test")
    return warehouse.commit(batch, advances, TARGETS, dict.fromkeys(topics, "id"))


def test_a_small_batch_of_several_tables_is_one_insert() -> None:
    cursor = Cursor()
    assert commit(cursor, USERS, EVENTS) == ()
    assert cursor.asked == ["BEGIN NAME", "MERGE INTO", "INSERT FIRST", "COMMIT"]


def test_many_rows_go_by_file_and_few_beside_them_do_not() -> None:
    cursor = Cursor()
    commit(cursor, USERS, rows=3000)
    put = "PUT file:///s0.public.users.jsonl.zst"
    assert cursor.asked == ["BEGIN NAME", "MERGE INTO", put, "COPY INTO", "SELECT COUNT(*)", "COMMIT"]


def test_a_row_that_the_warehouse_refuses_is_a_reject_and_the_others_are_loaded() -> None:
    cursor = Cursor(refuses=lambda sql: "INSERT FIRST" in sql, unread=1)
    (refused,) = commit(cursor, USERS)
    assert cursor.asked[:4] == ["BEGIN NAME", "MERGE INTO", "INSERT FIRST", "ROLLBACK"]
    assert cursor.asked[4:] == [
        *("BEGIN NAME", "MERGE INTO", "PUT file:///s0.public.users.jsonl.zst", "COPY INTO", "INSERT INTO"),
        *("DELETE FROM", "SELECT KAFKA_PARTITION,"),
        *("PUT file:///s0.public.users.jsonl.zst", "COPY INTO", "INSERT INTO", "DELETE FROM"),  # its key
        *("INSERT INTO", "SELECT COUNT(*)", "COMMIT"),
    ]
    assert (refused.offset, refused.reason) == (0, "the warehouse could not read it")
    assert [row[1:5] for row in cursor.many] == [("application", "s0.users", f"kafka://{USERS}/0", 0)]


def test_rows_after_a_refused_one_are_loaded_by_line_also_where_copy_skips_them() -> None:
    """Snowflake's reference, COPY INTO, ON_ERROR: in JSON the rest of a file is skipped after an error."""

    class Skips(Cursor):
        def execute(self, sql: str, values: Any = None, **more: Any) -> None:
            super().execute(sql, values, **more)
            if sql.split()[0] == "COPY":
                lines = "TEXT_LINES" in sql
                self.rows = [("file", "", self.copied if lines else 2, self.copied if lines else 1, 0, 0, "bad")]

    cursor = Skips(unread=1)
    (refused,) = commit(cursor, USERS, rows=3000)
    assert cursor.asked.count("ROLLBACK") == 1
    assert (refused.offset, cursor.asked[-1]) == (0, "COMMIT")


def test_an_advance_that_is_not_whole_is_rolled_back() -> None:
    class Slower(Cursor):
        def fetchall(self) -> list[tuple[Any, ...]]:
            return [(0, 0)]

    cursor = Slower()
    with pytest.raises(LostRace, match="1 of 1 partitions were moved by another loader"):
        commit(cursor, USERS)
    assert cursor.asked == ["BEGIN NAME", "MERGE INTO", "ROLLBACK"]


@pytest.mark.parametrize("rows", [2, 3000])
def test_a_transaction_that_someone_else_ended_commits_nothing(rows: int) -> None:
    cursor = Cursor(mine=lambda count: 0)
    with pytest.raises(LostRace, match="ended by someone else"):
        commit(cursor, USERS, rows=rows)
    assert cursor.asked[-2:] == ["SELECT COUNT(*)", "ROLLBACK"]


def test_a_warehouse_that_refuses_every_way_is_waited_for_or_a_person_is_asked() -> None:
    class Lossy(Cursor):
        def execute(self, sql: str, values: Any = None, **more: Any) -> None:
            super().execute(sql, values, **more)
            if sql.split()[0] == "COPY":
                self.rows = [("file", "LOADED", 0, 0, 0, 0, None)]

    with pytest.raises(WarehouseUnavailable, match="held 2 rows, and the warehouse read 0"):
        commit(Lossy(refuses=lambda sql: "INSERT FIRST" in sql), USERS)


def test_its_statements_are_snowflakes() -> None:
    targets = [TARGETS[USERS], TARGETS[EVENTS]]
    insert = sqlglot.parse_one(insert_statement(targets, marked=True), read="snowflake")
    assert isinstance(insert, exp.MultitableInserts)
    assert {table.name for table in insert.find_all(exp.Table)} >= {"S0_USERS", "S1_EVENTS"}
    assert isinstance(sqlglot.parse_one(copy_statement(targets[0], "f", "x", AT), read="snowflake"), exp.Copy)
    parsed = [sqlglot.parse_one(sql, read="snowflake") for sql in by_line_statements(targets[0], "f", "x", AT)]
    assert [type(tree) for tree in parsed] == [exp.Copy, exp.Insert, exp.Delete]
    assert isinstance(sqlglot.parse_one(offsets._ADVANCE, read="snowflake"), exp.Merge)


def test_a_new_topics_table_is_made_as_the_account_has_it() -> None:
    (statement,) = tables.statements([TARGETS[USERS]])
    made = sqlglot.parse_one(statement, read="snowflake")
    columns = [column.name for column in made.find_all(exp.ColumnDef)]
    assert columns == ["RECORD_CONTENT", "RECORD_METADATA", "KAFKA_PARTITION", "KAFKA_OFFSET", "LOADED_AT"]
