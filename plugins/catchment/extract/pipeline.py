"""Several page streams read side by side, their pieces in the streams' order.

The order is kept so that a batch read twice lands the same files. Each stream may be a few pieces ahead of the one that
is being written; memory is bounded by `2 * parallel * ahead` pieces.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, Full, Queue
from threading import Event, Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")
ItemStream = Callable[[], Iterator[Item]]
_LOOK = 0.1
"""Seconds after which a waiting thread looks whether the whole has ended."""


class _End:
    """Marks a stream's end."""


class _Outcome:
    """Whether the whole was told to stop, and the first error."""

    def __init__(self, on_error: Callable[[], object]) -> None:
        self.stop = Event()
        self.error: BaseException | None = None
        self._on_error = on_error
        self._lock = Lock()

    def fail(self, error: BaseException) -> None:
        with self._lock:
            if self.stop.is_set():
                return
            self.error = error
            self.stop.set()
        self._on_error()


class _Worker(Generic[Item]):
    """One stream being read by a thread into a short queue."""

    def __init__(self, stream: ItemStream[Item], ahead: int, outcome: _Outcome) -> None:
        self._stream = stream
        self._queue: Queue[Item | _End] = Queue(ahead)
        self._outcome = outcome

    def fill(self) -> None:
        try:
            if self._outcome.stop.is_set():
                return
            for item in self._stream():
                if not self._put(item):
                    return
            self._put(_End())
        except BaseException as error:
            self._outcome.fail(error)

    def drain(self) -> Iterator[Item]:
        """The stream's items; once any stream has failed, what this one had read, then the first error."""
        while True:
            try:
                item = self._queue.get(timeout=_LOOK)
            except Empty:
                if self._outcome.error is not None:
                    raise self._outcome.error from None
                continue
            if isinstance(item, _End):
                return
            yield item

    def _put(self, item: Item | _End) -> bool:
        while not self._outcome.stop.is_set():
            try:
                self._queue.put(item, timeout=_LOOK)
                return True
            except Full:
                continue
        return False


def in_order(
    streams: Iterable[ItemStream[Item]],
    *,
    parallel: int,
    ahead: int = 4,
    on_error: Callable[[], object] = lambda: None,
) -> Generator[Item]:
    """The items of all streams, stream by stream, up to `parallel` of them being read at a time.

    The first error ends it: `on_error` is called, so that waits of the other streams end at once, none is begun, and
    the error is raised.
    """
    outcome = _Outcome(on_error)
    rest = iter(streams)
    workers: deque[_Worker[Item]] = deque()
    with ThreadPoolExecutor(parallel, thread_name_prefix="pages") as pool:

        def begin() -> None:
            for stream in rest:
                worker = _Worker(stream, ahead, outcome)
                workers.append(worker)
                pool.submit(worker.fill)
                return

        try:
            for _ in range(2 * parallel):  # the second half waits for a thread, so that none is ever idle
                begin()
            while workers:
                yield from workers[0].drain()
                workers.popleft()
                begin()
        finally:
            outcome.stop.set()
