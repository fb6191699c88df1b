"""A second database of the application, which is not sharded: one file in `include/connectors`, and nothing else.

Situation (airbyte 16173 and 1921, PeerDB 3156): a second database with a table of the same name is written into the
first one's, or overwrites it in turns, and a supervision knows the first one only. Right: names, topics, raw tables,
models, supervision and the comparison follow from the file, and the first database does not notice.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import databases
from catchment.cdc import declared
from catchment.cdc.compare.reconcile import Reconciliation
from catchment.cdc.health.check import check
from catchment.cdc.health.memory import WarehouseMemory
from catchment.cdc.health.policy import State
from catchment.cdc.systems import Systems
from catchment.connection import Connection
from local.cdc.stack import Stack, free_ports
from local.command import catchment

pytestmark = pytest.mark.timeout(600)
PARTS = ("warehouse", "s3", "shard_s0", "shard_s1", "kafka", "connect", "loader")
BILLING = """
source = "billing"
database = "billing"
schema = "public"
publication = "catchment"

[[tables]]
name = "invoices"
key = ["id"]
history = true
columns = { id = "bigint", total = "numeric(18,4)", paid = "boolean" }
"""


SCHEMA = (
    "CREATE TABLE invoices (id bigint PRIMARY KEY, total numeric(18,4), paid boolean)",
    "INSERT INTO invoices VALUES (1, 10.5, true), (2, -0.0001, false), (3, NULL, NULL)",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The declarations, with one file more. The table has a name that the first database uses too."""
    folder = tmp_path_factory.mktemp("connectors")
    shutil.copy(declared.FOLDER / "application.toml", folder)
    (folder / "billing.toml").write_text(BILLING)
    return folder


@pytest.fixture(scope="module")
def stack(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    billing = declared.read(folder).shard("billing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CATCHMENT_CONNECTORS", str(folder))
        with Stack(tmp_path_factory.mktemp("databases"), free_ports(), parts=PARTS, scale=0.02) as stack:
            for name, value in databases.make(stack, billing, "s0", SCHEMA).items():
                patch.setenv(name, value)
            catchment("cdc-migrate", environment=stack.environment())
            stack.apply_connectors()
            yield stack


@pytest.fixture(scope="module")
def systems(stack: Stack, folder: Path) -> Systems:
    return Systems(lambda name: Connection.from_env(name, stack.environment()), declared.read(folder))


def eventually(true: Callable[[], bool], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)


def test_its_changes_arrive_are_merged_supervised_and_compared(stack: Stack, systems: Systems, tmp_path: Path) -> None:
    billing = systems.application.shard("billing")

    def raw() -> int:
        with systems.warehouse() as warehouse:
            cursor = warehouse.cursor()
            cursor.execute(f"SELECT COUNT(*) FROM {billing.raw_table(billing.table('invoices'))}")
            return int(cursor.fetchone()[0])

    eventually(lambda: raw() == 3, "the snapshot is in raw")
    changes = ("UPDATE invoices SET paid = true WHERE id = 2", "DELETE FROM invoices WHERE id = 3")
    databases.sql(stack, "s0", billing.name, changes)
    eventually(lambda: raw() >= 6, "the changes are in raw")  # a delete brings a tombstone too

    models = ("stg_billing__invoices", "hist_billing__invoices")
    databases.run_models(systems.application, systems.look_up("snowflake_default"), tmp_path, *models)
    with systems.warehouse(role="TRANSFORMER", warehouse="TRANSFORMING") as warehouse:
        cursor = warehouse.cursor()
        cursor.execute("SELECT id, total, paid, _shard, _is_deleted FROM ANALYTICS.STAGING.STG_BILLING__INVOICES")
        rows = {int(id_): (str(total), paid, shard, gone) for id_, total, paid, shard, gone in cursor.fetchall()}
    assert rows[1] == ("10.5000", True, "billing", False)
    assert rows[2] == ("-0.0001", True, "billing", False)
    assert rows[3][3] is True

    report = check(systems.application, systems.look_up, WarehouseMemory(systems.look_up), "run")
    assert report.decision.state("billing") is State.HEALTHY, report.lines()
    assert report.decision.state("application-s0") is State.HEALTHY, report.lines()

    (result,) = Reconciliation(
        systems=systems, shard=billing, tables=billing.tables, run="r", timeout=120, report=print
    ).results()
    assert result.equal, result.sentence
