"""The sandbox's world: the company, what time it is there, and what was edited by hand."""

from __future__ import annotations

import time
from collections.abc import Callable

from local.company.company import Company
from local.sandbox.edits import Edit, Editor


class Clock:
    """The real time, unless it was set. A set clock stands still until it is moved or let run."""

    def __init__(self, real: Callable[[], float] = time.time) -> None:
        self.real = real
        self.offset = 0.0
        self.frozen: float | None = None

    def now(self) -> int:
        return int(self.frozen if self.frozen is not None else self.real() + self.offset)

    def set(self, at: float, running: bool = False) -> None:
        self.frozen = None if running else at
        self.offset = at - self.real()

    def advance(self, seconds: float) -> None:
        self.offset += seconds
        if self.frozen is not None:
            self.frozen += seconds

    def reset(self) -> None:
        self.offset, self.frozen = 0.0, None


class World:
    """One company and its clock. The company is built again, further ahead, when the clock gets past its end."""

    def __init__(self, seed: int, scale: float, clock: Clock) -> None:
        self.clock = clock
        self._company = Company.around(seed, scale, clock.now()).built()
        self.editor = Editor()

    @property
    def company(self) -> Company:
        if self.clock.now() >= self._company.until:
            self._company = Company.around(self._company.seed, self._company.scale, self.clock.now()).built()
            self.editor.again(self._company)
        return self._company

    def edit(self, edit: Edit) -> int:
        """Apply an edit now; the number of records that it met."""
        return self.editor.apply(self.company, edit, self.clock.now())

    def reset(self) -> None:
        """No edit was ever made, and the clock is the real one."""
        self.editor.undo()
        self.clock.reset()
