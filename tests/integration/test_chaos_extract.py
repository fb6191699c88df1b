"""A small chaos run on the real local parts, and the judge that a run trusts."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bench.chaos.again import pages_again
from bench.chaos.judge import BatchRow, RawRow, judge
from bench.chaos.points import LOAD, Deck, Site
from bench.verdict import Verdict
from catchment.reads.http_export import CursorExport, TimeExport
from catchment.reads.http_list import Dates, HttpList, Window
from catchment.reads.protocol import Read
from catchment.spec import Stream

ROOT = Path(__file__).parents[2]
STREAMS = ("google_sheets.account_owners", "chartmogul.customers", "chartmogul.subscriptions", "zendesk.ticket_events")


@pytest.mark.timeout(280)
def test_workers_that_are_killed_and_run_again_leave_the_truth_in_the_warehouse() -> None:
    command = [sys.executable, "-m", "bench.chaos_extract", "--points", "12", "--intervals", "2", "--streams", *STREAMS]
    environment = {**os.environ, "PYTHONPATH": f".{os.pathsep}plugins"}

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    last = json.loads(done.stdout.splitlines()[-1])
    assert last.pop("checkpoints") > 0
    assert last.pop("pages_read_again") > 0
    assert last == {"kill_points": 12, "fired": 12, "lost": 0, "duplicated": 0, "stale": 0}


def day(number: int) -> datetime:
    return datetime(2026, 3, number, tzinfo=UTC)


LIST = HttpList(path="things", records="entries")
WINDOW = HttpList(path="things", records="entries", dates=Dates("from", "to"), window=Window("at", slice=timedelta(5)))
EXPORT = CursorExport(path="things", records="entries")


def stream(read: Read) -> Stream:
    return Stream(name="things", key=("id",), read=read, version="at")


def batch(name: str, as_of: int, rows: int, *window: datetime, **fields: Any) -> BatchRow:
    return BatchRow(name, day(as_of), rows, *window, **fields)


def row(of: str, number: int, at: int = 1, value: str = "x", file: str = "a1-part-0", asked: int = 1) -> RawRow:
    record = {"id": number, "at": day(at).isoformat(), "value": value}
    return RawRow(of, (number,), record, f"{of}/{file}.jsonl.zst", number, day(asked))


def truth(*rows: RawRow) -> Mapping[tuple[Any, ...], Any]:
    return {row.key: row.record for row in rows}


def test_a_warehouse_that_holds_the_truth_is_found_good() -> None:
    rows = [row("a", 1), row("a", 2)]

    assert judge(stream(LIST), [batch("a", 1, 2)], rows, truth(*rows)) == Verdict()


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
    assert judge(stream(LIST), batches, rows, truth(row("a", 1), row("a", 2))) == expected


def test_a_newer_snapshot_replaces_the_older_one_whole() -> None:
    rows = [row("old", 1), row("old", 2), row("new", 1, value="y")]

    assert judge(stream(LIST), [batch("old", 1, 2), batch("new", 2, 1)], rows, truth(rows[2])).good


def test_a_list_of_an_older_moment_that_is_loaded_later_is_not_current() -> None:
    rows = [row("newer", 1, value="y"), row("older", 1), row("older", 2)]
    batches = [
        batch("newer", 2, 1, extracted_at=day(2)),
        batch("older", 1, 2, extracted_at=day(3)),
        batch("unfinished", 4, 0, complete=False),
    ]

    assert judge(stream(LIST), batches, rows, truth(rows[0])).good


def test_a_newer_window_replaces_what_it_covers_and_leaves_the_rest() -> None:
    rows = [row("old", 1, at=1), row("old", 2, at=5), row("new", 3, at=6)]
    batches = [batch("old", 1, 2, day(1), day(8)), batch("new", 2, 1, day(4), day(8))]

    assert judge(stream(WINDOW), batches, rows, truth(rows[0], rows[2])).good


@pytest.mark.parametrize(
    ("again", "duplicated"),
    [
        pytest.param(replace(row("a", 1), row=9), 0, id="a day that two slices share"),
        pytest.param(row("a", 1), 1, id="a line that was loaded twice"),
        pytest.param(row("a", 1, file="b2-part-0"), 1, id="a record from two attempts"),
    ],
)
def test_what_a_window_may_hold_twice(again: RawRow, duplicated: int) -> None:
    rows = [row("a", 1), again]

    verdict = judge(stream(WINDOW), [batch("a", 1, 2, day(1), day(8))], rows, truth(rows[0]))

    assert verdict == Verdict(duplicated=duplicated)


def test_the_newest_version_of_an_exported_record_is_current() -> None:
    rows = [row("old", 1, at=5, value="new"), row("new", 1, at=2, value="old")]

    assert judge(stream(EXPORT), [batch("old", 1, 1), batch("new", 2, 1)], rows, truth(rows[0])).good


def test_of_equal_versions_the_one_asked_for_last_is_current() -> None:
    rows = [row("old", 1, value="new", asked=3), row("new", 1, value="old", asked=2)]

    assert judge(stream(EXPORT), [batch("old", 1, 1), batch("new", 2, 1)], rows, truth(rows[0])).good


@pytest.mark.parametrize(
    ("read", "asked", "before", "after", "again"),
    [
        pytest.param(EXPORT, ["?start_time=0", "?cursor=c1"], None, None, 2, id="nothing was loaded"),
        pytest.param(EXPORT, ["?cursor=c1", "?cursor=c2"], "c1", "c1", 2, id="nothing more was loaded"),
        pytest.param(EXPORT, ["?cursor=c1", "?cursor=c2", "?cursor=c3"], "c1", "c2", 2, id="one page was"),
        pytest.param(EXPORT, ["?cursor=c1", "?cursor=c2"], "c1", "c3", 0, id="all was"),
        pytest.param(
            TimeExport(path="things", records="entries"), ["?start_time=5", "?start_time=7"], "5", "7", 1, id="by time"
        ),
        pytest.param(
            WINDOW,
            ["?from=2026-03-06", "?from=2026-03-01", "?from=2026-03-11&cursor=x"],
            None,
            "2026-03-06T00:00:00+00:00",
            2,
            id="slices side by side",
        ),
    ],
)
def test_pages_beyond_what_was_loaded_are_read_again(
    read: Read, asked: list[str], before: str | None, after: str | None, again: int
) -> None:
    assert pages_again(read, asked, before, after) == again


def test_every_site_that_a_batch_passes_is_dealt_equally_often() -> None:
    deck = Deck(random.Random(1))
    passes = dict.fromkeys(LOAD, 2) | {Site.COPY: 0}

    dealt = Counter(deck.deal(LOAD, passes).site for _ in range(4 * 5))

    assert dealt == {site: 4 for site in LOAD if site is not Site.COPY}
