"""Several chains of pages read side by side, their pages in the chains' order.

The order is kept so that a batch read twice lands the same files. Each chain may be a few pages ahead of the one that
is being written; memory is bounded by `2 * parallel * ahead` pages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Full, Queue
from threading import Event
from typing import Generic, TypeVar

Item = TypeVar("Item")
Chain = Callable[[], Iterator[Item]]


class _End:
    """Marks a chain's end, with the error that ended it, if one did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Lane(Generic[Item]):
    """One chain being read by a thread into a short queue.

    `stop` ends chains under way. `broken` only keeps later ones from being begun: earlier ones still have to be drained
    before its error is raised.
    """

    def __init__(self, chain: Chain[Item], ahead: int, stop: Event, broken: Event) -> None:
        self._chain = chain
        self._queue: Queue[Item | _End] = Queue(ahead)
        self._stop = stop
        self._broken = broken

    def fill(self) -> None:
        if self._stop.is_set() or self._broken.is_set():
            return
        try:
            for item in self._chain():
                if not self._put(item):
                    return
            self._put(_End())
        except BaseException as error:
            self._broken.set()
            self._put(_End(error))

    def drain(self) -> Iterator[Item]:
        while True:
            item = self._queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _put(self, item: Item | _End) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.2)
                return True
            except Full:
                continue
        return False


def in_order(chains: Iterable[Chain[Item]], *, parallel: int, ahead: int = 4) -> Iterator[Item]:
    """The items of all chains, chain by chain, up to `parallel` of them being read at a time.

    The first error ends it: chains under way are told to stop, none is begun, and the error is raised.
    """
    stop, broken = Event(), Event()
    rest = iter(chains)
    lanes: deque[_Lane[Item]] = deque()
    with ThreadPoolExecutor(parallel, thread_name_prefix="pages") as pool:

        def begin() -> None:
            for chain in rest:
                lane = _Lane(chain, ahead, stop, broken)
                lanes.append(lane)
                pool.submit(lane.fill)
                return

        try:
            for _ in range(2 * parallel):  # the second half waits for a thread, so that none is ever idle
                begin()
            while lanes:
                yield from lanes[0].drain()
                lanes.popleft()
                begin()
        finally:
            stop.set()
