"""A long reading seals checkpoints and goes on from the last one: a kill, a wait or the end of its time costs one."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catchment.batch import Batch, Kind, Mode
from catchment.cursor import CursorState, Unfinished
from catchment.errors import ContractBroken, NeedsPerson, RateLimited, VendorUnavailable
from catchment.extract.progress import Progress
from catchment.extract.run import Extracted, Extraction, Sealing, first_checkpoint
from catchment.http.client import HttpClient
from catchment.http.paginators import SinglePage
from catchment.landing import read_manifest
from catchment.reads.http_export import TimeExport
from catchment.reads.http_list import Dates, Window
from catchment.spec import Current
from catchment.times import days
from tests.support.histories import BEGAN, World
from tests.support.make import batch, http_list, moment, source, stream
from tests.support.memory_warehouse import MemoryWarehouse
from tests.support.readings import BOUNDS, MOVES, PAGES, SPEC, Stack, tickets
from tests.support.store import MemoryStore
from tests.support.vendor import InProcess


@settings(deadline=None, max_examples=40)
@given(pieces=st.integers(1, 12), kills=st.lists(st.integers(0, 9), max_size=4))
def test_whatever_ends_a_try_the_next_goes_on_and_all_is_loaded_once(pieces: int, kills: list[int]) -> None:
    stack = Stack()
    for page in kills:
        stack.vendor.refuses = {page: VendorUnavailable("gone")}
        try:
            stack.run(tickets(), Sealing(pieces=pieces))
        except VendorUnavailable:
            continue
    stack.vendor.refuses = {}
    assert stack.run(tickets(), Sealing(pieces=pieces)).complete
    assert stack.ids() == list(range(PAGES))
    assert sorted(m.checkpoint for m in stack.warehouse.ledger.values()) == list(range(len(stack.warehouse.ledger)))
    assert stack.warehouse.cursor_state(tickets(day=2)).cursor == f"c{PAGES}"


def test_a_kill_between_checkpoints_costs_one_checkpoint() -> None:
    stack = Stack(fails_after=2)
    with pytest.raises(KeyboardInterrupt):
        stack.run(tickets(), Sealing(pieces=3))
    assert stack.ids() == [0, 1, 2, 3, 4, 5]
    stack.vendor.asked.clear()
    stack.fails_after = None
    assert stack.run(tickets(), Sealing(pieces=3)).complete
    assert stack.vendor.asked == [6, 7, 8, 9]
    assert stack.ids() == list(range(PAGES))
    assert {m.attempt for m in stack.sealed} == {stack.sealed[0].attempt}


def test_a_vendor_that_asks_us_to_wait_costs_nothing_of_an_export() -> None:
    stack = Stack()
    stack.vendor.refuses = {4: RateLimited("wait", after=timedelta(hours=1))}
    with pytest.raises(RateLimited):
        stack.run(tickets(), Sealing())
    assert stack.ids() == [0, 1, 2, 3]
    stack.vendor.asked.clear()
    stack.run(tickets(), Sealing())
    assert stack.vendor.asked == [4, 5, 6, 7, 8, 9]


def test_what_a_person_must_fix_seals_nothing_half() -> None:
    stack = Stack()
    stack.vendor.refuses = {4: NeedsPerson("401")}
    with pytest.raises(NeedsPerson):
        stack.run(tickets(), Sealing())
    assert stack.sealed == []


def test_a_try_that_has_read_long_enough_hands_over_at_a_checkpoint() -> None:
    stack = Stack()
    sealing = Sealing(pieces=2, read_for=timedelta(0))
    tries = 1
    while not stack.run(tickets(), sealing).complete and tries < 20:
        tries += 1
    assert tries == 6
    assert stack.ids() == list(range(PAGES))


def test_the_next_interval_goes_on_where_an_unfinished_one_stopped() -> None:
    stack = Stack()
    stack.vendor.refuses = {4: RateLimited("wait", after=timedelta(hours=1))}
    with pytest.raises(RateLimited):
        stack.run(tickets(), Sealing())
    stack.vendor.asked.clear()
    stack.run(tickets(day=2), Sealing())
    assert stack.vendor.asked == [4, 5, 6, 7, 8, 9]


def test_a_full_refresh_does_not_go_on_from_an_unfinished_incremental_reading() -> None:
    stack = Stack()
    stack.vendor.refuses = {4: RateLimited("wait", after=timedelta(hours=1))}
    with pytest.raises(RateLimited):
        stack.run(tickets(), Sealing())
    stack.vendor.asked.clear()
    stack.run(tickets(mode=Mode.FULL), Sealing())
    assert stack.vendor.asked == list(range(PAGES))


def test_a_window_seals_slice_by_slice_and_leaves_one_window_when_it_is_read_again() -> None:
    stack = Stack()
    moves = batch("moves")
    stack.run(moves, Sealing(pieces=2))
    windows = [(m.window_from, m.window_to) for m in stack.sealed]
    assert windows[0][0] == SPEC.history_start
    assert windows[-1][1] == moves.end
    assert all(one[1] == other[0] for one, other in itertools.pairwise(windows))
    assert stack.ids(MOVES) == list(range(60))
    stack.run(moves, Sealing())
    assert [m.checkpoint for m in stack.warehouse.ledger.values()] == [len(windows)]
    assert stack.ids(MOVES) == list(range(60))


def test_rows_of_a_window_read_again_with_other_borders_are_never_absent() -> None:
    """The first reading sealed [0, 20) and on; the second seals [0, 10) and is killed."""
    stack = Stack()
    moves = batch("moves")
    stack.run(moves, Sealing(pieces=4))
    stack.fails_after = len(stack.sealed) + 1
    with pytest.raises(KeyboardInterrupt):
        stack.run(moves, Sealing(pieces=2))
    assert stack.ids(MOVES) == list(range(60))


@pytest.mark.parametrize("pieces", [2, 2_000])
def test_a_window_that_became_empty_is_held_back_however_many_checkpoints_it_was_read_in(pieces: int) -> None:
    """An independent simulator: what a window had before was what its last checkpoint had, and a reading of several
    checkpoints was never looked at, each of them loaded at once: an empty 200 deleted everything. Right: nothing is
    sealed before something was read, and the whole reading is compared with the whole one before."""
    stack = Stack()
    stack.run(batch("moves"), Sealing(pieces=2))
    assert len(stack.sealed) > 3
    assert stack.warehouse.cursor_state(batch("moves", day=2)).rows_before == 60
    stack.vendor.moves = 0
    with pytest.raises(ContractBroken, match="has 0 records, and had 60"):
        stack.run(batch("moves", day=2), Sealing(pieces=pieces))
    assert stack.ids(MOVES) == list(range(60))
    stack.vendor.moves = 1
    stack.run(batch("moves", day=2), Sealing(pieces=pieces))
    assert stack.ids(MOVES) == [0]


@pytest.mark.parametrize("kind", Kind)
def test_a_part_of_history_that_became_empty_is_held_back_too(kind: Kind) -> None:
    """The same finding, for a look-back and for a backfill: an empty 200 deleted 90 days of ratings, everything green.
    Right: it is compared with the rows that the newest reading has of just that time, so that an old account's quiet
    quarter is no alarm."""
    window = Window("at", lookback=days(2))
    of = stream("moves", http_list("moves", paginator=SinglePage(), dates=BOUNDS, window=window))
    asked: list[tuple[str, datetime, datetime]] = []

    def extract(rows: int, **more: Any) -> Extracted:
        def before(field: str, start: datetime, end: datetime) -> int:
            asked.append((field, start, end))
            return rows

        extraction = Extraction(
            source=source(of),
            client=cast(HttpClient, InProcess(lambda path, params: {"entries": []})),
            store=MemoryStore(),
            history_start=moment(1, month=1),
            load=lambda key: None,
            rows_between=before,
            **more,
        )
        state = CursorState(moment(1).isoformat(), ever_loaded=True, rows_before=60)
        return extraction.run(batch("moves", kind=kind), state)

    with pytest.raises(ContractBroken, match="has 0 records, and had 7"):
        extract(7)
    assert asked == [("at", moment(1) if kind is Kind.BACKFILL else moment(27, month=2), moment(2))]
    assert extract(0).complete
    assert extract(7, accept_smaller=True).complete


@pytest.mark.parametrize("zone", [-8, 0, 10])
def test_a_row_near_the_border_of_two_checkpoints_is_in_the_one_that_claims_it(zone: int) -> None:
    """An independent simulator: the account's zone is west of UTC, the vendor filters by days of that zone, and a
    checkpoint ends between two slices. An evening's movement was in the first checkpoint alone, and its moment, which
    is the next day in UTC, in the second one's window: absent, everything green. Right: it is current."""
    account = timezone(timedelta(hours=zone))
    start = moment(1, 0, month=2)
    rows = [{"id": hour, "at": (start + timedelta(hours=hour)).isoformat()} for hour in range(0, 240, 3)]

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        def day(row: Mapping[str, Any]) -> str:
            return datetime.fromisoformat(row["at"]).astimezone(account).date().isoformat()

        return {"entries": [row for row in rows if params["from"] <= day(row) <= params["to"]]}

    window = Window("at", slice=days(3), margin=days(1))
    of = stream("moves", http_list("moves", paginator=SinglePage(), dates=Dates("from", "to"), window=window))
    store = MemoryStore()
    warehouse = MemoryWarehouse(store)
    extraction = Extraction(
        source=source(of, parallel=2),
        client=cast(HttpClient, InProcess(reply)),
        store=store,
        history_start=start,
        load=warehouse.load,
        sealing=Sealing(pieces=1),
    )
    key = extraction.run(batch("moves"), CursorState()).key
    assert key
    warehouse.load(key)
    assert len(warehouse.ledger) > 5
    assert sorted(warehouse.current(of)) == [(row["id"],) for row in rows]


