"""A real shard beside the local warehouse: what is equal in both is found equal, and what differs is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import psycopg2.errors
import pytest

from bench.check_reconcile.bed import NotWaiting
from catchment.cdc import shard as database
from catchment.cdc.compare.comparison import Comparison, Fault, compare
from catchment.cdc.compare.postgres import PostgresSnapshot, postgres_snapshot
from catchment.cdc.compare.results import Result, record, refuse_differences
from catchment.cdc.compare.warehouse import CurrentState, relation
from catchment.cdc.declared import Table, application
from catchment.cdc.systems import Systems
from catchment.connection import Connection
from catchment.errors import NeedsPerson
from catchment.operators.cdc_compare import CdcCompareOperator
from catchment.warehouse.names import COMPARISONS
from catchment.warehouse.session import connect
from local.cdc.stack import Stack, free_ports
from tests.support import cdc_staging

pytestmark = pytest.mark.timeout(600)
APPLICATION = application()
S0 = APPLICATION.shard("s0")
TABLES = {table.name: table for table in APPLICATION.database("application").tables}
ODD = """
INSERT INTO accounts (id, external_id, name, balance, settings, notes, feature_flags, created_at, updated_at) VALUES
    (-5, 'x''\\"1', 'Größe ✨ 中文 💶', 'NaN', '{"bb": 1.50, "a": {"z": [1.0, 2.00, "x, {y}"], "k": "1.50"}, "c": 1e3}',
        '', '{}', 'infinity', '-infinity'),
    (-4, '', E'line\\nbreak\\ttab', 12345678901234.5678, 'null', NULL, '{1,NULL,-3}',
        '0001-01-01 00:00:00+00', 'infinity'),
    (-3, '1:x', 'n', -0.0001, '"text with \\\\ and \\" in it"', repeat('ü', 9000), NULL,
        '2026-11-23 12:00:00.123456+05', '9999-12-31 23:59:59.999999'),
    (-2, '-', '-', 0, '[]', '-', '{2147483647}', '1969-12-31 23:59:59.5+00', '1969-12-31 23:59:59.000001');
INSERT INTO users (id, account_id, email, is_active, preferences, avatar, public_id) VALUES
    (-2, 1, 'odd@x', false, '{}', '\\x00ff10', '00000000-0000-0000-0000-000000000001'),
    (-1, 1, 'none@x', true, NULL, '', 'ffffffff-ffff-ffff-ffff-ffffffffffff');
INSERT INTO customers (id, account_id, external_id, born, health_score, tags) VALUES
    (-9, 1, 'nan', '0001-01-01', 'NaN', '{}'), (-8, 1, 'inf', '9999-12-31', 'Infinity', NULL),
    (-7, 1, '-inf', NULL, '-Infinity', NULL), (-6, 1, 'tiny', NULL, 1e-12, NULL), (-5, 1, 'huge', NULL, -1.5e22, NULL),
    (-4, 1, 'third', NULL, 1 / 3.0::float8, NULL), (-3, 1, 'zero', NULL, -0.0, NULL), (-2, 1, 'one', NULL, 1e-3, NULL);
"""


class Bed:
    """The shard s0 and a warehouse that holds its current state."""

    def __init__(self, stack: Stack) -> None:
        self.environment = stack.environment() | {"PYTHONPATH": f".{os.pathsep}plugins"}
        self.systems = Systems(lambda name: Connection.from_env(name, self.environment))
        self.warehouse: Any = connect(self.systems.look_up("snowflake_default")).cursor()
        self.state = CurrentState(self.warehouse, S0)

    def owner(self) -> AbstractContextManager[Any]:
        return self.systems.owner(S0)

    def write(self, sql: str) -> None:
        with self.owner() as session:
            database.rows(session, sql)

    def wait_for(self, sql: str, seconds: float = 30) -> None:
        """Until the shard's owner is given a row."""
        deadline = time.monotonic() + seconds
        with self.owner() as session:
            while not database.rows(session, sql):
                assert time.monotonic() < deadline, f"not within {seconds} s: {sql}"
                time.sleep(0.1)

    def snapshot(self) -> AbstractContextManager[PostgresSnapshot]:
        return postgres_snapshot(self.systems, self.systems.look_up(S0.connection))

    def results(self, *tables: Table) -> dict[str, Result]:
        """A whole run over these tables."""
        self.warehouse.execute(_ddl())
        run = NotWaiting(systems=self.systems, shard=S0, tables=tables, run="r")
        return {result.table.name: result for result in run.results()}

    def merge(self, *names: str) -> None:
        """The current state is as the shard is now."""
        with self.systems.shard(S0) as session, session.cursor() as cursor:
            for name in names:
                cdc_staging.make(self.warehouse, S0, TABLES[name])
                cdc_staging.fill(self.warehouse, cursor, S0, TABLES[name])

    def staged(self, name: str) -> str:
        return relation(S0, TABLES[name])

    def compared(self, name: str) -> Comparison:
        with self.snapshot() as now:
            return compare(TABLES[name], now, self.state, self.snapshot)


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    parts = ("shard_s0", "s3", "warehouse")
    with Stack(tmp_path_factory.mktemp("stack"), free_ports(), parts=parts, scale=0.1) as stack:
        bed = Bed(stack)
        for statement in (
            "CREATE SCHEMA IF NOT EXISTS ANALYTICS.STAGING",
            "CREATE SCHEMA IF NOT EXISTS RAW.CATCHMENT",
        ):
            bed.warehouse.execute(statement)
        bed.write(ODD)
        bed.merge(*TABLES)
        yield bed


