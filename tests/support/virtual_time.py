"""Time that passes when everybody sleeps: threads that wait an hour are tested in a moment."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from threading import Condition, Thread


class VirtualTime:
    """A clock for the threads that `run` starts. `sleep` returns in the order of the moments that it is asked for."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._awake = 0
        self._sleepers: list[tuple[float, int]] = []
        self._asleep = 0
        self._turn: int | None = None
        self._changed = Condition()

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        with self._changed:
            self._asleep += 1
            ticket = self._asleep
            heapq.heappush(self._sleepers, (self._now + max(0.0, seconds), ticket))
            self._awake -= 1
            self._next()
            while self._turn != ticket:
                self._changed.wait()
            self._turn = None
            self._awake += 1

    def run(self, *work: Callable[[], None]) -> None:
        """Run all `work` at once, each in a thread, until all are done. An error of any of them is raised."""
        errors: list[BaseException] = []

        def guarded(task: Callable[[], None]) -> None:
            try:
                self.sleep(0)
                task()
            except BaseException as error:
                errors.append(error)
            finally:
                with self._changed:
                    self._awake -= 1
                    self._next()

        self._awake = len(work)
        threads = [Thread(target=guarded, args=(task,), daemon=True) for task in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=240)
            if thread.is_alive():
                raise TimeoutError("the threads of virtual time wait for ever")
        if errors:
            raise errors[0]

    def _next(self) -> None:
        """Once all sleep, the first to wake is woken: one at a time, so that a run is the same every time."""
        if self._awake == 0 and self._turn is None and self._sleepers:
            self._now, self._turn = heapq.heappop(self._sleepers)
            self._changed.notify_all()
