"""Work that a killed task ends where it runs: in databases and in the warehouse."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def cancellable(work: Callable[[], T], cancel: Callable[[], object]) -> T:
    """Do `work` in a thread, so that a signal is handled at once: libpq waits without the interpreter.

    `cancel` is called when this is interrupted, as by the task's time limit; a task's `on_kill` calls it as well.
    """
    with ThreadPoolExecutor(1, "work") as beside:
        try:
            return beside.submit(work).result()
        except BaseException:
            cancel()
            raise
