"""Single promises of the current state, each with a few records as Debezium wrote them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.dbt.cdc import raw
from tests.dbt.cdc.records import MS, WORD, Message, Row, change, customer, envelope, message
from tests.dbt.project import Dbt
from tests.dbt.warehouse import Warehouse

pytestmark = pytest.mark.timeout(900)
Run = Callable[..., None]
Merge = Callable[..., list[tuple[Any, ...]]]


def test_a_row_that_moved_to_another_shard_lives_there_and_a_key_on_two_shards_is_two_rows(merged: Merge) -> None:
    found = merged(
        [change("c", 1, 100, 0), change("c", 2, 110, 1), change("c", 2, 100, 0, shard="s1", email="other@example.com")],
        [change("d", 1, 120, 2), message(1, None, 3), change("c", 1, 90, 1, shard="s1")],
    )
    assert found == [
        ("s0", 1, "c1@example.com", True),
        ("s0", 2, "c2@example.com", False),
        ("s1", 1, "c1@example.com", False),
        ("s1", 2, "other@example.com", False),
    ]


def test_a_delete_keeps_the_values_the_row_had_and_trusts_nothing_of_a_made_up_before(merged: Merge) -> None:
    found = merged([change("c", 1, 100, 0)], [change("u", 1, 110, 1, city="Ulm"), change("d", 1, 120, 2)])
    assert found == [("s0", 1, "c1@example.com", True)]


def test_a_late_commit_with_an_older_log_position_counts(merged: Merge) -> None:
    """It wrote first and committed last: Debezium sends it last, of another key."""
    found = merged([change("c", 1, 500, 0), change("c", 2, 520, 1)], [change("u", 2, 560, 2), change("c", 3, 510, 3)])
    assert [row[1] for row in found] == [1, 2, 3]


def test_an_old_record_that_comes_again_changes_nothing(merged: Merge) -> None:
    first, second = change("c", 1, 100, 0), change("u", 1, 110, 1, email="new@example.com")
    again = Message("customers", "s0", 0, 2, first.key, first.value)
    assert merged([first, second], [again]) == [("s0", 1, "new@example.com", False)]


def test_of_several_changes_in_one_transaction_the_last_counts(merged: Merge) -> None:
    values = [
        envelope(op, customer(1, email=email), lsn=lsn, commit=90, ms=MS, transaction=5)
        for op, email, lsn in (("c", "a@x", 100), ("u", "b@x", 108), ("u", "c@x", 116))
    ]
    assert merged([message(1, value, offset) for offset, value in enumerate(values)])[0][2] == "c@x"


def test_a_truncation_reaches_every_partition_also_what_comes_late(merged: Merge, warehouse: Warehouse) -> None:
    truncate = message(None, envelope("t", None, lsn=200, commit=190, ms=MS, transaction=9), 0, partition=2)
    found = merged(
        [change("c", 1, 100, 0), change("c", 1, 100, 0, shard="s1")],
        [truncate],
        [change("c", 2, 150, 0, partition=1), change("c", 3, 210, 1, partition=1)],
    )
    assert [(row[0], row[1], row[3]) for row in found] == [
        ("s0", 1, True),
        ("s0", 2, True),
        ("s0", 3, False),
        ("s1", 1, False),
    ]


def test_an_incremental_snapshot_does_not_hide_a_change_that_was_committed_beside_it(merged: Merge) -> None:
    """The change was written before the snapshot's window ended, at a lower log position, and committed after it."""
    read = envelope("r", customer(1, email="as read"), lsn=None, commit=300, ms=MS, snapshot="incremental")
    update = envelope("u", customer(1, email="as updated"), lsn=280, commit=320, ms=MS, transaction=4)
    assert merged([change("c", 1, 100, 0)], [message(1, read, 1)])[0][2] == "as read"
    assert merged([message(1, update, 2)])[0][2] == "as updated"


def test_large_values_that_were_not_told_are_carried_also_through_changes_of_the_key(merged: Merge) -> None:
    codes = [*WORD.encode()]
    unchanged = {"biography": WORD, "profile": WORD, "tags": codes}
    found = merged(
        [change("c", 1, 100, 0, biography="first", tags=[4])],
        [change("u", 1, 110, 1, **unchanged), change("u", 1, 120, 2, **(unchanged | {"profile": "[7]"}))],
        [
            change("d", 1, 130, 3),
            change("c", 2, 130, 0, partition=1, **unchanged),
            change("d", 2, 140, 1, partition=1),
            change("c", 3, 140, 0, partition=2, **unchanged),
        ],
        columns="ID, BIOGRAPHY, TAGS, PROFILE, _UNRESOLVED, _IS_DELETED",
    )
    assert [row[0] for row in found if not row[5]] == [3]
    key, biography, tags, profile, unresolved, _ = found[-1]
    assert (key, biography, json.loads(tags), json.loads(profile), unresolved) == (3, "first", [4], [7], None)


