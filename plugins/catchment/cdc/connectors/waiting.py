"""Waiting for a condition, and retrying requests while Connect rebalances."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import (
    RetryError,
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_fixed,
    wait_incrementing,
)

from catchment.cdc.connectors.client import Connect, ConnectUnavailable, NotThere, Rebalancing
from catchment.errors import NeedsPerson

T = TypeVar("T")
_PASSES = retry_if_exception_type((Rebalancing, ConnectUnavailable))


def wait_until(true: Callable[[], bool], *, seconds: float, otherwise: str) -> None:
    """Poll until `true()` holds. Raises NeedsPerson with `otherwise` if it does not within `seconds`.

    A question that Connect can't answer just then, for it rebalances or starts, is asked again. If that lasts, its own
    error is raised, and the task is tried again instead of paging a person.
    """
    asking = Retrying(
        retry=_PASSES | retry_if_result(lambda found: not found), wait=wait_fixed(0.5), stop=stop_after_delay(seconds)
    )
    try:
        asking(true)
    except RetryError as error:
        if error.last_attempt.failed:
            error.reraise()
        raise NeedsPerson(f"{otherwise} within {seconds:.0f} s.") from error


def retry_while_away(ask: Callable[[], T], *, seconds: float) -> T:
    """Send a request to Connect; retry while it rebalances or starts, at most so long."""
    return Retrying(retry=_PASSES, wait=wait_fixed(1), stop=stop_after_delay(seconds), reraise=True)(ask)


def retry_on_rebalance(ask: Callable[[], T]) -> T:
    """Send a request to Connect; retry while it rebalances (409), at most about fifteen seconds."""
    return Retrying(
        retry=retry_if_exception_type(Rebalancing),
        wait=wait_incrementing(start=1, increment=1),
        stop=stop_after_attempt(6),
        reraise=True,
    )(ask)


def is_running(connect: Connect, connector: str) -> bool:
    """Whether the connector and its tasks run. RUNNING alone does not mean healthy."""
    try:
        status = retry_on_rebalance(lambda: connect.status(connector))
    except NotThere:
        return False
    return status.state == "RUNNING" and bool(status.tasks) and all(t.state == "RUNNING" for t in status.tasks)
