"""dbt-snowflake, unchanged, builds a project on this warehouse: every kind of node, twice, with 1 and 4 threads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.warehouse.servers import PASSWORD, REPOSITORY, USER

PROJECT = Path(__file__).parent / "dbt_project"


@pytest.fixture(params=[1, 4])
def dbt(request, warehouse, tmp_path):
    """Runs a dbt command in a copy of the project and returns the status of every node."""
    with warehouse.connect() as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE DATABASE IF NOT EXISTS DBT_CHECK")
        for schema in ("SOURCE", "DBT", "DBT_MODELS", "DBT_SNAPSHOTS"):
            cursor.execute(f"DROP SCHEMA IF EXISTS DBT_CHECK.{schema} CASCADE")
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "WAREHOUSE_PORT": str(warehouse.port),
        "WAREHOUSE_USER": USER,
        "WAREHOUSE_PASSWORD": PASSWORD,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }

    def run(*arguments: str) -> dict[str, str]:
        command = [str(REPOSITORY / ".venv/bin/dbt"), *arguments, "--threads", str(request.param), "--no-use-colors"]
        done = subprocess.run(
            command, cwd=project, env=environment | {"DBT_PROFILES_DIR": str(project)}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-6000:]
        results = json.loads((project / "target" / "run_results.json").read_text())["results"]
        return {r["unique_id"]: r["status"] for r in results}

    return run


def put_orders(sql, *orders: tuple[int, str, int, str]) -> None:
    for number, customer, cents, loaded_at in orders:
        record = f'{{"id":{number},"customer":"{customer}","cents":{cents},"ordered_at":"2026-01-0{number} 10:00:00"}}'
        sql(f"INSERT INTO DBT_CHECK.SOURCE.ORDERS SELECT PARSE_JSON('{record}'), '{loaded_at}'")


@pytest.mark.timeout(600)
def test_dbt_builds_every_kind_of_node_twice(dbt, connect):
    cursor = connect(database="DBT_CHECK", schema=None).cursor()

    def sql(statement):
        return cursor.execute(statement).fetchall()

    sql("CREATE SCHEMA IF NOT EXISTS DBT_CHECK.SOURCE")
    sql("CREATE TABLE DBT_CHECK.SOURCE.ORDERS (RECORD_CONTENT VARIANT, LOADED_AT TIMESTAMP_NTZ)")
    put_orders(sql, (1, "a", 100, "2026-01-01 00:00:00"), (2, "b", 250, "2026-01-02 00:00:00"))
    dbt("run", "--select", "stg_orders", "orders_merged")  # a unit test of an incremental model needs its table
    first = dbt("build")
    put_orders(sql, (2, "b", 300, "2026-01-03 00:00:00"), (3, "a", -50, "2026-01-03 00:00:00"))
    second = dbt("build", "--vars", '{"more": true}')
    assert set(first.values()) | set(second.values()) <= {"success", "pass", "no-op"}
    assert len(first) >= 16
    assert sql("SELECT ID, CENTS FROM DBT_CHECK.DBT_MODELS.ORDERS_MERGED ORDER BY ID") == [(1, 100), (2, 300), (3, -50)]
    assert sql("SELECT ID, TWICE FROM DBT_CHECK.DBT_MODELS.ORDERS_REPLACED ORDER BY ID") == [
        (1, 200),
        (2, 600),
        (3, -100),
    ]
    assert sql("SELECT * FROM DBT_CHECK.DBT_MODELS.ORDERS_APPENDED ORDER BY ID") == [(1, 100), (2, 250), (3, -50)]
    assert sql("SELECT CUSTOMER, CENTS FROM DBT_CHECK.DBT_MODELS.CUSTOMERS ORDER BY 1") == [("a", 50), ("b", 300)]
    history = sql(
        "SELECT ID, CENTS, DBT_VALID_TO IS NULL FROM DBT_CHECK.DBT_SNAPSHOTS.ORDERS_HISTORY ORDER BY ID, CENTS"
    )
    assert history == [(1, 100, True), (2, 250, False), (2, 300, True), (3, -50, True)]
    assert dbt("source", "freshness") is not None
    assert set(dbt("docs", "generate").values()) == {"success"}