@pytest.mark.parametrize(
    ("state", "current", "number"),
    [
        (CursorState(), Current.NEWEST_VERSION, 0),
        (CursorState(next_checkpoint=3), Current.NEWEST_VERSION, 0),
        (CursorState(next_checkpoint=3), Current.NEWEST_LIST, 0),
        (CursorState(next_checkpoint=3), Current.NEWEST_WINDOW, 3),
        (CursorState(next_checkpoint=9, unfinished=Unfinished("a", "c", 2)), Current.NEWEST_VERSION, 2),
    ],
)
def test_numbers_of_checkpoints(state: CursorState, current: Current, number: int) -> None:
    assert first_checkpoint(state, current) == number


def test_a_reading_that_only_appends_replaces_nothing() -> None:
    assert first_checkpoint(CursorState(next_checkpoint=3), Current.NEWEST_VERSION, appends=True) == 3


def test_a_backfill_that_was_interrupted_goes_on_too() -> None:
    stack = Stack()
    backfill = tickets(kind=Kind.BACKFILL)
    stack.vendor.refuses = {4: RateLimited("wait", after=timedelta(hours=1))}
    with pytest.raises(RateLimited):
        stack.run(backfill, Sealing())
    stack.vendor.asked.clear()
    stack.run(backfill, Sealing())
    assert stack.vendor.asked[0] == 4
    assert stack.warehouse.cursor_state(tickets(day=2)).cursor is None


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


