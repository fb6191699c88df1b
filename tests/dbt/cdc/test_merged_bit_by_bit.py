"""What is merged batch by batch is what is built from all of raw. Random histories found the first two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.dbt.cdc import raw
from tests.dbt.cdc.merging import declaration, models, run
from tests.dbt.cdc.records import MS, WORD, Message, change, customer, envelope, message
from tests.dbt.warehouse import Warehouse

pytestmark = pytest.mark.timeout(900)
Rows = list[tuple[Any, ...]]
TOPIC = "s0.public.customers"


@pytest.fixture
def versions(warehouse: Warehouse) -> Iterator[Callable[..., Rows]]:
    """Loads a batch, merges it into both models, and gives the versions of the only key."""
    raw.begin_again(warehouse, "customers")
    with warehouse.connect() as connection:
        cursor = connection.cursor()
        cursor.execute("USE SCHEMA ANALYTICS.STAGING")

        def merge(*batch: Message) -> Rows:
            raw.put(warehouse, batch)
            for model in models("customers"):
                run(cursor, model, declaration("customers"))
            cursor.execute("SELECT EMAIL, BIOGRAPHY, VALID_TO FROM HIST_APPLICATION__CUSTOMERS ORDER BY ID, _ORDER")
            return [(email, text, to and to.isoformat()[-8:]) for email, text, to in cursor.fetchall()]

        yield merge


def told(op: str, lsn: int, offset: int, *, partition: int = 0, **values: Any) -> Message:
    """A change of one and the same transaction."""
    key, after = (None, None) if op == "t" else (1, None if op == "d" else customer(1, **values))
    value = envelope(op, after, lsn=lsn, commit=196, ms=MS + 1000, transaction=200)
    return message(key, value, offset, partition=partition)


def truncation(lsn: int, offset: int, second: int, partition: int) -> Message:
    value = envelope("t", None, lsn=lsn, commit=lsn - 4, ms=MS + 1000 * second, transaction=lsn)
    return message(None, value, offset, partition=partition)


def test_a_batch_that_begins_within_a_transaction_is_merged_again_and_changes_nothing(
    warehouse: Warehouse, versions: Callable[..., Rows]
) -> None:
    """A run was lost between merge and watermark: a version took the large value from before its transaction.

    ingestr PR 804: within one commit, too, a value left out is that of the change before it, not what the target had.
    A version is a transaction's end, so what the rest of the transaction started from is no longer in history.
    """
    versions(change("c", 1, 100, 0, email="a", biography="first"), told("u", 200, 1, email="b", biography="second"))
    versions(told("u", 208, 2, email="c", biography=WORD), told("u", 212, 3, email="d", biography=WORD))
    for offset in (2, 1):
        raw.lower_watermark(warehouse, TOPIC, 0, offset)
        assert [v[:2] for v in versions()] == [("a", "first"), ("d", "second")]
    versions(told("d", 216, 4), told("c", 224, 5, email="e", biography="third"))
    versions(told("u", 232, 6, email="f", biography=WORD))
    for offset in (6, 3, 2):
        raw.lower_watermark(warehouse, TOPIC, 0, offset)
        assert [v[:2] for v in versions()] == [("a", "first"), ("f", "third")]


def test_a_truncation_that_comes_late_closes_what_a_later_one_has_closed(versions: Callable[..., Rows]) -> None:
    """Truncations have no key: two of them lie in two partitions, and the later one was loaded first."""
    versions(change("c", 1, 100, 0, email="a", biography="b"))
    assert versions(truncation(300, 0, 7, partition=2)) == [("a", "b", "07:21:00")]
    assert versions(truncation(200, 0, 6, partition=1)) == [("a", "b", "07:20:59")]


def test_a_value_left_out_is_taken_from_the_only_version_there_is(
    warehouse: Warehouse, versions: Callable[..., Rows]
) -> None:
    """ingestr PR 1099: where the mark of what was left out was NULL, the merge took the empty side, and values went.

    Here the only version has no end, which is NULL as well. What was merged need not be read again: the rows of raw are
    gone, so nothing else can have filled the value.
    """
    versions(change("c", 1, 100, 0, email="a", biography="first"))
    with warehouse.connect() as connection:
        connection.cursor().execute("DELETE FROM RAW.APPLICATION.S0_CUSTOMERS")
    found = versions(change("u", 1, 200, 1, email="b", biography=WORD))
    assert [version[:2] for version in found] == [("a", "first"), ("b", "first")]
