"""A landing that fails for a moment costs a try, never a record.

Found by `test_truth.py`: S3 refused the last part of a checkpoint, the reading's clean-up sealed the checkpoint once
more without that part, and the cursor went past its records. The same kind in public: connectors that emit a checkpoint
for records that their destination had not flushed.
"""

from __future__ import annotations

import contextlib
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from catchment.errors import LandingUnavailable, RateLimited
from catchment.extract.run import Sealing
from tests.support.make import batch
from tests.support.readings import EXPORT, MOVES, PAGES, Stack


@settings(deadline=None, max_examples=100)
@given(
    name=st.sampled_from((EXPORT.name, MOVES.name)),
    pieces=st.integers(1, 4),
    refused=st.none() | st.integers(0, 9),
    outages=st.lists(st.integers(0, 12), min_size=1, max_size=4),
)
def test_a_call_that_fails_once_loses_nothing(name: str, pieces: int, refused: int | None, outages: list[int]) -> None:
    stack = Stack()
    of = batch(name)
    for outage in outages:
        calls = itertools.count()
        stack.store.fails = lambda verb, key, calls=calls, outage=outage: next(calls) == outage
        stack.vendor.refuses = {} if refused is None else {refused: RateLimited("wait")}
        with contextlib.suppress(LandingUnavailable, RateLimited):
            stack.run(of, Sealing(pieces=pieces))
        stack.store.fails = lambda verb, key: False
        stack.vendor.refuses = {}
    assert stack.run(of, Sealing(pieces=pieces)).complete
    stream = EXPORT if name == EXPORT.name else MOVES
    assert stack.ids(stream)[:PAGES] == list(range(PAGES))
