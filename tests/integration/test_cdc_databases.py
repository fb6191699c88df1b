"""A second database of the application, which is not sharded: one file in `include/connectors`, and nothing else.

Situation (Airbyte and Fivetran users who add a database): a connector more, with names, schemas and models set up by
hand, and a supervision that knows the first one only. Right: names, topics, raw tables, models, supervision and the
comparison follow from the file, and the first database does not notice.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest

from catchment import dbt_application
from catchment.cdc import declared
from catchment.cdc.compare.reconcile import Reconciliation
from catchment.cdc.declared import Application
from catchment.cdc.health.check import check
from catchment.cdc.health.policy import State
from catchment.cdc.systems import Systems
from catchment.connection import Connection
from catchment.dbt_project import TARGET, environment
from local.cdc import passwords, properties, shards
from local.cdc.stack import Stack, free_ports
from local.command import catchment, run
from tests.dbt.project import PROJECT

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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The declarations, with one file more. The table has a name that the first database uses too."""
    folder = tmp_path_factory.mktemp("connectors")
    shutil.copy(declared.FOLDER / "application.toml", folder)
    (folder / "billing.toml").write_text(BILLING)
    return folder


@pytest.fixture(scope="module")
def stack(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CATCHMENT_CONNECTORS", str(folder))
        stack = Stack(tmp_path_factory.mktemp("databases"), free_ports(), parts=PARTS, scale=0.02)
        with stack:
            place = {"conn_type": "postgres", "host": "127.0.0.1", "port": stack.settings.ports.shards["s0"]}
            _make_database(stack)
            for conn_id, login, password in (
                ("billing", "cdc", passwords.reference(stack.settings, "billing")),
                ("billing_owner", shards.OWNER, stack.credentials.application_password),
            ):
                connection = {**place, "schema": "billing", "login": login, "password": password}
                patch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
            catchment("cdc-migrate", environment=stack.environment())
            stack.apply_connectors()
            yield stack


def _make_database(stack: Stack) -> None:
    """On the cluster of s0, with the password of its role `cdc`."""
    cluster = shards.cluster(stack.settings, stack.credentials, "s0")
    opened = psycopg2.connect(cluster.dsn("postgres"))
    opened.autocommit = True
    opened.cursor().execute("CREATE DATABASE billing")
    opened.close()
    _sql(stack, "CREATE TABLE invoices (id bigint PRIMARY KEY, total numeric(18,4), paid boolean)")
    _sql(stack, "INSERT INTO invoices VALUES (1, 10.5, true), (2, -0.0001, false), (3, NULL, NULL)")
    file = passwords.file(stack.settings)
    known = properties.read(file.read_text())
    properties.write_properties(file, {**known, "billing.password": known["s0.password"]})


def eventually(true: Callable[[], bool], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)


def _sql(stack: Stack, statement: str) -> None:
    cluster = shards.cluster(stack.settings, stack.credentials, "s0")
    opened = psycopg2.connect(cluster.dsn("billing"))
    opened.autocommit = True
    opened.cursor().execute(statement)
    opened.close()


def _snowflake(systems: Systems) -> dict[str, str]:
    """dbt's profile reads these."""
    warehouse = systems.look_up("snowflake_default")
    return {
        "SNOWFLAKE_ACCOUNT": "local",
        "SNOWFLAKE_USER": warehouse.login,
        "SNOWFLAKE_PASSWORD": warehouse.password,
        "SNOWFLAKE_HOST": str(warehouse.extra["host"]),
        "SNOWFLAKE_PORT": str(warehouse.extra["port"]),
        "SNOWFLAKE_PROTOCOL": "http",
        "SNOWFLAKE_INSECURE_MODE": "true",
    }


@pytest.fixture(scope="module")
def systems(stack: Stack, folder: Path) -> Systems:
    application: Application = declared.read(folder)
    return Systems(lambda name: Connection.from_env(name, stack.environment()), application)


def test_its_changes_arrive_are_merged_supervised_and_compared(stack: Stack, systems: Systems, tmp_path: Path) -> None:
    billing = systems.application.shard("billing")

    def raw() -> int:
        with systems.warehouse() as warehouse:
            cursor = warehouse.cursor()
            cursor.execute(f"SELECT COUNT(*) FROM {billing.raw_table(billing.table('invoices'))}")
            return int(cursor.fetchone()[0])

    eventually(lambda: raw() == 3, "the snapshot is in raw")
    _sql(stack, "UPDATE invoices SET paid = true WHERE id = 2; DELETE FROM invoices WHERE id = 3")
    eventually(lambda: raw() >= 6, "the changes are in raw")  # a delete brings a tombstone too

    project = tmp_path / "dbt"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    for path, text in dbt_application.render(systems.application).items():
        (project / path).write_text(text)
    done = run(
        [
            str(Path(sys.executable).with_name("dbt")),
            "run",
            "--target",
            TARGET,
            "--select",
            "stg_billing__invoices",
            "hist_billing__invoices",
        ],
        what="dbt",
        environment={**environment(project, os.environ), **_snowflake(systems), "DBT_TARGET_PATH": str(tmp_path / "t")},
        cwd=project,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    with systems.warehouse(role="TRANSFORMER", warehouse="TRANSFORMING") as warehouse:
        cursor = warehouse.cursor()
        cursor.execute("SELECT id, total, paid, _shard, _is_deleted FROM ANALYTICS.STAGING.STG_BILLING__INVOICES")
        rows = {int(id_): (str(total), paid, shard, gone) for id_, total, paid, shard, gone in cursor.fetchall()}
    assert rows[1] == ("10.5000", True, "billing", False)
    assert rows[2] == ("-0.0001", True, "billing", False)
    assert rows[3][3] is True

    report = check(systems.application, systems.look_up, "run")
    assert report.decision.state("billing") is State.HEALTHY, report.lines()
    assert report.decision.state("application-s0") is State.HEALTHY, report.lines()

    (result,) = Reconciliation(
        systems=systems, shard=billing, tables=billing.tables, run="r", timeout=120, report=print
    ).results()
    assert result.comparison.equal, result.sentence
