"""What is current is what the vendor said last, on the real SQL: loads, ledger and the macros of the models.

The histories are those of `tests/unit/test_truth.py`; each is also played on the warehouse in memory, which was written
apart from the SQL: the two agree after every step. Among them is singer-io/tap-zendesk PR 37, a window that the vendor
fills by another time than was thought. CI plays a few; `make truth`, or `CATCHMENT_EXAMPLES=500`, plays more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from catchment.batch import Batch
from catchment.cursor import CursorState
from catchment.spec import Current, Stream
from tests.support.histories import CHANGES, REPORTED, RUNS, SPEC, STREAMS, History
from tests.support.memory_warehouse import Key, MemoryWarehouse
from tests.support.sql_warehouse import SqlStack, SqlWarehouse, sql_stack
from tests.support.store import MemoryStore

EXAMPLES = int(os.environ.get("CATCHMENT_EXAMPLES", "3"))
SHORT = st.lists(st.one_of(CHANGES, RUNS, RUNS), min_size=8, max_size=12)
pytestmark = pytest.mark.timeout(max(600, 60 * EXAMPLES))


class Both:
    """Keeps `Loads` twice, and says what the SQL says once the two agree."""

    def __init__(self, stack: SqlStack, landing: MemoryStore) -> None:
        self._sql = SqlWarehouse(stack, SPEC.name, landing)
        self._memory = MemoryWarehouse(landing)

    def load(self, key: str) -> None:
        self._sql.load(key)
        self._memory.load(key)

    def cursor_state(self, batch: Batch) -> CursorState:
        state, expected = self._sql.cursor_state(batch), self._memory.cursor_state(batch)
        if SPEC.stream(batch.stream).read.current is Current.NEWEST_VERSION:  # nobody asks this of an export
            expected = replace(expected, rows_before=state.rows_before, newest=state.newest)
        assert state == expected
        return state

    def current(self, stream: Stream) -> Mapping[Key, Mapping[str, Any]]:
        current = self._sql.current(stream)
        assert current == self._memory.current(stream)
        return current


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStack]:
    with sql_stack(tmp_path_factory.mktemp("truth"), SPEC) as stack:
        yield stack


@pytest.mark.parametrize("of", STREAMS, ids=[stream.name for stream in STREAMS])
@settings(
    deadline=None,
    max_examples=EXAMPLES,
    derandomize="CATCHMENT_EXAMPLES" not in os.environ,
    phases=[phase for phase in Phase if phase is not Phase.shrink],  # a second an example: shrink it in memory
    suppress_health_check=list(HealthCheck),
)
@given(history=SHORT, size=st.integers(2, 4))
def test_never_absent_and_stale_at_most_until_the_next_run(
    stack: SqlStack, of: Stream, history: list[Any], size: int
) -> None:
    History(of, size, lambda landing: Both(stack, landing)).play(history)


@pytest.mark.parametrize(("name", "history"), REPORTED)
def test_what_was_reported(stack: SqlStack, name: str, history: list[Any]) -> None:
    (of,) = (stream for stream in STREAMS if stream.name == name)
    History(of, 2, lambda landing: Both(stack, landing)).play(history)
