"""The warehouse's errors, by what should happen next; and loads that check what they loaded."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import pytest
from msgspec.structs import replace
from snowflake.connector import errors

from catchment.connection import Connection
from catchment.errors import CatchmentError, ContractBroken, NeedsPerson, WarehouseUnavailable
from catchment.landing import (
    LandedFile,
    Manifest,
    Parts,
    RecordFormat,
    checkpoint_prefix,
    manifest_key,
    read_manifest,
    write_manifest,
)
from catchment.spec import Current
from catchment.warehouse.copies import check_names
from catchment.warehouse.load import Loaded, load, raw_copy
from catchment.warehouse.session import arguments, explain, query_tag, transaction
from tests.support.make import batch, moment
from tests.support.store import MemoryStore

TICKETS = batch("tickets", source="zendesk")


class Recorder:
    """A session and its cursor: remembers statements, answers a COPY with `copied`, fails where told to."""

    session_id = 7

    def __init__(
        self,
        copied: Sequence[Any] = (),
        fails_at: str | None = None,
        row: Any = (0,),
        open_transactions: Sequence[tuple[int, str]] = (),
    ) -> None:
        self.statements: list[str] = []
        self.landed: list[str] = []
        self.params: list[Any] = []
        self._copied = copied
        self._fails_at = fails_at
        self._row = row
        self._open = open_transactions

    def cursor(self) -> Recorder:
        return self

    def execute(self, command: str, params: Any = None, /) -> None:
        self.statements.append(" ".join(command.split()))
        self.params.append(params)
        if self._fails_at and self.statements[-1].startswith(self._fails_at):
            raise errors.OperationalError(msg="the connection was cut", errno=250003)

    executemany = execute

    def fetchall(self) -> Sequence[Any]:
        if self.statements[-1] == "SHOW TRANSACTIONS":
            return self._open
        names = iter(self.landed)
        return [(row[0] or next(names), *row[1:]) if len(row) > 1 else row for row in self._copied]

    @property
    def description(self) -> list[tuple[str]]:
        return [("id",), ("name",)]

    def fetchone(self) -> Any:
        return self.rejected() if "SUM(ROWS_REJECTED)" in self.statements[-1] else self._row

    def rejected(self) -> tuple[int]:
        """What the ledger rows that were written here say."""
        return (sum(params["rejected"] for params in self.params if isinstance(params, dict) and "rejected" in params),)

    def close(self) -> None:
        """Nothing to close."""

    def kinds(self) -> list[str]:
        return [statement.split(" ")[0] for statement in self.statements]


def landed(rows: int = 2, files: int = 1) -> tuple[MemoryStore, str]:
    store, entries = MemoryStore(), []
    prefix = checkpoint_prefix(TICKETS, 0)
    for _ in range(files):
        with Parts(store, prefix) as parts:
            parts.add(b'{"id":1}\n' * rows, rows)
        entries += parts.files
    manifest = Manifest(
        batch_id=TICKETS.id,
        batch=TICKETS.id,
        checkpoint=0,
        complete=True,
        attempt="incremental-1",
        current=Current.NEWEST_VERSION,
        key=("id",),
        record_format=RecordFormat.RECORDS,
        as_of=moment(2),
        source="zendesk",
        stream="tickets",
        kind="scheduled",
        mode="incremental",
        interval_start=TICKETS.start,
        interval_end=TICKETS.end,
        extracted_at=moment(2),
        files=tuple(entries),
        rows=rows * files,
        cursor_to="c",
    )
    return store, write_manifest(store, manifest, prefix)


def run(session: Recorder, rows: int = 2) -> Loaded:
    store, key = landed(rows)
    session.landed = [file.key for file in read_manifest(store, key).files]
    return load(session, store, key, query_tag="tag")


def result(name: str = "", parsed: int = 2, loaded: int = 2, error: str | None = None) -> tuple[Any, ...]:
    """A line of a COPY's result; without a name, that of the file that was landed."""
    return (name, "LOADED", parsed, loaded, parsed, parsed - loaded, error, None, None, None)


def test_rows_and_ledger_row_are_written_in_one_transaction() -> None:
    session = Recorder([result()])
    assert run(session) == Loaded(rows=2, rejected=0)
    copying = ["SELECT", "SELECT", "COPY", "INSERT", "SELECT"]
    assert session.kinds() == ["SHOW", "BEGIN", "SELECT", "DELETE", *copying, "COMMIT"]
    assert "LEDGER" in session.statements[-3]
    assert session.params[-3]["cursor_to"] == "c"


