"""A small chaos run on the real parts of change data capture, and what a run trusts: judge, texts, workload, proofs."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any

import pytest

from bench.chaos_cdc.faults import PARTS, Breaker, Fault, How, deal, state
from bench.chaos_cdc.judge import Key, Row, Values, audit, compare, transactions
from bench.chaos_cdc.texts import text
from bench.chaos_cdc.values import Column, value
from bench.chaos_cdc.workload import BEYOND, Carry, Lane, Table, Transaction, Undone, Write
from bench.verdict import Verdict
from catchment.cdc.declared import application
from local.services.service import StatusHealth

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(900)
def test_what_was_written_while_the_parts_were_broken_is_in_the_warehouse_row_by_row() -> None:
    small = ("--faults", "6", "--lanes", "1", "--bulk", "3000", "--scale", "0.05")
    command = [sys.executable, "-m", "bench.chaos_cdc", *small]
    environment = {**os.environ, "PYTHONPATH": f".{os.pathsep}plugins"}

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
    last = json.loads(done.stdout.splitlines()[-1])
    assert last == {"faults": 6, "fired": 6, "lost": 0, "duplicated": 0, "stale": 0}


# --- the judge ------------------------------------------------------------------------------------------------------

TRUTH = {("1",): Row(("1", "a"), 10), ("2",): Row(("2", None), 11)}
HELD: list[tuple[Key, Values]] = [(key, row.values) for key, row in TRUTH.items()]


def judged(found: list[tuple[Key, Values]], came: set[tuple[Key, int]] = frozenset()) -> Verdict:
    return compare(("id", "name"), TRUTH, found, lambda: came)


def test_a_warehouse_that_holds_the_shards_rows_is_found_good() -> None:
    assert judged(HELD).good


@pytest.mark.parametrize(
    ("found", "came", "expected"),
    [
        pytest.param(HELD[:1], set(), Verdict(lost=1), id="a row whose change never came"),
        pytest.param(HELD[:1], {(("2",), 11)}, Verdict(stale=1), id="a row whose change was not merged"),
        pytest.param([HELD[0], (("2",), ("2", "old"))], {(("2",), 9)}, Verdict(lost=1), id="the last change is lost"),
        pytest.param([HELD[0], (("2",), ("2", "old"))], {(("2",), 11)}, Verdict(stale=1), id="an older value"),
        pytest.param([HELD[0], (("2",), ("2", ""))], {(("2",), 11)}, Verdict(stale=1), id="empty is not NULL"),
        pytest.param([*HELD, (("3",), ("3", "x"))], set(), Verdict(stale=1), id="a row that was deleted"),
        pytest.param([*HELD, HELD[0], HELD[0]], set(), Verdict(duplicated=2), id="a key three times"),
        pytest.param([], set(), Verdict(lost=2), id="nothing at all"),
    ],
)
def test_each_difference_of_rows_is_counted(
    found: list[tuple[Key, Values]], came: set[tuple[Key, int]], expected: Verdict
) -> None:
    assert judged(found, came) == expected


def test_an_example_says_what_differs() -> None:
    (example,) = judged([HELD[0], (("2",), ("2", "old"))]).examples
    assert example == "lost 2: name is 'old', not None"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([(0, 1), (0, 2), (1, 1)], Verdict()),
        ([(0, 1), (0, 2)], Verdict(lost=1)),
        ([(0, 1), (0, 2), (1, 1), (0, 2)], Verdict(duplicated=1)),
        ([(0, 1), (0, 2), (1, 1), (0, 3)], Verdict(stale=1)),
    ],
)
def test_raw_has_each_record_of_kafka_once(raw: list[tuple[int, int]], expected: Verdict) -> None:
    assert audit({(0, 1), (0, 2), (1, 1)}, raw) == expected


def test_a_transaction_of_which_nothing_came_is_lost() -> None:
    assert transactions({1, 2, 3}, {2, 3, 4}) == Verdict(lost=1)


# --- texts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "printed", "fetched"),
    [
        ("bigint", "9007199254740993", 9007199254740993),
        ("numeric(18,4)", "-0.1000", Decimal("-0.1")),
        ("numeric(18,4)", "NaN", "NaN"),
        ("double precision", "5e-324", 5e-324),
        ("double precision", "-Infinity", float("-inf")),
        ("double precision", "NaN", float("nan")),
        ("boolean", "true", True),
        ("date", "0001-01-01", "0001-01-01"),
        ("date", "infinity", "infinity"),
        ("timestamp", "1969-12-31 23:59:59.5", "1969-12-31 23:59:59.500000"),
        ("timestamptz", "2024-06-30 18:14:59.5+00", "2024-06-30 18:14:59.500000+00:00"),
        ("timestamptz", "2024-06-30 18:14:59+00", "2024-06-30 19:14:59.000000+01:00"),
        ("timestamptz", "-infinity", "-infinity"),
        ("jsonb", '{"b": 1.50, "a": [18446744073709551617, null]}', '{"a":[18446744073709551617,null],"b":1.5}'),
        ("integer[]", "[1,null]", "[1, null]"),
        ("bytea", "\\x00FF", "00ff"),
        ("text", "\\u0000", "\\u0000"),
    ],
)
def test_a_value_has_one_text_from_both_sides(kind: str, printed: str, fetched: Any) -> None:
    assert text(kind, printed) == text(kind, fetched)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("jsonb", '{"n": 9007199254740993}', '{"n": 9007199254740992}'),
        ("jsonb", '{"n": 1}', '{"n": "1"}'),
        ("jsonb", "null", None),
        ("numeric(18,4)", "0.0001", "0"),
        ("double precision", "0.1", "0.10000000000000002"),
        ("timestamptz", "2024-06-30 18:14:59.000001+00", "2024-06-30 18:14:59+00"),
        ("text", "", None),
        ("text", " a", "a"),
    ],
)
def test_different_values_have_different_texts(kind: str, one: str, other: str | None) -> None:
    assert text(kind, one) != text(kind, other)


# --- the workload ---------------------------------------------------------------------------------------------------

TABLES = tuple(
    Table(
        table.name,
        table.key,
        tuple(Column(n, k, n not in table.key, ("a", "b") if k == "enum" else ()) for n, k in table.columns.items()),
        {"s0": (("1",) if len(table.key) == 1 else ("1", "2026-01-01 00:00:00+00"),)},
    )
    for table in application().database("application").tables
)


def planned(number: int, seed: int = 1) -> list[Transaction]:
    lane = Lane(seed, number, "s0", ("s0", "s1"), TABLES, bulk=0 if number else 50_000)
    return list(itertools.islice(lane, 1000))


def test_a_seed_decides_the_workload_and_another_seed_another() -> None:
    assert planned(1) == planned(1)
    assert planned(1) != planned(1, seed=2)
    assert planned(1) != planned(2)


def test_every_kind_of_change_happens() -> None:
    done = planned(0)
    kinds = Counter(kind for transaction in done for kind in transaction.kinds)
    wanted = {
        *("insert", "update", "update_small", "update_nothing", "update_shared", "delete", "insert_again", "truncate"),
        *("change_key", "change_key_twice", "move_partition", "move_shard", "change_often", "come_and_go"),
        *("undo_a_part", "add_partition", "change_many", "bulk"),
    }
    assert set(kinds) == wanted
    assert kinds["bulk"] == 1
    assert sum(not transaction.commits for transaction in done) > 50
    assert any(len(transaction.kinds) > 2 for transaction in done)


def test_rows_move_to_the_other_shard_and_back() -> None:
    carried = [(t.shard, step.to) for t in planned(0) for step in t.steps if isinstance(step, Carry)]
    assert {("s0", "s1"), ("s1", "s0")} == set(carried)


def test_two_lanes_never_write_the_same_new_key() -> None:
    def ids(number: int) -> set[str]:
        steps = [step for t in planned(number) for step in t.steps]
        writes = [w for s in steps for w in (s.writes if isinstance(s, Undone) else (s,)) if isinstance(w, Write)]
        return {str(w.values[0]) for w in writes if w.sql.startswith("INSERT") and "generate_series" not in w.sql}

    first, second, third = ids(0), ids(1), ids(2)
    assert len(first | second | third) == len(first) + len(second) + len(third)
    assert any(int(number) > BEYOND for number in second)


def test_values_are_odd_at_times_in_every_type() -> None:
    draw = Random(1)
    for table in TABLES:
        for column in table.columns:
            assert len({value(draw, column) for _ in range(300)}) > (1 if column.kind in ("enum", "boolean") else 8)
    odd = {value(draw, Column("x", "jsonb")) for _ in range(2000)}
    assert any("18446744073709551617" in (document or "") for document in odd)
    assert max(len(document or "") for document in odd) > 8_000


# --- faults ---------------------------------------------------------------------------------------------------------


def test_every_part_is_killed_and_frozen_equally_often() -> None:
    faults = deal(Random(1), 36)
    assert Counter((fault.part, fault.how) for fault in faults) == {(p, how): 3 for p in PARTS for how in How}
    assert faults == deal(Random(1), 36) != deal(Random(2), 36)


class Sleeper:
    """A stack of one part that writes its status twice a second; started again when it was killed, unless `dead`."""

    def __init__(self, status: Path, *, dead: bool = False, deaf: bool = False) -> None:
        self.status, self.dead, self.deaf = status, dead, deaf
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        code = (
            "import datetime, json, pathlib, sys, time\n"
            "while True:\n"
            "    at = datetime.datetime.now(datetime.UTC).isoformat()\n"
            "    pathlib.Path(sys.argv[1]).write_text(json.dumps({'at': at, 'problem': None}))\n"
            "    time.sleep(0.1)\n"
        )
        return subprocess.Popen([sys.executable, "-c", code, str(self.status)])

    def pid(self, name: str) -> int:
        return self.process.pid

    def kill(self, name: str) -> None:
        if self.deaf:
            return
        self.process.kill()
        self.process.wait()
        if not self.dead:
            self.process = self._start()

    def freeze(self, name: str) -> None:
        if not self.deaf:
            self.process.send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self.process.send_signal(signal.SIGCONT)

    def is_up(self, name: str) -> bool:
        return self.process.poll() is None


def broken(sleeper: Sleeper, how: How, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, bool]:
    """Whether the fault was seen, and whether the part worked again."""
    monkeypatch.setattr("bench.chaos_cdc.faults.SEEN_SECONDS", 0.5)
    monkeypatch.setattr("bench.chaos_cdc.faults.BACK_SECONDS", 5.0)
    breaker = Breaker(sleeper, {"p": StatusHealth(sleeper.status)}, {"p": Lock()})
    try:
        outcome = breaker.carry_out(Fault(1, "p", how, seconds=0.5, pause=0))
        assert outcome.fired == (outcome.seen and outcome.back_after is not None)
        assert state(sleeper.process.pid) != "T"
        return outcome.seen, outcome.back_after is not None
    finally:
        sleeper.process.kill()
        sleeper.process.wait()


@pytest.mark.parametrize("how", How)
def test_a_fault_is_seen_and_the_part_works_again(tmp_path: Path, how: How, monkeypatch: pytest.MonkeyPatch) -> None:
    assert broken(Sleeper(tmp_path / "status"), how, monkeypatch) == (True, True)


@pytest.mark.parametrize("how", How)
def test_a_part_that_goes_on_as_if_nothing_were_has_no_fault(
    tmp_path: Path, how: How, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert broken(Sleeper(tmp_path / "status", deaf=True), how, monkeypatch)[0] is False


def test_a_part_that_stays_dead_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.chaos_cdc.faults.BACK_SECONDS", 1.0)
    sleeper = Sleeper(tmp_path / "status", dead=True)
    assert broken(sleeper, How.KILL, monkeypatch) == (True, False)
