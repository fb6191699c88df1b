"""What is current is what the vendor said last, whatever runs came in whatever order: on a warehouse in memory.

The world, the runs and the outside reports behind it: `tests/support/histories.py`. The same on the real SQL:
`tests/integration/test_truth_in_sql.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catchment.spec import Stream
from tests.support.histories import HISTORIES, STREAMS, History
from tests.support.memory_warehouse import MemoryWarehouse


def touched(count: int, later: int = 1) -> list[tuple[str, int, int]]:
    return [("touch", key, later) for key in range(count)]


@pytest.mark.parametrize("of", STREAMS, ids=[stream.name for stream in STREAMS])
@settings(deadline=None, max_examples=60)
@given(history=HISTORIES, size=st.integers(2, 4))
def test_never_absent_and_stale_at_most_until_the_next_run(of: Stream, history: list[Any], size: int) -> None:
    History(of, size, MemoryWarehouse).play(history)


@pytest.mark.parametrize(
    ("name", "history"),
    [
        pytest.param(
            "children",
            [("touch", 0, 1), ("next", 0, None), ("touch", 1, 1), ("next", 0, None), ("alone", 0, None)],
            id="Monday's red subscriptions are cleared on Wednesday, and Monday's customers had no customer 1 yet",
        ),
        pytest.param(
            "cursors",
            [*touched(6), ("next", 200, None), *touched(3), ("again", 0, None)],
            id="half of the tickets change, and last night's interval runs again",
        ),
        pytest.param(
            "times",
            [*touched(6), ("next", 200, None), *touched(3), ("again", 0, None)],
            id="half of the organizations change, and last night's interval runs again",
        ),
        pytest.param(
            "times",
            [*touched(8, later=0), ("next", 200, None)],
            id="a flood: more organizations share one second than a page holds",
        ),
    ],
)
def test_what_was_reported(name: str, history: list[Any]) -> None:
    (of,) = (stream for stream in STREAMS if stream.name == name)
    History(of, 2, MemoryWarehouse).play(history)
