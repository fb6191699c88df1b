"""Waiting for something to become so, and trying again what Connect can't do this second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from catchment.cdc.connect import Connect, NotThere, Rebalancing
from catchment.errors import NeedsPerson

T = TypeVar("T")


def until(true: Callable[[], bool], *, seconds: float, otherwise: str, pause: float = 0.5) -> None:
    """Wait until it is so; raises NeedsPerson with `otherwise` when it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise NeedsPerson(f"{otherwise} within {seconds:.0f} s.")
        time.sleep(pause)


def calmly(ask: Callable[[], T], *, tries: int = 6) -> T:
    """Ask Connect, and again while its workers share out connectors (409), for up to half a minute."""
    for wait in range(1, tries):
        try:
            return ask()
        except Rebalancing:
            time.sleep(wait)
    return ask()


def runs(connect: Connect, connector: str) -> bool:
    """Whether the connector and its tasks run. RUNNING is not health, but the least of it."""
    try:
        status = calmly(lambda: connect.status(connector))
    except NotThere:
        return False
    return status.state == "RUNNING" and bool(status.tasks) and all(t.state == "RUNNING" for t in status.tasks)