@pytest.mark.parametrize("statement", ["DELETE", "COPY", "INSERT", "COMMIT"])
def test_an_outage_at_any_step_rolls_back_and_may_pass(statement: str) -> None:
    session = Recorder([result()], fails_at=statement)
    with pytest.raises(WarehouseUnavailable, match="tried again later"):
        run(session)
    assert session.kinds()[-2:] == [statement, "ROLLBACK"]


@pytest.mark.parametrize("copied", [[result(parsed=1, loaded=1)], [result(parsed=3, loaded=3)], [], [result("other")]])
def test_a_landing_that_is_not_what_its_manifest_says_is_not_loaded(copied: list[Any]) -> None:
    session = Recorder(copied)
    with pytest.raises(ContractBroken, match="should hold 2 rows"):
        run(session)
    assert session.kinds()[-1] == "ROLLBACK"


def test_a_line_that_the_warehouse_cannot_read_is_rejected_and_counted() -> None:
    class OneRefused(Recorder):
        def fetchall(self) -> Sequence[Any]:
            return [(1,)] if self.statements[-1].startswith("SELECT RECORD_METADATA") else super().fetchall()

    session = OneRefused([result(loaded=1, error="Error parsing JSON")])
    assert run(session) == Loaded(rows=1, rejected=1, new_rejects=1)
    rejects = next(params for params in session.params if isinstance(params, list))
    assert [(reject[4], reject[5]) for reject in rejects] == [
        (2, "the warehouse could not read it: Error parsing JSON")
    ]


def test_a_child_streams_copy_opens_the_envelope() -> None:
    store, key = landed()
    manifest = read_manifest(store, key)
    for record_format, enveloped in ((RecordFormat.ENVELOPES, True), (RecordFormat.RECORDS, False)):
        sql = raw_copy(replace(manifest, record_format=record_format)).statement(manifest.files)
        said = ("$1:record" in sql, "'parent', $1:parent" in sql, "'parent'" in sql)
        assert said == (enveloped, enveloped, enveloped)
        assert "FORCE = TRUE" in sql


def test_files_of_others_are_copied_from_their_own_stage_by_their_format() -> None:
    store, key = landed()
    theirs = (LandedFile(key="logs/day's/a b.gz", bytes=1, etag="e", uri="s3://theirs/logs/day's/a b.gz"),)
    manifest = replace(
        read_manifest(store, key), files=theirs, record_format=RecordFormat.CSV, columns=("id", "o'clock")
    )
    sql = raw_copy(manifest).statement(theirs)
    assert "OBJECT_CONSTRUCT_KEEP_NULL('id', $1, 'o''clock', $2)" in sql
    assert "FROM @RAW.ZENDESK.FILES/" in sql
    assert "FORMAT_NAME = 'RAW.CATCHMENT.CSV_FILES'" in sql


@pytest.mark.parametrize("name", ["a'b.zst", "a\\b.zst", "a\nb.zst", "", "a);drop.zst", "a b.zst"])
def test_a_name_that_could_end_its_literal_is_not_copied(name: str) -> None:
    """Found by reading (main path, "Landing"): names of files from a manifest were pasted into COPY."""
    store, key = landed()
    ours = LandedFile(key=name, bytes=1, rows=1, sha256="0")
    forged = replace(read_manifest(store, key), files=(ours,))
    with pytest.raises(ContractBroken, match="can't stand in a COPY statement"):
        check_names(forged)


def test_a_batch_of_many_files_is_copied_some_at_a_time() -> None:
    """Snowflake's reference, "COPY INTO <table>": at most 1,000 files can be named."""
    store, key = landed(1, 1001)
    session = Recorder()
    with pytest.raises(ContractBroken):
        load(session, store, key)
    assert session.kinds().count("COPY") == 2


