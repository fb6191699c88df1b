"""Waiting for a condition, and retrying requests while Connect rebalances."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from catchment.cdc.connectors.client import Connect, NotThere, Rebalancing
from catchment.errors import NeedsPerson

T = TypeVar("T")


def wait_until(true: Callable[[], bool], *, seconds: float, otherwise: str, pause: float = 0.5) -> None:
    """Poll until `true()` holds. Raises NeedsPerson with `otherwise` if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise NeedsPerson(f"{otherwise} within {seconds:.0f} s.")
        time.sleep(pause)


def retry_on_rebalance(ask: Callable[[], T], *, tries: int = 6) -> T:
    """Send a request to Connect; retry while it rebalances (409), at most about fifteen seconds."""
    for wait in range(1, tries):
        try:
            return ask()
        except Rebalancing:
            time.sleep(wait)
    return ask()


def is_running(connect: Connect, connector: str) -> bool:
    """Whether the connector and its tasks run. RUNNING alone does not mean healthy."""
    try:
        status = retry_on_rebalance(lambda: connect.status(connector))
    except NotThere:
        return False
    return status.state == "RUNNING" and bool(status.tasks) and all(t.state == "RUNNING" for t in status.tasks)
