"""A small chaos run on the real local parts, and the judge that a run trusts."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.chaos.judge import BatchRow, RawRow, judge
from bench.chaos.points import LOAD, Deck, Site
from bench.verdict import Verdict
from catchment.spec import Read, SavedCursor, Snapshot, Stream, Window

ROOT = Path(__file__).parents[2]
STREAMS = ("google_sheets.account_owners", "chartmogul.customers", "chartmogul.subscriptions", "zendesk.ticket_events")


@pytest.mark.timeout(280)
def test_workers_that_are_killed_and_run_again_leave_the_truth_in_the_warehouse() -> None:
    command = [sys.executable, "-m", "bench.chaos_extract", "--points", "12", "--intervals", "2", "--streams", *STREAMS]
    environment = {**os.environ, "PYTHONPATH": f".{os.pathsep}plugins"}

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    last = json.loads(done.stdout.splitlines()[-1])
    assert last == {"kill_points": 12, "fired": 12, "lost": 0, "duplicated": 0, "stale": 0}


def day(number: int) -> datetime:
    return datetime(2026, 3, number, tzinfo=UTC)


def stream(read: Read) -> Stream:
    return Stream(name="things", path="things", records="entries", key=("id",), read=read, version="at")


def batch(name: str, extracted: int, rows: int, *window: datetime) -> BatchRow:
    return BatchRow(name, day(extracted), rows, *window)


def row(of: str, number: int, at: int = 1, value: str = "x") -> RawRow:
    return RawRow(of, (number,), {"id": number, "at": day(at).isoformat(), "value": value}, "part-0.jsonl.zst", number)


def truth(*rows: RawRow) -> Mapping[tuple[Any, ...], Any]:
    return {row.key: row.record for row in rows}


def test_a_warehouse_that_holds_the_truth_is_found_good() -> None:
    rows = [row("a", 1), row("a", 2)]

    assert judge(stream(Snapshot()), [batch("a", 1, 2)], rows, truth(*rows)) == Verdict()


@pytest.mark.parametrize(
    ("batches", "rows", "expected"),
    [
        pytest.param([batch("a", 1, 1)], [row("a", 1)], Verdict(lost=1), id="a record is absent"),
        pytest.param(
            [batch("a", 1, 3)], [row("a", 1), row("a", 2)], Verdict(lost=1), id="fewer rows than the ledger says"
        ),
        pytest.param(
            [batch("a", 1, 3)], [row("a", 1), row("a", 2), row("a", 2)], Verdict(duplicated=1), id="a row came twice"
        ),
        pytest.param(
            [batch("a", 1, 2)] * 2,
            [row("a", 1), row("a", 2)],
            Verdict(duplicated=1),
            id="a batch is in the ledger twice",
        ),
        pytest.param(
            [batch("a", 1, 2)], [row("a", 1), row("a", 2, value="old")], Verdict(stale=1), id="a record is another"
        ),
        pytest.param(
            [batch("a", 1, 3)],
            [row("a", 1), row("a", 2), row("a", 3)],
            Verdict(stale=1),
            id="a deleted record is there",
        ),
        pytest.param(
            [batch("a", 1, 2)],
            [row("a", 1), row("a", 2), row("b", 2)],
            Verdict(stale=1),
            id="rows without a ledger row",
        ),
    ],
)
def test_each_difference_from_the_truth_is_counted(
    batches: list[BatchRow], rows: list[RawRow], expected: Verdict
) -> None:
    assert judge(stream(Snapshot()), batches, rows, truth(row("a", 1), row("a", 2))) == expected


def test_a_newer_snapshot_replaces_the_older_one_whole() -> None:
    rows = [row("old", 1), row("old", 2), row("new", 1, value="y")]

    assert judge(stream(Snapshot()), [batch("old", 1, 2), batch("new", 2, 1)], rows, truth(rows[2])).good


def test_a_newer_window_replaces_what_it_covers_and_leaves_the_rest() -> None:
    window = Window(at="at", start="from", end="to")
    rows = [row("old", 1, at=1), row("old", 2, at=5), row("new", 3, at=6)]
    batches = [batch("old", 1, 2, day(1), day(8)), batch("new", 2, 1, day(4), day(8))]

    assert judge(stream(window), batches, rows, truth(rows[0], rows[2])).good


def test_the_newest_version_of_an_exported_record_is_current() -> None:
    rows = [row("old", 1, at=5, value="new"), row("new", 1, at=2, value="old")]

    assert judge(stream(SavedCursor()), [batch("old", 1, 1), batch("new", 2, 1)], rows, truth(rows[0])).good


def test_every_site_that_a_batch_passes_is_dealt_equally_often() -> None:
    deck = Deck(random.Random(1))
    passes = dict.fromkeys(LOAD, 2) | {Site.COPY: 0}

    dealt = Counter(deck.deal(LOAD, passes).site for _ in range(4 * 5))

    assert dealt == {site: 4 for site in LOAD if site is not Site.COPY}