@pytest.fixture
def changed(bed: Bed) -> Iterator[Bed]:
    """A bed that a test may spoil."""
    yield bed
    bed.merge("accounts", "users", "activities")


@pytest.mark.parametrize("name", TABLES)
def test_what_is_equal_is_found_equal_in_every_type(bed: Bed, name: str) -> None:
    found = bed.compared(name)
    assert (found.equal, found.differences) == (True, ())
    assert found.rows_shard == found.rows_warehouse > 0


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ("balance = 0.0002", "balance"),
        ('settings = TRY_PARSE_JSON(\'{"bb":1.5,"a":2}\')', "settings"),
        ("notes = 'ü'", "notes"),
        ("notes = NULL", "notes"),
        ("feature_flags = AS_ARRAY(PARSE_JSON('[1]'))", "feature_flags"),
        ("created_at = '2026-11-23 07:00:00.123457+00:00'::TIMESTAMP_TZ", "created_at"),
        ("updated_at = '2026-01-01'::TIMESTAMP_NTZ", "updated_at"),
        ("status = 'churned'", "status"),
    ],
)
def test_one_wrong_value_is_named_with_its_row_and_column(changed: Bed, change: str, column: str) -> None:
    changed.warehouse.execute(f"UPDATE {changed.staged('accounts')} SET {change} WHERE id = -3")
    found = changed.compared("accounts")
    assert [(d.key, d.fault, tuple(d.columns)) for d in found.differences] == [(("-3",), Fault.DIFFERENT, (column,))]


def test_rows_that_lack_or_are_too_many_are_named_in_a_large_table_with_a_composite_key(changed: Bed) -> None:
    table = changed.staged("activities")
    changed.warehouse.execute(f"SELECT id, occurred_at FROM {table} ORDER BY id LIMIT 1 OFFSET 777")
    ((lost, _),) = changed.warehouse.fetchall()
    changed.warehouse.execute(f"DELETE FROM {table} WHERE id = {lost}")
    changed.warehouse.execute(f"UPDATE {table} SET id = -77 WHERE id = (SELECT MAX(id) FROM {table})")
    found = changed.compared("activities")
    faults = [(d.key[0], d.fault) for d in found.differences]
    assert (str(lost), Fault.MISSING) in faults
    assert ("-77", Fault.EXTRA) in faults
    assert len(faults) == 3


def test_a_row_that_is_deleted_in_the_warehouse_counts_as_absent(changed: Bed) -> None:
    changed.warehouse.execute(f"UPDATE {changed.staged('accounts')} SET _IS_DELETED = TRUE WHERE id = -3")
    assert [d.fault for d in changed.compared("accounts").differences] == [Fault.MISSING]


def test_rows_of_another_shard_do_not_count(changed: Bed) -> None:
    staged = changed.staged("accounts")
    changed.warehouse.execute(f"UPDATE {staged} SET _SHARD = 's1' WHERE id = -3")
    assert [d.fault for d in changed.compared("accounts").differences] == [Fault.MISSING]


def test_a_change_after_the_moment_is_no_difference(changed: Bed) -> None:
    with changed.snapshot() as now:
        changed.write("UPDATE accounts SET name = 'newer' WHERE id = -3; DELETE FROM accounts WHERE id = -4")
        staged = changed.staged("accounts")
        changed.warehouse.execute(f"UPDATE {staged} SET name = 'newer', _LSN = {now.after + 100} WHERE id = -3")
        changed.warehouse.execute(f"UPDATE {staged} SET _IS_DELETED = TRUE, _LSN = {now.after + 100} WHERE id = -4")
        found = compare(TABLES["accounts"], now, changed.state, changed.snapshot)
    assert (found.equal, found.unsettled) == (True, 0)


def test_a_change_that_the_warehouse_lost_is_found_though_the_row_changed_since(changed: Bed) -> None:
    with changed.snapshot() as now:
        changed.write("UPDATE accounts SET name = 'newest' WHERE id = -3")
        changed.warehouse.execute(f"UPDATE {changed.staged('accounts')} SET name = 'never so' WHERE id = -3")
        found = compare(TABLES["accounts"], now, changed.state, changed.snapshot)
    assert [(d.key, tuple(d.columns)) for d in found.differences] == [(("-3",), ("name",))]


