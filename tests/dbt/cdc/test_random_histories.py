"""Long random histories, merged bit by bit as dbt would, or built as a whole (`make truth` tries many more).

Any sequence of changes, in any batches, with records again, late, rejected and replayed, gives the rows and versions of
a plain replay in commit order. What this found is in `test_merged_bit_by_bit.py`.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest

from tests.dbt.cdc import raw
from tests.dbt.cdc.application import PARTITIONS, TABLE, application
from tests.dbt.cdc.arrivals import Pipeline, check, happen
from tests.dbt.cdc.merging import declaration, models, run
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


def some_ops(random: Random, most: int = 6) -> list[tuple[str, int, int]]:
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


@pytest.mark.parametrize("seed", range(1, 1 + int(os.environ.get("CATCHMENT_EXAMPLES", "5"))))
def test_rows_and_versions_are_the_shards_whatever_happens(warehouse: Warehouse, seed: int) -> None:
    random = Random(seed)
    raw.begin_again(warehouse, TABLE)
    shards = application()
    pipeline = Pipeline(warehouse, shards)
    with warehouse.connect() as connection:
        cursor = connection.cursor()
        cursor.execute("USE SCHEMA ANALYTICS.STAGING")

        def merge() -> None:
            for model in models(TABLE):
                run(cursor, model, declaration(TABLE))

        for _ in range(random.choice((0, 1, 2, 4))):
            for _ in range(random.randint(5, 20)):
                happen(shards, some_change(random))
            pipeline.deliver([random.choice((0, random.randint(1, 10))) for _ in pipeline.delivered])
            for _ in range(random.choice((0, 0, 1, 2))):
                pipeline.replay(random.choice(("s0", "s0", "s1")), random.randrange(PARTITIONS), random.randint(1, 9))
            merge()
        for _ in range(random.randint(5, 40)):
            happen(shards, some_change(random))
        pipeline.deliver([0] * len(pipeline.delivered))
        merge()
    check(warehouse, shards)
