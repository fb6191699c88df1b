"""Which keys of raw a rebuild's snapshot lacks, by the statement itself on a warehouse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catchment.cdc.declared import application
from catchment.cdc.loader.batch import Partition
from catchment.cdc.repair.missing_rows import find
from local.scratch_warehouse import ScratchWarehouse

APPLICATION = application()
S0, USERS = APPLICATION.shard("s0"), APPLICATION.database("application").table("users")
RAW = S0.raw_table(USERS)
START = 100  # the first offset of the new epoch, in partitions 0 and 1


@pytest.fixture(scope="module")
def cursor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("warehouse")
    with (
        ScratchWarehouse(folder, ("databases", "schemas", "cdc_raw_tables")) as warehouse,
        warehouse.connect() as session,
    ):
        yield session.cursor()


@pytest.fixture(autouse=True)
def empty(cursor: Any) -> None:
    cursor.execute(f"DELETE FROM {RAW}")


def wrote(cursor: Any, *records: tuple[int, int, int | None, str, int]) -> None:
    """(partition, offset, key, op, lsn) each; Kafka's time is the offset in seconds."""
    for partition, offset, key, op, lsn in records:
        metadata = {"key": None if key is None else {"id": key}, "CreateTime": offset * 1000}
        content = {"op": op, "source": {"lsn": lsn}}
        cursor.execute(
            f"INSERT INTO {RAW} (RECORD_METADATA, RECORD_CONTENT, KAFKA_PARTITION, KAFKA_OFFSET) "
            "SELECT PARSE_JSON(%s), PARSE_JSON(%s), %s, %s",
            (json.dumps(metadata), json.dumps(content), partition, offset),
        )


def missing(cursor: Any) -> list[int]:
    starts = {Partition("s0.public.users", number): START for number in (0, 1)}
    return sorted(each.key["id"] for some in find(cursor, S0, USERS, starts) for each in some)


def test_what_raw_knew_and_the_snapshot_lacks_is_missing_unless_it_was_deleted(cursor: Any) -> None:
    wrote(cursor, (0, 1, 1, "c", 10), (0, 2, 2, "c", 11), (0, 3, 3, "c", 12), (0, 4, 3, "d", 13), (0, 101, 1, "r", 90))
    assert missing(cursor) == [2]


def test_rows_that_were_truncated_before_are_not_deleted_again(cursor: Any) -> None:
    """Seen: a rebuild after a TRUNCATE wrote deletes of 19,360 rows, "deleted in the gap"."""
    wrote(cursor, (0, 1, 1, "c", 10), (1, 1, 2, "c", 11), (0, 5, None, "t", 20), (1, 6, 3, "c", 30))
    assert missing(cursor) == [3]


def test_a_row_of_after_the_truncation_is_missing_whatever_partition_the_truncation_is_in(cursor: Any) -> None:
    wrote(cursor, (0, 50, None, "t", 20), (1, 60, 1, "c", 21))
    assert missing(cursor) == [1]


def test_a_truncation_of_an_earlier_epoch_with_larger_log_positions_hides_nothing(cursor: Any) -> None:
    """A restored server begins at lower positions: by position alone its rows would look truncated."""
    wrote(cursor, (0, 5, None, "t", 9_000), (0, 20, 1, "c", 400))
    assert missing(cursor) == [1]


def test_a_truncation_since_the_new_epoch_took_every_older_row(cursor: Any) -> None:
    wrote(cursor, (0, 1, 1, "c", 9_000), (0, 120, None, "t", 400))
    assert missing(cursor) == []
