"""Reports that a vendor makes in its own time: ask, poll, download. Whether a report is there, as a pure decision.

Vendors' reports hang: they stay pending for hours, or say 100 % while they run. So only the declared status words end
the wait, and the wait has an end of its own.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finished:
    """The report can be read."""


@dataclass(frozen=True)
class Again:
    """Ask again after `seconds`."""

    seconds: float


@dataclass(frozen=True)
class Failed:
    """There will be no report, and why. `timed_out`: the vendor did not fail, it was not done in time."""

    sentence: str
    timed_out: bool = False


def decide_poll(
    status: Any,
    *,
    done: Iterable[Any],
    failed: Iterable[Any],
    waited: float,
    timeout: float,
    asked: float | None = None,
    every: float = 5.0,
    longest: float = 60.0,
) -> Finished | Again | Failed:
    """What to do about a report whose status field says `status`, `waited` seconds after it was asked for.

    Words are compared as text and without case. A word that is neither in `done` nor in `failed` is a report in the
    making, until the timeout; then it is named, for it may be a failure that nobody declared.

    Args:
        asked: The vendor's own wish (Retry-After), in seconds; waited at least, if the timeout allows.
        every: The shortest wait in seconds. Waits grow with what was waited already, to `longest`.
    """
    word = _word(status)
    if word in _words(done):
        return Finished()
    if word in _words(failed):
        return Failed(f'the vendor says that the report is "{word}": ask for it again; if it lasts, make it smaller')
    left = timeout - waited
    if left <= 0:
        return Failed(
            f'the report was not ready after {waited:.0f} s; its status is still "{word}". It is asked for again '
            "later; if it lasts, make the report smaller, or ask the vendor whether this status is a failure",
            timed_out=True,
        )
    wait = max(every, min(longest, waited / 4), asked or 0.0)
    return Again(min(wait, left))


def _word(status: Any) -> str:
    return "nothing" if status is None else str(status).strip().lower()[:60]


def _words(declared: Iterable[Any]) -> Container[str]:
    return {_word(word) for word in declared}