def test_the_half_of_a_change_of_the_key_that_comes_late_is_waited_for(merged: Merge, warehouse: Warehouse) -> None:
    """The new key's partition is ahead of the old one's: its large value is told as lacking, then found."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    born = envelope("c", customer(1, biography="first"), lsn=100, commit=96, ms=now, transaction=1)
    moved = envelope("c", customer(2, biography=WORD), lsn=200, commit=196, ms=now, transaction=2)
    told = "ID, BIOGRAPHY, _UNRESOLVED"
    assert merged([message(1, born, 0)], [message(2, moved, 0, partition=1)], columns=told)[1] == (2, None, "biography")
    gone = envelope("d", None, lsn=200, commit=196, ms=now, transaction=2)
    assert merged([message(1, gone, 1)], columns=told)[1] == (2, "first", None)


def test_half_of_a_change_of_the_key_merged_long_ago_is_found_in_raw(merged: Merge) -> None:
    """The old key was deleted and made again in runs before the new key's record came."""
    found = merged(
        [change("c", 1, 100, 0, biography="first")],
        [change("d", 1, 200, 1)],
        [change("c", 1, 300, 2, biography="another")],
        [change("c", 2, 200, 0, partition=1, biography=WORD)],
        columns="ID, BIOGRAPHY",
    )
    assert found == [(1, "another"), (2, "first")]


def test_a_new_epoch_counts_more_than_any_log_position_of_the_old_one(merged: Merge, warehouse: Warehouse) -> None:
    merged([change("c", 1, 9000, 0)])
    raw.new_epoch(warehouse, "s0.public.customers", 0, 1, 1)
    assert merged([change("r", 1, 100, 1, email="after failover")])[0][2] == "after failover"


def test_a_replay_that_fixes_a_gap_fixes_the_row(merged: Merge, warehouse: Warehouse, run_models: Run) -> None:
    columns = "ID, EMAIL, BIOGRAPHY"
    lost = change("u", 1, 110, 1, biography="told while the loader was down")
    stale = merged([change("c", 1, 100, 0), change("u", 1, 120, 2, email="x@y", biography=WORD)], columns=columns)
    assert stale == [(1, "x@y", "long" * 3000)]
    raw.lower_watermark(warehouse, "s0.public.customers", 0, 1)
    assert merged([lost], columns=columns) == [(1, "x@y", "told while the loader was down")]


def test_a_replay_of_everything_leaves_the_same_rows(merged: Merge, warehouse: Warehouse, run_models: Run) -> None:
    every = "*"
    first = merged(
        [change("c", 1, 100, 0)], [change("u", 1, 110, 1, biography=WORD), change("d", 1, 120, 2)], columns=every
    )
    raw.lower_watermark(warehouse, "s0.public.customers", 0, 0)
    run_models("stg_application__customers")
    assert merged(columns=every) == merged([change("c", 2, 90, 0, partition=1)], columns=every)[:1] == first


def test_values_keep_what_they_mean(merged: Merge) -> None:
    found = merged(
        [
            change("c", 1, 100, 0, born="+5877611-06-21Z", health_score="NaN", created_at="infinity"),
            change("c", 2, 110, 1, tags=None, profile=None, nickname="Bo", updated_at="2026-11-23T07:20:53.1Z"),
        ],
        columns="ID, BORN, HEALTH_SCORE, TAGS, PROFILE, CREATED_AT, UPDATED_AT, _OTHER, _SPECIAL",
    )
    (one, two) = found
    assert one[1] is None
    assert one[2] != one[2]
    assert (json.loads(one[3]), json.loads(one[4])) == ([1, 2], {"a": 1, "b": None})
    assert json.loads(one[8]) == {"born": "infinity", "created_at": "infinity"}
    assert (one[5], one[7]) == (None, None)
    assert two[1:5] == (date(1990, 1, 2), 0.1, None, None)
    assert two[5] == datetime(2026, 11, 23, 7, 20, 53, 397057, tzinfo=UTC)
    assert two[6] == datetime(2026, 11, 23, 7, 20, 53, 100000)  # noqa: DTZ001
    assert json.loads(two[7]) == {"nickname": "Bo"}


def test_infinite_days_and_times_are_told_in_every_form_that_debezium_gives_them(merged: Merge) -> None:
    most = {"born": "+5877611-06-21Z", "created_at": "infinity", "updated_at": "+292278994-08-16T23:00:00Z"}
    least = {"born": "-5877611-06-22Z", "created_at": "-infinity", "updated_at": "-292275055-05-16T23:00:00Z"}
    found = merged(
        [
            change("c", 1, 100, 0, **most),
            change("c", 2, 110, 1, **least),
            change("c", 3, 120, 2, born="+292278994-08-16Z"),  # as incremental snapshots have them
            change("c", 4, 130, 3, born="+292269055-12-02Z"),
        ],
        columns="ID, _SPECIAL, BORN, CREATED_AT, UPDATED_AT",
    )
    assert [json.loads(special) for _, special, *_ in found] == [
        dict.fromkeys(most, "infinity"),
        dict.fromkeys(least, "-infinity"),
        {"born": "infinity"},
        {"born": "-infinity"},
    ]
    assert found[0][2:] == found[1][2:] == (None, None, None)
    assert (found[2][2], found[3][2]) == (None, None)


