"""Signals to Debezium, and when a snapshot counts as done."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from catchment.cdc.declared import application
from catchment.cdc.repair.signals import OURS, execute_snapshot, signal_id
from catchment.cdc.repair.snapshot import RowsSkipped, SnapshotProgress, SnapshotRequest, is_read, plan, verify

S0 = application().shard("s0")
ACTIVITIES, USERS = S0.table("activities"), S0.table("users")
STREAMING: dict[str, Any] = {"lsn": 200, "lsn_proc": 200, "txId": 7}


def asked(rows: int = 100) -> SnapshotRequest:
    return SnapshotRequest(shard=S0, table=USERS, signal="x", rows=rows, offsets={0: 5}, lsn=150)


def test_a_table_with_timestamptz_in_its_key_is_read_by_its_surrogate_key() -> None:
    assert execute_snapshot(S0, ACTIVITIES, {})["surrogate-key"] == "id"
    assert "surrogate-key" not in execute_snapshot(S0, USERS, {})


def test_a_signal_names_its_table_as_a_regular_expression_and_carries_what_we_need_at_the_end() -> None:
    data = execute_snapshot(S0, USERS, {"rows": 5})
    assert (data["data-collections"], data["type"], data[OURS]) == ([r"public\.users"], "incremental", {"rows": 5})


def test_the_same_run_asks_with_the_same_id_which_fits_the_column() -> None:
    table = "s0-" + "t" * 60
    assert signal_id("resnapshot", "run 1", table) == signal_id("resnapshot", "run 1", table)
    assert signal_id("resnapshot", "run 1") != signal_id("resnapshot", "run 2")
    assert len(signal_id("resnapshot", "manual__2026-11-23T00:00:00+00:00")) <= 64


def test_two_runs_have_two_ids_however_long_the_tables_name_is() -> None:
    table = "s0-" + "t" * 60
    assert signal_id("resnapshot", "run 1", table) != signal_id("resnapshot", "run 2", table)
    assert len(signal_id("resnapshot", "run 1", table)) <= 64


@pytest.mark.parametrize(
    ("offset", "read"),
    [
        pytest.param(STREAMING, True, id="past the signal, nothing going on"),
        pytest.param({**STREAMING, "lsn": 149}, False, id="the signal is not read yet"),
        pytest.param({**STREAMING, "incremental_snapshot_collections": "[…]"}, False, id="chunks are being read"),
        pytest.param({}, False, id="no offset yet"),
    ],
)
def test_debezium_is_done_once_its_offsets_are_past_the_signal_and_name_no_snapshot(
    offset: dict[str, Any], read: bool
) -> None:
    assert is_read([{"partition": {"server": "s0"}, "offset": offset}], 150) is read


def test_progress_reads_as_a_share_of_the_rows() -> None:
    assert str(SnapshotProgress(15_000, 4_679, read=False)) == "4,679 of 15,000 rows (31 %), reading"
    assert str(SnapshotProgress(10, 12, read=True, loaded=True)) == "10 of 10 rows (100 %), all in raw"
    assert str(SnapshotProgress(0, 0, read=True)) == "0 of 0 rows, all on Kafka, raw follows"


def test_a_snapshot_that_brought_fewer_rows_than_there_were_is_a_failure() -> None:
    with pytest.raises(RowsSkipped, match=r"contained 99 of the 100 rows.*declare a surrogate_key for users"):
        verify(asked(100), SnapshotProgress(100, 99, read=True, loaded=True))


def test_a_table_that_was_truncated_meanwhile_need_not_have_its_rows() -> None:
    assert "truncated" in verify(asked(100), SnapshotProgress(100, 3, read=True, loaded=True, truncated=True))


def test_rows_that_came_beside_the_snapshot_do_no_harm() -> None:
    assert "all 100 rows" in verify(asked(100), SnapshotProgress(100, 104, read=True, loaded=True))


def test_an_empty_table_is_done_at_once() -> None:
    assert "all 0 rows" in verify(asked(0), SnapshotProgress(0, 0, read=True, loaded=True))


def test_a_plan_says_how_many_rows_by_which_key_and_where_to() -> None:
    text = " ".join(plan(S0, ACTIVITIES, 15_000))
    assert all(word in text for word in ("15,000", "by id", "s0.public.activities", "RAW.APPLICATION.S0_ACTIVITIES"))
    by_key = dataclasses.replace(ACTIVITIES, surrogate_key=None)
    assert "by id, occurred_at" in " ".join(plan(S0, by_key, 1))