def test_a_copy_that_found_no_file_is_a_broken_landing() -> None:
    with pytest.raises(ContractBroken, match="should hold 2 rows"):
        run(Recorder([("Copy executed with 0 files processed.",)]))


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (errors.OperationalError(msg="cut", errno=250003), WarehouseUnavailable, "tried again later"),
        (errors.InterfaceError(msg="gone", errno=1), WarehouseUnavailable, "tried again later"),
        (errors.ProgrammingError(msg="lock timeout", errno=625), WarehouseUnavailable, "tried again later"),
        (
            errors.DatabaseError(msg="Incorrect username or password", errno=250001),
            NeedsPerson,
            "refused the credentials",
        ),
        (errors.ProgrammingError(msg="Table X does not exist", errno=2003), NeedsPerson, "snowflake-apply"),
    ],
)
def test_a_warehouse_error_says_what_to_do(error: Exception, kind: type[CatchmentError], says: str) -> None:
    explained = explain(error, "load the batch")
    assert type(explained) is kind
    assert says in str(explained)
    assert "load the batch" in str(explained)


def test_anything_that_goes_wrong_inside_a_transaction_rolls_it_back() -> None:
    session = Recorder()
    with pytest.raises(KeyboardInterrupt), transaction(session, "work"):
        raise KeyboardInterrupt
    assert session.kinds() == ["SHOW", "BEGIN", "ROLLBACK"]


def test_a_transaction_that_a_killed_attempt_left_open_is_ended_first() -> None:
    first = Recorder()
    with transaction(first, "work"):
        name = first.statements[-1].removeprefix("BEGIN NAME ")
    session = Recorder(open_transactions=[(7, "OTHER"), (8, name)])
    with transaction(session, "work"):
        assert session.statements[1] == "SELECT SYSTEM$ABORT_TRANSACTION(8)"
    assert session.kinds() == ["SHOW", "SELECT", "BEGIN", "COMMIT"]


@pytest.mark.parametrize("still_open", [True, False])
def test_a_transaction_that_ends_by_itself_before_it_is_ended_is_no_trouble(still_open: bool) -> None:
    """An independent simulator: two workers loaded one batch at once. The later one ended the transaction of the other,
    which had just rolled back and left: both failed, the later one with a hint at the rights of its role."""
    name = "CATCHMENT_" + hashlib.sha256(b"work").hexdigest()[:24].upper()
    session = Recorder(fails_at="SELECT SYSTEM$ABORT", open_transactions=[(8, name)])
    execute = session.execute

    def ends_by_itself(command: str, params: Any = None, /) -> None:
        if "ABORT" in command and not still_open:
            session._open = []
        execute(command, params)

    session.execute = ends_by_itself  # type: ignore[method-assign]
    with pytest.raises(errors.OperationalError) if still_open else nullcontext(), transaction(session, "work"):
        pass
    assert ("BEGIN" in session.kinds()) is not still_open


def test_a_sessions_zone_and_tag_never_depend_on_the_accounts_defaults() -> None:
    connection = Connection(conn_id="snowflake_default", login="u", password="p", extra={"account": "a", "role": ""})
    given = arguments(connection, query_tag="tag", database="RAW")
    assert given["session_parameters"]["TIMEZONE"] == "UTC"
    assert given["session_parameters"]["QUERY_TAG"] == "tag"
    assert "role" not in given


def test_a_query_tag_says_who_sends_a_statement() -> None:
    assert json.loads(query_tag(dag="d", task="t", run="", stream="é")) == {"dag": "d", "task": "t", "stream": "é"}
    assert len(query_tag(dag="x" * 5000)) <= 2000


def test_a_batchs_manifest_is_where_its_loader_looks() -> None:
    _, key = landed()
    assert key == manifest_key(TICKETS)


THE_FIRST_ROWS = """
import io, logging, sys
said = io.StringIO()
logging.basicConfig(stream=said, level=logging.ERROR)
from snowflake.connector import snow_logging
from snowflake.connector.arrow_context import ArrowConverterContext
from snowflake.connector.errors import OperationalError
from snowflake.connector.nanoarrow_arrow_iterator import PyArrowRowIterator
from catchment.warehouse.session import make_ready_for_threads

made = []
snow_logging.getSnowLogger = lambda name, *_: made.append(name) or __import__("logging").getLogger(name)
make_ready_for_threads()
first = len(made)
assert said.getvalue() == "", said.getvalue()
try:
    PyArrowRowIterator(None, b"", ArrowConverterContext(), False, False, False, False)
except OperationalError:
    pass
print(first, len(made))
"""


def test_the_connectors_logger_is_made_before_threads_can_wait_for_each_other_in_it() -> None:
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", THE_FIRST_ROWS], env=paths, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["1", "1"], done.stderr
