"""What to do about an error reply, where an API means something of its own by it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from catchment.errors import Refused


class Do(StrEnum):
    """SKIP: there is nothing (more) to read here, go on. GATED: the plan does not include it. RETRY: it passes.

    LIMIT: there were too many requests, as a 429 says. FAIL: a person must act; the action's `cure` says how.
    """

    SKIP = "skip"
    GATED = "gated"
    RETRY = "retry"
    LIMIT = "limit"
    FAIL = "fail"


@dataclass(frozen=True)
class Action:
    """What to do when a reply has one of `status` and, unless None, `contains` in its body (case does not matter)."""

    status: int | tuple[int, ...]
    do: Do
    contains: str | None = None
    cure: str = ""

    def fits(self, status: int, body: bytes) -> bool:
        statuses = self.status if isinstance(self.status, tuple) else (self.status,)
        if status not in statuses:
            return False
        return self.contains is None or self.contains.lower().encode() in body.lower()


class Skipped(Refused):
    """The vendor has nothing here (an action says so): what was asked for is left out."""


class PlanGated(Refused):
    """The vendor sells this apart, and the account's plan does not include it."""


INVALID_CURSOR = Action(
    (400, 410, 422),
    Do.FAIL,
    contains="InvalidCursor",
    cure="the saved cursor is no longer valid, and nothing was lost. Trigger the DAG with *Full* for this stream: it "
    "reads everything again and saves a new cursor",
)


def decide(actions: Iterable[Action], status: int, body: bytes) -> Action | None:
    """The first action that fits a reply; None where none does, and the client's own rules hold."""
    return next((action for action in actions if action.fits(status, body)), None)
