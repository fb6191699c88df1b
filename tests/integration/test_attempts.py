"""Two attempts at one batch that overlap, on the real SQL: what the later one brought stays.

An independent simulator: a worker is stopped (a paused container, a zombie task) once it has read all pages; the task
is tried again, reads what has changed since and loads it; then the first worker goes on, writes its manifest and loads.
A record that was current was absent, and others were older than before, until the next night. Right: the earlier
attempt changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from catchment.batch import Batch
from catchment.landing import Parts, checkpoint_prefix, read_manifest, write_manifest
from catchment.reads.http_export import CursorExport
from catchment.spec import Stream
from catchment.warehouse.load import Loaded
from tests.support.make import batch, moment, source, stream
from tests.support.sql_warehouse import SqlStack, SqlWarehouse, sql_stack
from tests.unit.test_session import landed

LIST = stream("things", keep_share=None)
EXPORT = stream("tickets", CursorExport(path="tickets", records="entries"), version="changed")
SPEC = source(LIST, EXPORT)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStack]:
    with sql_stack(tmp_path_factory.mktemp("attempts"), SPEC) as stack:
        yield stack


class Attempts:
    """Loads attempts at one batch of a stream, each begun at an hour, with records and a cursor."""

    def __init__(self, stack: SqlStack, of: Stream) -> None:
        self._stack, self._of = stack, of
        self._store, key = landed()
        self._like = read_manifest(self._store, key)
        self._warehouse = SqlWarehouse(stack, SPEC.name, self._store)
        self.batch: Batch = batch(of.name, source=SPEC.name)

    def load(self, hour: int, *records: dict[str, Any]) -> Loaded:
        prefix = checkpoint_prefix(self.batch, 0)
        with Parts(self._store, prefix) as parts:
            for record in records:
                parts.add(json.dumps(record).encode() + b"\n", 1)
        manifest = replace(
            self._like,
            batch_id=self.batch.id,
            batch=self.batch.id,
            attempt=f"incremental-{hour}",
            source=SPEC.name,
            stream=self._of.name,
            current=self._of.read.current,
            extracted_at=moment(3, hour),
            as_of=moment(3, hour),
            files=tuple(parts.files),
            rows=len(records),
            cursor_to=f"c{hour}",
        )
        return self._warehouse.load(write_manifest(self._store, manifest, prefix))

    def current(self) -> dict[Any, Any]:
        return {key[0]: record["v"] for key, record in self._warehouse.current(self._of).items()}

    def cursor(self) -> str | None:
        return self._warehouse.cursor_state(batch(self._of.name, source=SPEC.name, day=2)).cursor


def record(number: int, v: int) -> dict[str, Any]:
    return {"id": number, "v": v, "changed": 1_000}


@pytest.mark.parametrize("of", [LIST, EXPORT], ids=lambda of: of.name)
def test_an_attempt_that_was_stopped_and_goes_on_changes_nothing(stack: SqlStack, of: Stream) -> None:
    attempts = Attempts(stack, of)
    attempts.load(9, record(1, 2), record(2, 1), record(3, 1))
    late = attempts.load(8, record(1, 1), record(2, 1))
    assert late == Loaded(rows=0, rejected=0, same_as=attempts.batch.id)
    assert attempts.current() == {1: 2, 2: 1, 3: 1}
    assert attempts.cursor() == "c9"


@pytest.mark.parametrize("of", [LIST, EXPORT], ids=lambda of: of.name)
def test_a_later_attempt_and_the_same_one_again_are_loaded(stack: SqlStack, of: Stream) -> None:
    attempts = Attempts(stack, of)
    attempts.load(8, record(1, 1))
    attempts.load(9, record(1, 2))
    attempts.load(9, record(1, 3))
    assert attempts.current() == {1: 3}
    assert attempts.cursor() == "c9"
