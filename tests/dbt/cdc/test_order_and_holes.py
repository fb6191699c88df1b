"""Which change of a key is the newest, what is not known of it, and which keys are one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.dbt.cdc import raw
from tests.dbt.cdc.records import MS, WORD, Message, Row, change, customer, envelope, message, rejected
from tests.dbt.warehouse import Warehouse

pytestmark = pytest.mark.timeout(1800)
Merge = Callable[..., list[tuple[Any, ...]]]
Run = Callable[..., None]


def record(op: str, key: int, commit: int | None, lsn: int, at: int, **more: Any) -> Row:
    """A change or a snapshot's row, sent at a time."""
    snapshot = "true" if op == "r" else "false"
    after = None if op == "d" else customer(key, email=more.get("email", f"{op}{lsn}"))
    return envelope(op, after, lsn=lsn, commit=commit, ms=MS + at, snapshot=snapshot, transaction=lsn)


def test_the_first_transaction_after_a_snapshot_is_newer_than_it(
    merged: Merge, warehouse: Warehouse, run_models: Run
) -> None:
    """debezium PR 1697, materialize 14211: it wrote before the slot was consistent and committed after.

    Its `source.sequence` is `[null, lsn]`, with an LSN below the snapshot's. So it is in the middle of an epoch too,
    when offsets were lost and Debezium reads all again; then the snapshot is newer than what was streamed before, also
    in partitions without a row of it.
    """
    first = [
        message(1, record("r", 1, None, 8000, 1), 0),
        message(2, record("r", 2, None, 8000, 1), 1),
        message(6, record("u", 6, 8500, 8600, 2), 0, partition=1),
    ]
    second = [
        message(1, record("u", 1, None, 7900, 3), 2),
        message(2, record("d", 2, None, 7910, 3), 3),
        message(2, None, 4),
        message(3, record("c", 3, 8100, 8110, 4), 5),
        message(1, record("u", 1, 8700, 8650, 5), 6),
        # offsets are lost, and a snapshot is read again, with a transaction open
        message(1, record("r", 1, None, 9500, 6), 7),
        message(3, record("r", 3, None, 9500, 6), 8),
        message(3, record("u", 3, None, 8490, 7), 9),
        message(6, record("d", 6, None, 8495, 7), 1, partition=1),
    ]
    merged(first)
    run_models("hist_application__customers")
    wanted = [(1, "r9500", False), (2, "r8000", True), (3, "u8490", False), (6, "u8600", True)]
    assert merged(second, columns="ID, EMAIL, _IS_DELETED") == wanted
    run_models("hist_application__customers")
    versions = warehouse.rows(
        "SELECT ID, EMAIL, IS_CURRENT FROM ANALYTICS.STAGING.HIST_APPLICATION__CUSTOMERS ORDER BY ID, _ORDER"
    )
    assert versions == [
        *[(1, email, False) for email in ("r8000", "u7900", "u8650")],
        (1, "r9500", True),
        (2, "r8000", False),
        *[(3, "c8110", False), (3, "r9500", False), (3, "u8490", True)],
        (6, "u8600", False),
    ]
    run_models("stg_application__customers", full_refresh=True)
    assert merged(columns="ID, EMAIL, _IS_DELETED") == wanted


def test_a_row_that_is_inserted_again_while_missing_rows_are_deleted_lives(merged: Merge, warehouse: Warehouse) -> None:
    """A rebuild: the key was deleted unseen; the first transaction, which began before the snapshot, inserts it."""
    gone = record("d", 1, 8000, 8000, 3)
    gone["source"]["connector"] = "catchment"
    merged([change("c", 1, 9000, 0), change("c", 2, 9010, 1)])
    raw.new_epoch(warehouse, "s0.public.customers", 0, 1, 2)
    found = merged(
        [
            message(1, record("c", 1, None, 7990, 2), 2),
            message(1, gone, 3),
            message(2, gone, 4),
        ],
        columns="ID, _IS_DELETED",
    )
    assert found == [(1, False), (2, True)]