def test_rows_doubled_by_hand_are_named_and_never_equal(changed: Bed) -> None:
    """data-diff's pull request 850: duplicates of a key vanished in a map of keys, and the tables were called equal.

    Here so too: 9,000 rows against 9,003, one range that differed, no row named. Right: the three keys.
    """
    staged = changed.staged("activities")
    changed.warehouse.execute(f"SELECT id FROM {staged} ORDER BY id LIMIT 3 OFFSET 100")
    doubled = {str(number) for (number,) in changed.warehouse.fetchall()}
    changed.warehouse.execute(f"INSERT INTO {staged} SELECT * FROM {staged} WHERE id IN ({', '.join(doubled)})")
    found = changed.compared("activities")
    assert {(d.key[0], d.fault) for d in found.differences} == {(number, Fault.DOUBLED) for number in doubled}
    assert (found.rows_warehouse - found.rows_shard, found.equal) == (3, False)


def test_a_table_that_cannot_be_compared_says_why_and_ends_no_other(changed: Bed) -> None:
    """A renamed column, and a far timestamp, ended the comparison of the whole shard: nothing else was compared."""
    for name in ("accounts", "users", "activities"):
        changed.warehouse.execute(f"ALTER TABLE {changed.staged(name)} ADD COLUMN IF NOT EXISTS _PARTITION NUMBER")
        changed.warehouse.execute(f"ALTER TABLE {changed.staged(name)} ADD COLUMN IF NOT EXISTS _OFFSET NUMBER")
    changed.write("ALTER TABLE accounts RENAME COLUMN notes TO remarks")
    try:
        found = changed.results(TABLES["accounts"], TABLES["users"])
    finally:
        changed.write("ALTER TABLE accounts RENAME COLUMN remarks TO notes")
    assert isinstance(found["accounts"].outcome, str)
    assert 'column "notes" does not exist' in found["accounts"].sentence
    assert isinstance(found["users"].outcome, Comparison)
    assert (found["accounts"].equal, found["users"].outcome.rows_shard > 0) == (False, True)


def test_a_comparison_that_is_stopped_ends_what_the_shard_runs(bed: Bed) -> None:
    """Airflow kills a task; the primary must not go on for an hour."""
    task = CdcCompareOperator(task_id="compare", shard=S0.name)
    task._systems = systems = Systems(bed.systems.look_up)
    with ThreadPoolExecutor(1) as beside, systems.shard(S0) as session:
        sleeping = beside.submit(database.rows, session, "SELECT pg_sleep(60)")
        bed.wait_for("SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'")
        task.on_kill()
        with pytest.raises(psycopg2.errors.QueryCanceled):
            sleeping.result(timeout=10)
    with pytest.raises(RuntimeError, match="stopped on request"), systems.shard(S0):
        raise AssertionError("a stopped comparison opens no session")


def test_a_statement_ends_when_its_client_was_killed(bed: Bed) -> None:
    """SIGKILL runs no `on_kill`: Postgres itself looks whether the client is still there."""
    code = (
        "from catchment.connection import Connection; from catchment.cdc.compare.postgres import set_texts\n"
        "from catchment.cdc.shard import opened, rows\n"
        f"with opened(Connection.from_env('{S0.connection}'), statement_seconds=100) as s:\n"
        "    set_texts(s); rows(s, 'SELECT pg_sleep(61)')"
    )
    asleep = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(61)' AND state = 'active'"
    with subprocess.Popen([sys.executable, "-c", code], env=bed.environment) as client:
        bed.wait_for(asleep)
        client.kill()
    bed.wait_for(f"SELECT 1 WHERE NOT EXISTS ({asleep})")


def test_a_result_is_kept_once_a_run_and_shows_no_personal_value(changed: Bed) -> None:
    changed.warehouse.execute(_ddl())
    changed.warehouse.execute(f"UPDATE {changed.staged('users')} SET email = 'leak@example', title = 'x' WHERE id = -2")
    result = Result(
        run="r1",
        shard=S0,
        table=TABLES["users"],
        lsn=1,
        compared_at=datetime.now(UTC),
        seconds=0.5,
        outcome=changed.compared("users"),
    )
    record(changed.warehouse, result)
    record(changed.warehouse, result)
    changed.warehouse.execute(
        f"SELECT IS_EQUAL, ROWS_DIFFERENT, DIFFERENCES, SENTENCE FROM {COMPARISONS} WHERE RUN_ID = 'r1'"
    )
    ((equal, different, differences, sentence),) = changed.warehouse.fetchall()
    (row,) = json.loads(differences)
    assert (equal, different, row["key"], sorted(row["columns"])) == (False, 1, {"id": "-2"}, ["email", "title"])
    assert row["columns"]["email"] == {"shard": "(personal)", "warehouse": "(personal)"}
    assert "leak" not in differences + sentence
    with pytest.raises(NeedsPerson, match=r"id=-2 different in email, title"):
        refuse_differences([result])


def _ddl() -> str:
    from catchment.warehouse.provision import TEMPLATES
    from catchment.warehouse.provision_template import read

    (template,) = [t for t in read(TEMPLATES) if t.step == "cdc_comparisons"]
    return next(template.fill({}))
