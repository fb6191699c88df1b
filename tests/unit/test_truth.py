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
from tests.support.histories import HISTORIES, REPORTED, STREAMS, History
from tests.support.memory_warehouse import MemoryWarehouse


@pytest.mark.parametrize("of", STREAMS, ids=[stream.name for stream in STREAMS])
@settings(deadline=None, max_examples=60)
@given(history=HISTORIES, size=st.integers(2, 4))
def test_never_absent_and_stale_at_most_until_the_next_run(of: Stream, history: list[Any], size: int) -> None:
    History(of, size, MemoryWarehouse).play(history)


@pytest.mark.parametrize(("name", "history"), REPORTED)
def test_what_was_reported(name: str, history: list[Any]) -> None:
    (of,) = (stream for stream in STREAMS if stream.name == name)
    History(of, 2, MemoryWarehouse).play(history)