def test_a_rejected_record_is_a_hole_that_stays_until_a_record_fills_it(merged: Merge, warehouse: Warehouse) -> None:
    """artie PR 100: 'first', then a value that the loader rejects, then another column: 'first' was shown again."""
    told = "ID, EMAIL, BIOGRAPHY, _UNRESOLVED, _REJECTED_OFFSET"
    everything = ",".join(name for name in customer(1) if name != "id")
    lost = [rejected(change("u", key, 200, 10 + key)) for key in (1, 2, 3, 4, 7)]
    found = merged(
        [change("c", key, 100, key, biography="first") for key in range(1, 7)],
        [
            *lost,
            change("u", 1, 210, 20, email="a", biography=WORD),
            change("u", 3, 220, 21, email="b", biography="second"),
            change("d", 4, 230, 22),
            change("c", 5, 230, 0, partition=1, biography=WORD),  # key 4 became 5
            rejected(change("u", 6, 999, 23), with_source=False),
        ],
        columns=told,
    )
    assert found == [
        (1, "a", None, "biography", 11),
        (2, None, None, everything, 12),
        (3, "b", "second", None, None),
        (4, None, None, everything, 14),
        (5, "c5@example.com", None, "biography", 14),
        (6, None, None, everything, 23),
        (7, None, None, everything, 17),
    ]
    marks = "SELECT KAFKA_PARTITION, NEXT_OFFSET FROM RAW.CATCHMENT.WATERMARKS ORDER BY 1"
    assert warehouse.rows(marks) == [(0, 24), (1, 1)]  # nothing more is awaited
    found = merged(
        [
            change("u", 1, 300, 24, email="c", biography=WORD),
            change("u", 2, 310, 25, biography="third"),
            change("u", 6, 320, 26, email="d", biography=WORD),
        ],
        columns=told,
    )
    assert found[0] == (1, "c", None, "biography", 11)
    assert found[1][2:] == ("third", None, None)
    assert found[5] == (6, "d", None, "biography", 23)
    with warehouse.connect() as connection:  # the record is loaded after all, by a replay
        connection.cursor().execute("DELETE FROM RAW.APPLICATION.S0_CUSTOMERS WHERE KAFKA_OFFSET = 11")
    raw.lower_watermark(warehouse, "s0.public.customers", 0, 11)
    assert merged([change("u", 1, 200, 11, biography="large")], columns=told)[0] == (1, "c", "large", None, None)


def test_keys_are_told_apart_by_their_own_text(warehouse: Warehouse, run_models: Run) -> None:
    """peerdb PR 3572: of keys (11, infinity) and (11, -infinity) one row was lost, and each update added another."""
    raw.begin_again(warehouse, "activities")
    times = ("+294247-01-10T04:00:54.775807Z", "-290308-12-21T19:59:05.224192Z", "+020222-03-01T00:00:00.000000Z")

    def activity(op: str, at: str, lsn: int, offset: int) -> Message:
        row = {"id": 11, "account_id": lsn, "user_id": None, "kind": "buy", "amount": "3.5000", "payload": None}
        value = envelope(op, row | {"occurred_at": at}, lsn=lsn, commit=lsn - 1, ms=MS, transaction=lsn)
        return Message("activities", "s0", 0, offset, {"id": 11, "occurred_at": at}, value)

    raw.put(warehouse, [activity("c", at, 100 + n, n) for n, at in enumerate(times)])
    run_models("stg_application__activities")
    raw.put(warehouse, [activity("u", at, 200 + n, 3 + n) for n, at in enumerate(times)])
    run_models("stg_application__activities")
    found = warehouse.rows("SELECT _KEY, ACCOUNT_ID FROM ANALYTICS.STAGING.STG_APPLICATION__ACTIVITIES ORDER BY 2")
    assert [(json.loads(key), account) for key, account in found] == [([11, at], 200 + n) for n, at in enumerate(times)]


def test_each_form_of_record_is_understood_or_leaves_a_hole(merged: Merge) -> None:
    """Debezium's documentation: operations, tombstones, messages, `source.snapshot`; JSON with a schema (drift)."""
    kinds = ("true", "first", "first_in_data_collection", "last_in_data_collection", "last")
    read = [
        message(key, envelope("r", customer(key), lsn=900, commit=None, ms=MS, snapshot=kind), key)
        for key, kind in enumerate(kinds, 1)
    ]
    read_again = envelope("r", customer(1, email="again"), lsn=None, commit=950, ms=MS, snapshot="incremental")
    streamed = [
        message(1, read_again, 10),
        change("u", 2, 1000, 11, email="updated"),
        change("d", 3, 1010, 12),
        message(3, None, 13),
        message(3, {}, 14),  # a tombstone of Snowflake's sink
        message(None, {"op": "m", "source": {"lsn": 1020}, "message": {"prefix": "p", "content": "eA=="}}, 15),
        message(5, {"schema": {}, "payload": change("u", 5, 1030, 0).value}, 16),
    ]
    found = merged(read, streamed, columns="ID, EMAIL, _IS_DELETED, _REJECTED_OFFSET")
    assert found == [
        (1, "again", False, None),
        (2, "updated", False, None),
        (3, "c3@example.com", True, None),
        (4, "c4@example.com", False, None),
        (5, None, False, 16),
    ]