@pytest.mark.parametrize(
    ("progress", "remaining"),
    [
        (Progress(10, 60.0, at(0), at(100), at(400)), timedelta(seconds=180)),
        (Progress(10, 6000.0, at(0), at(500), at(400)), timedelta(0)),
        (Progress(10, 60.0, None, None, at(400)), None),
        (Progress(10, 60.0, at(100), at(100), at(400)), None),
        (Progress(10, 0.0, at(0), at(100), at(400)), None),
        (Progress(10, 0.4, at(0), at(100), at(400)), timedelta(seconds=1)),
        (Progress(10, 60.0, None, at(100), at(400)), None),
        (Progress(10, 60.0, at(0), None, at(400)), None),
    ],
)
def test_the_end_is_estimated_from_the_records_own_time(progress: Progress, remaining: timedelta | None) -> None:
    assert progress.remaining == remaining


@pytest.mark.parametrize(
    ("progress", "says"),
    [
        (
            Progress(1_234_567, 3661.4, at(0), at(100), at(400)),
            "1,234,567 rows in 1:01:01, records up to 1970-01-01T00:01+00:00, about 3:03:04 to go",
        ),
        (
            Progress(5, 60.0, at(0), at(500), at(400)),
            "5 rows in 0:01:00, records up to 1970-01-01T00:08+00:00, about 0:00:00 to go",
        ),
        (Progress(5, 1.0, at(100), at(100), at(400)), "5 rows in 0:00:01, records up to 1970-01-01T00:01+00:00"),
        (Progress(5, 1.0, None, None, at(400)), "5 rows in 0:00:01"),
    ],
)
def test_how_far_a_reading_is_as_a_sentence(progress: Progress, says: str) -> None:
    assert str(progress) == says


def test_progress_is_told_with_rows_time_and_estimate() -> None:
    stack = Stack()
    stack.run(tickets(), Sealing(pieces=3))
    told = [str(progress) for progress in stack.progress]
    assert told[0].startswith("3 rows in 0:00:0")
    assert "records up to 1970-01-01T00:00+00:00" in told[0]
    assert json.dumps([progress.rows for progress in stack.progress]) == "[3, 6, 9]"


def test_a_gap_is_a_reject_of_its_checkpoint_so_that_the_last_load_can_count_it() -> None:
    """Found by reading: a flood early in a long export stood in the manifest of that checkpoint alone, and only the
    last one's was looked at. Right: the ledger counts it, and the load of the last checkpoint fails."""
    of = stream("times", TimeExport(path="times", records="entries"), version="changed")
    world = World(size=2)
    for key in range(4):
        world.touch(key, 5 if key == 0 else 0)
    world.touch(8, 5)
    world.touch(9, 5)
    world.now = BEGAN + 200
    store, sealed, told = MemoryStore(), list[str](), list[Progress]()
    extraction = Extraction(
        source=source(of),
        client=cast(HttpClient, InProcess(world.reply)),
        store=store,
        history_start=at(BEGAN - 10),
        load=sealed.append,
        sealing=Sealing(pieces=1),
        progress=told.append,
        now=lambda: at(world.now),
    )
    interval = Batch(source="vendor", stream="times", start=at(BEGAN), end=at(BEGAN + 100))
    last = extraction.run(interval, CursorState(str(BEGAN), ever_loaded=True)).key
    assert last
    manifests = [read_manifest(store, key) for key in (*sealed, last)]
    assert [len(m.gaps) for m in manifests].index(1) < len(manifests) - 1
    assert sum(m.rejected for m in manifests) == 1
    assert [p.reached for p in told] == [at(int(m.cursor_to or 0)) for m in manifests[:-1]]
