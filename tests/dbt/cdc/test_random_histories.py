"""Long random histories, built as a whole: the macros' SQL without dbt, so that many can be tried (`make truth`).

What is merged bit by bit, by dbt, is `test_random_changes.py`. Found here: of two snapshots that began at one offset of
a partition without rows of theirs, the older epoch's was taken, and versions came in the wrong order.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest

from catchment.cdc.declared import application as declared
from catchment.dbt_application import merge_key
from tests.dbt.cdc import raw
from tests.dbt.cdc.application import TABLE, application
from tests.dbt.cdc.rendered import rendered
from tests.dbt.cdc.test_random_changes import Pipeline, check, happen
from tests.dbt.warehouse import Warehouse

pytestmark = pytest.mark.timeout(900)
KINDS = (
    ("transact",) * 5
    + ("two_at_once",) * 2
    + ("snapshot_beside", "send_again", "begin_epoch")
    + (
        *("lose_offsets", "lose_offsets"),
        *("reject", "reject"),
    )
)
OPS = ("insert", "update", "update", "update", "delete", "rekey", "rekey")
NAME = f"application.{TABLE}"


def some_ops(random: Random, most: int = 4) -> list[tuple[str, int, int]]:
    kinds = (*OPS, "truncate") if random.random() < 0.3 else OPS
    return [(random.choice(kinds), random.randint(0, 5), random.randint(0, 15)) for _ in range(random.randint(1, most))]


def some_change(random: Random) -> tuple[Any, ...]:
    kind, shard = random.choice(KINDS), random.choice(("s0", "s0", "s1"))
    match kind:
        case "transact":
            return kind, shard, some_ops(random), random.randint(0, 9)
        case "two_at_once":
            return kind, shard, some_ops(random), some_ops(random), random.random() < 0.5
        case "snapshot_beside":
            return kind, shard, some_ops(random, 1)
        case "send_again":
            return kind, shard, random.randint(1, 12)
        case "reject":
            return kind, shard, random.randint(0, 5)
    return kind, shard, some_ops(random), some_ops(random, 1)


def declaration() -> dict[str, Any]:
    table = declared().database("application").table(TABLE)
    place = {"source": "application", "schema": "public", "name": TABLE, "shards": ["s0", "s1"]}
    return {NAME: place | {"key": ["id"], "merge_key": merge_key(table), "columns": dict(table.columns)}}


def build(warehouse: Warehouse) -> None:
    """Current state and history from all of raw."""

    def rows(call: str) -> list[Any]:
        return [list(row) for row in warehouse.rows(rendered(call, declaration(), {}))]

    epochs = rows(f"cdc_epochs_query('{NAME}')")
    answers = {
        "watermarks": [],
        "extents": rows(f"cdc_extent_query('{NAME}', [])"),
        "from raw.catchment.epochs": epochs,
        "snapshots": rows(f"cdc_snapshots_query('{NAME}', {epochs})"),
    }
    with warehouse.connect() as connection:
        cursor = connection.cursor()
        cursor.execute("USE SCHEMA ANALYTICS.STAGING")
        for model, macro in (("STG", "current_state"), ("HIST", "history")):
            sql = rendered(f"{macro}('{NAME}')", declaration(), answers, incremental=False)
            cursor.execute(f"CREATE OR REPLACE TABLE ANALYTICS.STAGING.{model}_APPLICATION__ACCOUNTS AS ({sql})")


@pytest.mark.parametrize("seed", range(1, 1 + int(os.environ.get("CATCHMENT_EXAMPLES", "5"))))
def test_rows_and_versions_are_the_shards_whatever_happens(warehouse: Warehouse, seed: int) -> None:
    random = Random(seed)
    raw.begin_again(warehouse, TABLE)
    shards = application()
    pipeline = Pipeline(warehouse, shards)
    for _ in range(random.randint(20, 60)):
        happen(shards, some_change(random))
    pipeline.deliver([0] * len(pipeline.delivered))
    build(warehouse)
    check(warehouse, shards)
