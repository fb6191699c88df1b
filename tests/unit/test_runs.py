"""From a DAG run to its batches."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.batch import Batch, Kind, Mode
from catchment.errors import NeedsPerson
from catchment.runs import Run, batch_of, selected
from catchment.sources.chartmogul import CHARTMOGUL
from tests.support.make import moment

START, END, TRIGGERED = moment(1), moment(2), moment(2, 9)


def batch(run_type: str, **params: Any) -> Batch:
    return batch_of("vendor", "things", Run(run_type, START, END, TRIGGERED, params))


def fields(batch: Batch) -> tuple[datetime, datetime, Kind, Mode]:
    return batch.start, batch.end, batch.kind, batch.mode


def test_a_scheduled_runs_batch_is_its_data_interval() -> None:
    assert fields(batch("scheduled")) == (START, END, Kind.SCHEDULED, Mode.INCREMENTAL)


def test_a_run_that_a_person_triggers_goes_on_up_to_that_moment() -> None:
    assert fields(batch("manual")) == (START, TRIGGERED, Kind.SCHEDULED, Mode.INCREMENTAL)


def test_airflows_own_backfill_reads_its_interval_and_leaves_the_cursor() -> None:
    assert fields(batch("backfill")) == (START, END, Kind.BACKFILL, Mode.INCREMENTAL)


@pytest.mark.parametrize("run_type", ["scheduled", "manual", "backfill"])
def test_a_window_in_the_form_is_a_backfill_in_any_run(run_type: str) -> None:
    window = batch(run_type, **{"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T01:00:00+01:00"})
    assert fields(window) == (moment(1, 0, 1), moment(1, 0, 2), Kind.BACKFILL, Mode.INCREMENTAL)


def test_a_form_may_hold_moments_and_empty_fields() -> None:
    window = batch("manual", **{"from": moment(1, 0, 1), "to": moment(1, 0, 2), "mode": ""})
    assert fields(window) == (moment(1, 0, 1), moment(1, 0, 2), Kind.BACKFILL, Mode.INCREMENTAL)
    empty = batch("scheduled", **{"from": "", "to": None, "mode": None})
    assert fields(empty) == (START, END, Kind.SCHEDULED, Mode.INCREMENTAL)
    with pytest.raises(NeedsPerson, match=r"`to` is .*without a time zone"):
        batch("manual", **{"from": moment(1), "to": moment(2).replace(tzinfo=None)})


def test_full_in_the_form_reads_all_of_history() -> None:
    assert fields(batch("manual", mode="full")) == (START, TRIGGERED, Kind.SCHEDULED, Mode.FULL)


@given(late=st.integers(0, 100))
def test_a_run_triggered_before_its_interval_ends_is_no_interval_upside_down(late: int) -> None:
    triggered = START - timedelta(hours=late)
    early = batch_of("vendor", "things", Run("manual", START, END, triggered, {}))
    assert (early.start, early.end) == (triggered, triggered)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"from": "2026-01-01T00:00:00Z"}, "only one of `from` and `to`"),
        ({"to": "2026-01-01T00:00:00Z"}, "only one of `from` and `to`"),
        ({"from": "2026-01-01T00:00:00", "to": "2026-02-01T00:00:00Z"}, "without a time zone"),
        ({"from": "yesterday", "to": "2026-02-01T00:00:00Z"}, "no moment"),
        ({"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "swap them"),
        ({"from": "2026-02-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}, "widen the window"),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z", "mode": "full"}, "leave `from` and `to` empty"),
        ({"mode": "all"}, "incremental or full"),
    ],
)
def test_a_form_that_makes_no_sense_needs_a_person(params: dict[str, str], says: str) -> None:
    with pytest.raises(NeedsPerson, match=says):
        batch("manual", **params)


def test_none_chosen_means_all() -> None:
    assert all(selected(CHARTMOGUL, stream.name, []) for stream in CHARTMOGUL.streams)


def test_a_child_stream_brings_its_parent_along_and_nothing_else() -> None:
    chosen = {stream.name for stream in CHARTMOGUL.streams if selected(CHARTMOGUL, stream.name, ["subscriptions"])}
    assert chosen == {"subscriptions", "customers"}
    alone = {stream.name for stream in CHARTMOGUL.streams if selected(CHARTMOGUL, stream.name, ["customers", "plans"])}
    assert alone == {"customers", "plans"}