def test_numbers_are_exact_and_what_is_no_number_is_told(warehouse: Warehouse, run_models: Run) -> None:
    raw.begin_again(warehouse, "subscriptions")
    row = {
        "id": 1,
        "account_id": 1,
        "customer_id": 1,
        "external_id": "s",
        "plan": "Gold",
        "status": "active",
        "seats": 3,
    }
    row |= {"mrr_cents": 9007199254740993, "started_on": "2026-01-01Z", "ended_on": None}
    row |= {"created_at": "2026-11-23T07:20:53Z", "updated_at": "2026-11-23T07:20:53Z"}
    prices = ("12345678901234.5678", "NAN")
    raw.put(
        warehouse,
        [
            Message(
                "subscriptions", "s0", 0, n, {"id": n},
                envelope("c", row | {"id": n, "price": price}, lsn=100 + n, commit=99, ms=MS, transaction=n),
            )
            for n, price in enumerate(prices)
        ],
    )  # fmt: skip
    run_models("stg_application__subscriptions")
    found = warehouse.rows(
        "SELECT PRICE, MRR_CENTS, _SPECIAL FROM ANALYTICS.STAGING.STG_APPLICATION__SUBSCRIPTIONS ORDER BY ID"
    )
    assert found[0] == (Decimal("12345678901234.5678"), 9007199254740993, None)
    assert (found[1][0], json.loads(found[1][2])) == (None, {"price": "NaN"})


def test_a_row_of_a_partitioned_table_that_moves_between_partitions_is_one_living_row(
    warehouse: Warehouse, run_models: Run
) -> None:
    raw.begin_again(warehouse, "activities")
    november, december = "2026-11-20T00:00:00.000000Z", "2026-12-20T00:00:00.000000Z"

    def activity(at: str) -> Row:
        return {
            "id": 9,
            "account_id": 1,
            "user_id": None,
            "kind": "buy",
            "amount": "3.5000",
            "payload": None,
            "occurred_at": at,
        }

    told = [
        (november, envelope("c", activity(november), lsn=100, commit=90, ms=MS, transaction=1), 2, 0),
        (november, envelope("d", None, lsn=200, commit=190, ms=MS, transaction=2), 2, 1),
        (november, None, 2, 2),
        (december, envelope("c", activity(december), lsn=208, commit=190, ms=MS, transaction=2), 1, 0),
    ]
    raw.put(warehouse, [Message("activities", "s0", p, o, {"id": 9, "occurred_at": at}, v) for at, v, p, o in told])
    run_models("stg_application__activities")
    found = warehouse.rows(
        "SELECT OCCURRED_AT FROM ANALYTICS.STAGING.STG_APPLICATION__ACTIVITIES WHERE NOT _IS_DELETED"
    )
    assert found == [(datetime(2026, 12, 20, tzinfo=UTC),)]


def test_a_run_that_dies_before_its_watermark_moves_is_made_good_by_the_next(
    merged: Merge, warehouse: Warehouse, run_models: Run
) -> None:
    first = merged([change("c", 1, 100, 0)], [change("u", 1, 110, 1, biography=WORD)], columns="*")
    with warehouse.connect() as connection:
        connection.cursor().execute("UPDATE RAW.CATCHMENT.WATERMARKS SET NEXT_OFFSET = 1")
    run_models("stg_application__customers")
    assert merged(columns="*") == first
    assert warehouse.rows("SELECT NEXT_OFFSET FROM RAW.CATCHMENT.WATERMARKS") == [(2,)]


def test_rows_of_snowflakes_sink_are_read_as_well(warehouse: Warehouse, run_models: Run) -> None:
    raw.begin_again(warehouse, "customers")
    raw.put(warehouse, [change("c", 1, 100, 0)], by_sink=True)
    run_models("stg_application__customers")
    raw.put(warehouse, [change("u", 1, 110, 1, email="new@x")], by_sink=True)
    raw.put(warehouse, [change("c", 2, 120, 0, partition=1)])
    run_models("stg_application__customers")
    assert raw.state(warehouse, "CUSTOMERS", "ID", "EMAIL") == [(1, "new@x"), (2, "c2@example.com")]
    assert warehouse.rows("SELECT KAFKA_PARTITION, NEXT_OFFSET FROM RAW.CATCHMENT.WATERMARKS ORDER BY 1") == [
        (0, 2),
        (1, 1),
    ]


def test_the_tests_of_the_models_pass_and_fail_where_a_value_is_lacking(
    merged: Merge, warehouse: Warehouse, dbt: Dbt, run_models: Run
) -> None:
    merged([change("c", 1, 100, 0), change("u", 2, 100, 1, biography=WORD)])
    run_models("hist_application__customers")
    statuses = dbt.statuses("test", "--select", "stg_application__customers", "hist_application__customers")
    failed = {name for name, status in statuses.items() if status != "pass"}
    assert len(statuses) == 5
    assert {name.split("_hist")[0].split("_stg")[0] for name in failed} == {"no_value_is_lacking"}
