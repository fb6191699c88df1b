"""Page streams are read side by side and come out in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catchment.extract.pipeline import in_order


def chain(number: int, length: int, fail_at: int | None = None) -> Iterator[tuple[int, int]]:
    for item in range(length):
        if item == fail_at:
            raise RuntimeError(f"chain {number}")
        yield number, item


def page_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("pages")]


@settings(deadline=None, max_examples=50)
@given(lengths=st.lists(st.integers(0, 6), max_size=12), parallel=st.integers(1, 4), ahead=st.integers(1, 3))
def test_all_items_come_once_chain_by_chain(lengths: list[int], parallel: int, ahead: int) -> None:
    chains = [partial(chain, number, length) for number, length in enumerate(lengths)]
    items = list(in_order(chains, parallel=parallel, ahead=ahead))
    assert items == [(number, item) for number, length in enumerate(lengths) for item in range(length)]
    assert page_threads() == []


@settings(deadline=None, max_examples=30)
@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=9), where=st.data(), parallel=st.integers(1, 3))
def test_an_error_surfaces_and_what_came_before_it_is_in_order_and_no_thread_is_left(
    lengths: list[int], where: st.DataObject, parallel: int
) -> None:
    broken = where.draw(st.integers(0, len(lengths) - 1))
    at = where.draw(st.integers(0, lengths[broken] - 1))
    chains = [partial(chain, n, length, at if n == broken else None) for n, length in enumerate(lengths)]
    seen: list[tuple[int, int]] = []
    with pytest.raises(RuntimeError, match=f"chain {broken}"):
        seen.extend(in_order(chains, parallel=parallel))
    before = [(number, item) for number, length in enumerate(lengths[:broken]) for item in range(length)]
    assert seen == [*before, *((broken, item) for item in range(at))][: len(seen)]
    assert page_threads() == []


def test_a_refusal_in_one_stream_surfaces_while_a_sibling_waits() -> None:
    """Found by reading (main path, "The first error ends it"): a 401 in one stream came up only after a sibling's
    back-off of seconds to minutes. Right: at once, and the sibling's wait ends."""
    cancelled = threading.Event()

    def waits() -> Iterator[int]:
        assert cancelled.wait(20), "the wait was not ended"
        raise RuntimeError("a request after the end")
        yield 0

    def refused() -> Iterator[int]:
        raise PermissionError("401")
        yield 0

    began = time.monotonic()
    with pytest.raises(PermissionError):
        list(in_order([waits, refused], parallel=2, on_error=cancelled.set))
    assert time.monotonic() - began < 10
    assert page_threads() == []


def test_no_chain_is_begun_after_an_error() -> None:
    begun: list[int] = []
    gate = threading.Event()

    def counted(number: int) -> Iterator[int]:
        begun.append(number)
        assert gate.wait(5)
        time.sleep(0.05)
        if number == 0:
            raise RuntimeError("the first chain")
        yield number

    def released() -> Iterator[Callable[[], Iterator[int]]]:
        yield partial(counted, 0)
        gate.set()
        yield from (partial(counted, number) for number in range(1, 4))

    with pytest.raises(RuntimeError, match="the first chain"):
        list(in_order(released(), parallel=1))
    assert begun == [0]


def test_a_chain_is_read_only_a_few_items_ahead() -> None:
    read: list[int] = []

    def endless() -> Iterator[int]:
        number = 0
        while True:
            read.append(number)
            yield number
            number += 1

    items = in_order([endless], parallel=2, ahead=3)
    assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
    threading.Event().wait(0.05)
    assert len(read) <= 5 + 3 + 2
    items.close()
    assert page_threads() == []


def test_a_chain_is_read_four_items_ahead_unless_said_otherwise() -> None:
    read: list[int] = []

    def noted() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    items = in_order([noted], parallel=1)
    assert next(items) == 0
    threading.Event().wait(0.1)
    assert len(read) <= 1 + 4 + 1  # one was taken, four wait, one is in hand
    items.close()


def test_only_so_many_chains_are_held_at_a_time() -> None:
    begun: list[int] = []
    listed: list[int] = []

    def noted(number: int) -> Iterator[int]:
        begun.append(number)
        yield number

    def listing() -> Iterator[Callable[[], Iterator[int]]]:
        for number in range(100):
            listed.append(number)
            yield partial(noted, number)

    items = in_order(listing(), parallel=2, ahead=1)
    assert next(items) == 0
    threading.Event().wait(0.05)
    assert max(begun) < 4
    assert listed == [0, 1, 2, 3]
    assert list(items) == list(range(1, 100))


def test_an_error_while_chains_are_listed_surfaces() -> None:
    def listing() -> Iterator[Callable[[], Iterator[int]]]:
        yield lambda: iter([1])
        raise RuntimeError("the parent's batch")

    with pytest.raises(RuntimeError, match="the parent's batch"):
        list(in_order(listing(), parallel=2))
    assert page_threads() == []
