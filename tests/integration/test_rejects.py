"""Rejects of exports that are read again, on the real SQL: a reject goes when its record comes again, and not before.

Found in review: an export of Monday is cleared on Wednesday and the vendor's limit ends it half way. The rejects of
what it did not reach had been deleted, and Tuesday's cursor was beyond them: nobody would name these records again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from catchment.landing import Parts, checkpoint_prefix, read_manifest, write_manifest
from catchment.spec import SourceSpec
from catchment.warehouse.load import Loaded
from catchment.warehouse.names import REJECTS
from tests.support.make import batch, source, stream
from tests.support.sql_warehouse import SqlStack, SqlWarehouse, sql_stack
from tests.unit.test_session import landed

NO_DATE = '{"id":7,"subject":"no date"}'
CUT = '{"id":8,"subject":"cut \\\\ud83d"'
SPEC: SourceSpec = source(stream("tickets"))
BATCH = batch("tickets", source=SPEC.name)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStack]:
    with sql_stack(tmp_path_factory.mktemp("rejects"), SPEC) as stack:
        yield stack


class Readings:
    """Loads readings of one batch: its good records by id, and its rejects."""

    def __init__(self, stack: SqlStack) -> None:
        self._stack = stack
        self._store, key = landed()
        self._like = read_manifest(self._store, key)
        self._warehouse = SqlWarehouse(stack, SPEC.name, self._store)

    def load(self, ids: Sequence[int], rejects: Sequence[tuple[str, str]] = (), *, day: int = 1) -> Loaded:
        of = batch("tickets", source=SPEC.name, day=day)
        prefix = checkpoint_prefix(of, 0)
        with Parts(self._store, prefix) as parts, Parts(self._store, prefix, "rejects") as rejected:
            for number in ids:
                parts.add(b'{"id":%d}\n' % number, 1)
            for reason, record in rejects:
                rejected.add(json.dumps({"reason": reason, "record": record}).encode() + b"\n", 1)
        manifest = replace(
            self._like,
            batch_id=of.id,
            batch=of.id,
            source=SPEC.name,
            files=tuple(parts.files),
            rejects=tuple(rejected.files),
            rows=len(ids),
            rejected=len(rejects),
        )
        return self._warehouse.load(write_manifest(self._store, manifest, prefix))

    def rejects(self) -> list[tuple[Any, ...]]:
        return sorted(self._stack.rows(f"SELECT BATCH_ID, REASON, RECORD FROM {REJECTS}"))


def test_rejects_stay_when_a_reading_stops_earlier(stack: SqlStack) -> None:
    readings = Readings(stack)
    readings.load([1], [("no date", NO_DATE), ("not JSON", CUT)])
    again = readings.load([1])
    assert again == Loaded(rows=1, rejected=0)
    assert readings.rejects() == [(BATCH.id, "no date", NO_DATE), (BATCH.id, "not JSON", CUT)]


def test_a_reject_is_not_there_twice(stack: SqlStack) -> None:
    readings = Readings(stack)
    for _ in range(3):
        readings.load([1], [("no date", NO_DATE), ("not JSON", CUT), ("a gap: 12:00", "")])
    assert len(readings.rejects()) == 3


def test_a_record_that_was_fixed_is_no_reject_any_more(stack: SqlStack) -> None:
    readings = Readings(stack)
    readings.load([1], [("no date", NO_DATE), ("not JSON", CUT)])
    readings.load([1, 7])
    assert readings.rejects() == [(BATCH.id, "not JSON", CUT)]


def test_a_reject_that_the_export_repeats_each_night_is_told_once(stack: SqlStack) -> None:
    """An independent simulator: an export's bound is inclusive, so each night begins with the records of the last
    second of the night before. One of them was bad: the task was red each night until something newer came. Right: red
    once, and again for a record that is bad in another way."""
    readings = Readings(stack)
    assert readings.load([1], [("no date", NO_DATE)]).new_rejects == 1
    assert readings.load([1], [("no date", NO_DATE)], day=2).new_rejects == 0
    assert readings.load([1], [("no date", NO_DATE), ("not JSON", CUT)], day=3).new_rejects == 1
    assert len(readings.rejects()) == 4


def test_a_gap_stays_beside_another(stack: SqlStack) -> None:
    readings = Readings(stack)
    readings.load([1], [("a gap: 12:00", "")])
    readings.load([1], [("a gap: 13:00", "")])
    assert [reason for _, reason, _ in readings.rejects()] == ["a gap: 12:00", "a gap: 13:00"]


def test_a_reject_that_stayed_does_not_hide_a_new_one(stack: SqlStack) -> None:
    """Review: what an earlier reading left, and another batch had too, was counted against this reading's own."""
    readings = Readings(stack)
    readings.load([1], [("not JSON", CUT)], day=5)
    readings.load([1], [("not JSON", CUT)])
    assert readings.load([1], [("no date", NO_DATE)]).new_rejects == 1
