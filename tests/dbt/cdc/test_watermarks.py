"""Whose watermark is whose: each relation has its own, and production keeps its own when the key changed.

dbt's own incremental models keep their state in the relation itself (dbt documentation, "Configure incremental models",
`{{ this }}`), so a developer's schema starts from nothing and moves nobody else's. State beside the relation must, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from catchment.sources import SOURCES
from catchment.warehouse.provision import Settings, apply, render, select
from tests.dbt.cdc import raw
from tests.dbt.cdc.conftest import models_of
from tests.dbt.cdc.records import change
from tests.dbt.warehouse import Warehouse

pytestmark = pytest.mark.timeout(900)
MODEL = "stg_application__customers"
PRODUCTION = f"analytics.staging.{MODEL}"
DEVELOPMENT = f"analytics_dev.ada_staging.{MODEL}"
TARGETS = {"production": PRODUCTION, "dev": DEVELOPMENT}


Build = Callable[[str], str]


@pytest.fixture(scope="module")
def build(warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Runs the model as a target; gives the SQL that dbt made of it."""
    folder = tmp_path_factory.mktemp("targets")
    with (
        models_of(warehouse, folder / "production") as production,
        models_of(warehouse, folder / "dev", "dev", DBT_DEVELOPER="ada") as dev,
    ):

        def run(target: str) -> str:
            {"production": production, "dev": dev}[target](MODEL)
            (compiled,) = (folder / target).glob(f"compiled/**/{MODEL}.sql")
            return compiled.read_text(encoding="utf-8")

        yield run


@pytest.fixture
def empty(warehouse: Warehouse) -> Warehouse:
    raw.begin_again(warehouse, "customers")
    with warehouse.connect() as connection:
        connection.cursor().execute(f"DROP TABLE IF EXISTS {DEVELOPMENT}")
        # The local warehouse wants the session's own schema to exist, Snowflake does not.
        connection.cursor().execute("CREATE SCHEMA IF NOT EXISTS ANALYTICS_DEV.ADA")
        connection.cursor().execute("CREATE SCHEMA IF NOT EXISTS ANALYTICS_DEV.ADA_STAGING")
    return warehouse


def offsets_read(compiled: str) -> list[tuple[int, int]]:
    """The ranges of offsets that the SQL reads."""
    found = re.findall(r"where kafka_partition = \d+ and kafka_offset >= (\d+) and kafka_offset < (\d+)", compiled)
    assert found, compiled[:500]
    return [(int(since), int(until)) for since, until in found]


def emails(warehouse: Warehouse, relation: str) -> list[tuple[Any, ...]]:
    return warehouse.rows(f"SELECT ID, EMAIL FROM {relation} ORDER BY 1")


def marks(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return warehouse.rows("SELECT MODEL, NEXT_OFFSET FROM RAW.CATCHMENT.WATERMARKS ORDER BY 1")


def snowflake_apply(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        apply(connection, select(render(Settings(), SOURCES.values()), ["cdc_watermarks"]))


@pytest.mark.parametrize(("first", "second"), [("production", "dev"), ("dev", "production")])
def test_a_run_of_a_developer_moves_nothing_of_production_and_the_reverse(
    empty: Warehouse, build: Build, first: str, second: str
) -> None:
    """Situation: both have the table; one of them runs over new changes before the other does. Both must have them."""
    raw.put(empty, [change("c", 1, 100, 0)])
    for target in (first, second):
        build(target)
    raw.put(empty, [change("u", 1, 110, 1, email="new@example.com"), change("c", 2, 120, 2)])
    for target in (first, second):
        assert offsets_read(build(target)) == [(1, 3)]
    wanted = [(1, "new@example.com"), (2, "c2@example.com")]
    assert {target: emails(empty, relation) for target, relation in TARGETS.items()} == dict.fromkeys(TARGETS, wanted)
    assert marks(empty) == [(PRODUCTION, 3), (DEVELOPMENT, 3)]


def forget_the_relation(warehouse: Warehouse) -> None:
    """Watermarks as they were kept before: by the model's name alone."""
    with warehouse.connect() as connection:
        connection.cursor().execute(f"UPDATE RAW.CATCHMENT.WATERMARKS SET MODEL = '{MODEL}'")


def test_production_goes_on_from_the_watermarks_that_were_kept_by_the_models_name(
    empty: Warehouse, build: Build
) -> None:
    """`snowflake-apply` gives them the relation's name, again without effect; nothing is read twice or skipped."""
    raw.put(empty, [change("c", 1, 100, 0), change("u", 1, 105, 1)])
    build("production")
    forget_the_relation(empty)
    for _ in range(2):
        snowflake_apply(empty)
        assert marks(empty) == [(PRODUCTION, 2)]
    raw.put(empty, [change("u", 1, 110, 2, email="new@example.com")])
    assert offsets_read(build("production")) == [(2, 3)]
    assert emails(empty, PRODUCTION) == [(1, "new@example.com")]


def test_watermarks_of_before_do_not_displace_those_of_a_run_that_came_first(empty: Warehouse, build: Build) -> None:
    """Situation: dbt ran before `snowflake-apply` and read all again. Its watermark is the one that counts."""
    raw.put(empty, [change("c", 1, 100, 0)])
    build("production")
    forget_the_relation(empty)
    raw.put(empty, [change("u", 1, 110, 1, email="new@example.com")])
    build("production")
    snowflake_apply(empty)
    assert dict(marks(empty))[PRODUCTION] == 2
    build("production")
    assert emails(empty, PRODUCTION) == [(1, "new@example.com")]


@pytest.mark.parametrize("lowered", [False, True])
def test_a_build_from_scratch_takes_back_what_another_run_moved_on_meanwhile(
    empty: Warehouse, tmp_path: Path, lowered: bool
) -> None:
    """Situation, by reading: it takes an hour, in which the ten-minute runs merge into the table that it then replaces.
    The watermark was theirs, and what they had merged was in no table. A replay that lowered it meanwhile still wins.
    """
    with models_of(empty, tmp_path) as run, empty.connect() as connection:
        execute = connection.cursor().execute
        raw.put(empty, [change("c", 1, 100, 0), change("c", 2, 110, 1)])
        run(MODEL)
        run(MODEL, full_refresh=True)
        log = (tmp_path / "dbt.log").read_text(encoding="utf-8")
        end = re.findall(r"(merge into \S+watermarks as target\s.*?values \(.*?sysdate\(\)\))", log, re.DOTALL)[-1]
        execute(f"CREATE OR REPLACE TABLE ANALYTICS.STAGING.ITS_OWN AS SELECT * FROM {PRODUCTION}")
        raw.put(empty, [change("u", 1, 120, 2, email="new@example.com")])
        run(MODEL)  # the other one, while it builds
        execute(f"CREATE OR REPLACE TABLE {PRODUCTION} AS SELECT * FROM ANALYTICS.STAGING.ITS_OWN")
        execute("DROP TABLE ANALYTICS.STAGING.ITS_OWN")
        if lowered:
            execute("UPDATE RAW.CATCHMENT.WATERMARKS SET NEXT_OFFSET = 1")
        execute(end)
        assert marks(empty) == [(PRODUCTION, 1 if lowered else 2)]
        run(MODEL)
    assert emails(empty, PRODUCTION) == [(1, "new@example.com"), (2, "c2@example.com")]
    assert marks(empty) == [(PRODUCTION, 3)]
