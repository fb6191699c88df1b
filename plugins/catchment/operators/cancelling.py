"""Work that a killed task ends where it runs: in databases and in the warehouse."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from airflow.sdk import BaseOperator

from catchment.hooks.connections import look_up
from catchment.operators.ingest import tag_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from catchment.cdc.systems import Systems

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


class CdcOperator(BaseOperator):
    """A job on the systems of change data capture; killed, it leaves no statement running in any of them."""

    _systems: Systems | None = None

    def systems(self, context: Context) -> Systems:
        from catchment.cdc.systems import Systems

        self._systems = Systems(look_up, query_tag=tag_of(context, "application"))
        return self._systems

    def cancellable(self, work: Callable[[], T]) -> T:
        """Do it so that a killed task leaves no statement running."""
        return cancellable(work, self.on_kill)

    def on_kill(self) -> None:
        if self._systems is not None:
            self._systems.cancel()
