"""Where a stream stands before a batch, as the ledger says it. Pure values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unfinished:
    """A reading of this very batch that sealed checkpoints and did not end: the next one goes on from it."""

    attempt: str
    cursor: str | None
    next_checkpoint: int


@dataclass(frozen=True)
class CursorState:
    """`cursor` is where the newest other scheduled batch that ends no later got to.

    `ever_loaded`: the stream has a row in the ledger. `rows_before`: the records of the newest whole reading that began
    where history does, over all its checkpoints; None before the first. `newest`: the cursor of that reading.
    `next_checkpoint`: the first number that no checkpoint of this batch has.
    """

    cursor: str | None = None
    ever_loaded: bool = False
    rows_before: int | None = None
    newest: str | None = None
    next_checkpoint: int = 0
    unfinished: Unfinished | None = None
