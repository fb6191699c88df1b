"""Faults: which part is killed or frozen when is decided by the seed; each is proved to have happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from random import Random
from threading import Lock
from typing import Protocol

import psutil

from local.services.health import is_healthy
from local.services.service import Health

PARTS = ("kafka", "connect", "shard_s0", "shard_s1", "loader", "warehouse")
FROZEN_SECONDS = (2, 3, 5, 8, 12)  # the longest outlasts the session of a Connect worker with its group
PAUSE_SECONDS = (0.5, 6.0)  # from one fault to the next, which may come before the first is over
SEEN_SECONDS = 5.0
BACK_SECONDS = 180.0
POLL_SECONDS = 0.1


class How(StrEnum):
    """What is done to a part: SIGKILL, or SIGSTOP and some seconds later SIGCONT."""

    KILL = "kill"
    FREEZE = "freeze"


@dataclass(frozen=True)
class Fault:
    """One fault. `seconds` is how long a part stays frozen, `pause` how long after the fault before."""

    number: int
    part: str
    how: How
    seconds: float
    pause: float

    def __str__(self) -> str:
        return f"{self.how} {self.part}" + (f" for {self.seconds:.0f} s" if self.how is How.FREEZE else "")


def deal(draw: Random, count: int, parts: Sequence[str] = PARTS) -> tuple[Fault, ...]:
    """`count` faults: every part is killed and frozen equally often, each round in another order."""
    kinds: list[tuple[str, How]] = []
    while len(kinds) < count:
        round_ = [(part, how) for part in parts for how in How]
        draw.shuffle(round_)
        kinds += round_
    return tuple(
        Fault(number, part, how, float(draw.choice(FROZEN_SECONDS)), draw.uniform(*PAUSE_SECONDS))
        for number, (part, how) in enumerate(kinds[:count], 1)
    )


@dataclass(frozen=True)
class Outcome:
    """How a fault went: whether the part was seen gone or stopped, and after how long it worked again (None: never)."""

    fault: Fault
    seen: bool
    back_after: float | None

    @property
    def fired(self) -> bool:
        return self.seen and self.back_after is not None

    def __str__(self) -> str:
        done = {How.KILL: "gone", How.FREEZE: "stopped"}[self.fault.how]
        back = f"works again after {self.back_after:.0f} s" if self.back_after is not None else "does not work again"
        return f"{self.fault}: {done if self.seen else f'NOT {done}'}, {back}"


class Parts(Protocol):
    """What a stack can do to its parts."""

    def pid(self, name: str) -> int: ...
    def kill(self, name: str) -> None: ...
    def freeze(self, name: str) -> None: ...
    def thaw(self, name: str) -> None: ...
    def is_up(self, name: str) -> bool: ...


@dataclass(frozen=True)
class Breaker:
    """Carries faults out on a stack. Who starts a killed part again is not its business."""

    stack: Parts
    health: Mapping[str, Health]
    locks: Mapping[str, Lock]

    def carry_out(self, fault: Fault) -> Outcome:
        """Break the part once it works, prove it, and wait until it works again. One fault a part at a time."""
        with self.locks[fault.part]:
            if not self._wait(lambda: self.works(fault.part, since=None), BACK_SECONDS):
                return Outcome(fault, seen=False, back_after=None)
            seen = self._kill(fault.part) if fault.how is How.KILL else self._freeze(fault.part, fault.seconds)
            ended = datetime.now(UTC)
            began = time.monotonic()
            back = self._wait(lambda: self.works(fault.part, since=ended), BACK_SECONDS)
            return Outcome(fault, seen, time.monotonic() - began if back else None)

    def works(self, part: str, since: datetime | None) -> bool:
        """Whether the part is there and does its work: it answers, or its status is newer than `since`."""
        return self.stack.is_up(part) and is_healthy(
            self.health[part], started=since or datetime.min.replace(tzinfo=UTC)
        )

    def _kill(self, part: str) -> bool:
        family = _family(self.stack.pid(part))
        self.stack.kill(part)
        return self._wait(lambda: not any(_lives(member) for member in family), SEEN_SECONDS)

    def _freeze(self, part: str, seconds: float) -> bool:
        main = psutil.Process(self.stack.pid(part))
        self.stack.freeze(part)
        try:
            seen = self._wait(lambda: state(main.pid) == "T", SEEN_SECONDS)
            time.sleep(seconds)
            return seen and state(main.pid) == "T"
        finally:
            self.stack.thaw(part)

    def _wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True


def state(pid: int) -> str:
    """The kernel's letter for what a process does: R, S, D, T (stopped), Z; empty when there is none."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def _family(pid: int) -> list[psutil.Process]:
    main = psutil.Process(pid)
    return [main, *main.children(recursive=True)]


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and state(process.pid) not in ("", "Z")
