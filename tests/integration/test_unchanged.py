"""Lists that are read whole and were as before: no new rows, and every batch keeps what it held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.chaos.stack import running
from catchment.batch import Batch
from catchment.landing import Manifest, Parts, Store, checkpoint_prefix, write_manifest
from catchment.platform import LANDING_BUCKET, Platform
from catchment.sources import source
from catchment.warehouse.load import Loaded, load
from catchment.warehouse.names import LEDGER
from catchment.warehouse.session import Session

PLANS = source("chartmogul").stream("plans")
HELD = f"""
SELECT L.BATCH_ID, R.RECORD_CONTENT:id::NUMBER
FROM {LEDGER} L INNER JOIN RAW.CHARTMOGUL.PLANS R ON R.BATCH_ID = COALESCE(L.SAME_AS, L.BATCH_ID)
ORDER BY 1, 2
"""


class Loads:
    """Lands lists of plans as batches of one day each and loads them."""

    def __init__(self, store: Store, session: Session) -> None:
        self.store, self.session, self.reads = store, session, 0

    def load(self, day: int, ids: tuple[int, ...]) -> Loaded:
        start = datetime(2026, 3, 1, 2, tzinfo=UTC) + timedelta(days=day)
        batch = Batch(source="chartmogul", stream="plans", start=start, end=start + timedelta(days=1))
        self.reads += 1
        with Parts(self.store, checkpoint_prefix(batch, 0)) as parts:
            if ids:
                parts.add(b"".join(b'{"id":%d}\n' % number for number in ids), len(ids))
        manifest = Manifest(
            batch_id=batch.id,
            batch=batch.id,
            checkpoint=0,
            complete=True,
            attempt=f"incremental-{self.reads}",
            current=PLANS.read.current,
            key=PLANS.key,
            record_format=PLANS.read.record_format,
            as_of=datetime(2026, 4, 1, tzinfo=UTC) + timedelta(seconds=self.reads),
            source=batch.source,
            stream=batch.stream,
            kind="scheduled",
            mode="incremental",
            interval_start=batch.start,
            interval_end=batch.end,
            extracted_at=datetime(2026, 4, 1, tzinfo=UTC) + timedelta(seconds=self.reads),
            files=tuple(parts.files),
            rows=len(ids),
        )
        return load(self.session, self.store, write_manifest(self.store, manifest, checkpoint_prefix(batch, 0)))

    def query(self, sql: str) -> list[Any]:
        with closing(self.session.cursor()) as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def held(self) -> list[tuple[int, ...]]:
        """The ids that each batch holds, oldest interval first; a batch without any is left out."""
        found: dict[str, list[int]] = {}
        for batch, number in self.query(HELD):
            found.setdefault(batch, []).append(int(number))
        return [tuple(ids) for _, ids in sorted(found.items())]

    def rows(self) -> list[Any]:
        return self.query("SELECT * FROM RAW.CHARTMOGUL.PLANS ORDER BY BATCH_ID, RECORD_CONTENT:id::NUMBER")

    def forget(self) -> None:
        for table in (LEDGER, "RAW.CHARTMOGUL.PLANS"):
            self.query(f"DELETE FROM {table}")


@pytest.fixture(scope="module")
def loads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loads]:
    with running(tmp_path_factory.mktemp("unchanged"), seed=1, scale=0.1, first_port=0) as stack:
        platform = Platform.from_connections(stack.connections.__getitem__, bucket=LANDING_BUCKET)
        with closing(platform.open_session("test")) as session:
            yield Loads(platform.store, session)


@pytest.fixture(autouse=True)
def empty(loads: Loads) -> None:
    loads.forget()


def test_an_unchanged_list_brings_no_rows_and_is_in_the_ledger(loads: Loads) -> None:
    first = loads.load(1, (1, 2))
    again = loads.load(2, (1, 2))
    assert (first.rows, again.rows) == (2, 0)
    assert again.same_as is not None
    assert len(loads.rows()) == 2
    assert loads.held() == [(1, 2), (1, 2)]


def test_a_batch_that_is_run_again_three_times_leaves_the_same_rows(loads: Loads) -> None:
    loads.load(1, (1, 2))
    loads.load(2, (1, 2))
    before = loads.rows()
    for _ in range(3):
        loads.load(1, (1, 2))
    assert loads.rows() == before


def test_running_a_batch_again_restores_what_somebody_deleted(loads: Loads) -> None:
    loads.load(1, (1, 2, 3))
    loads.query("DELETE FROM RAW.CHARTMOGUL.PLANS WHERE RECORD_CONTENT:id::NUMBER = 2")
    loads.load(1, (1, 2, 3))
    assert loads.held() == [(1, 2, 3)]


LISTS = st.sampled_from([(), (1,), (1, 2), (1, 3), (2, 3)])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 4), LISTS), min_size=2, max_size=8))
def test_in_any_order_every_batch_holds_what_was_read_last(
    loads: Loads, batches: list[tuple[int, tuple[int, ...]]]
) -> None:
    loads.forget()
    truth: dict[int, tuple[int, ...]] = {}
    for day, ids in batches:
        loads.load(day, ids)
        truth[day] = ids
        assert loads.held() == [ids for _, ids in sorted(truth.items()) if ids]
