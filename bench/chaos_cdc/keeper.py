"""Who looks after the parts while they are broken: a supervisor that starts what has ended, and the health check."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from threading import Event, Thread

from local.cdc.stack import Stack
from local.errors import LocalError
from local.settings import ROOT

LOOK_SECONDS = 0.5
HEALTH_EVERY = 15.0  # seconds; the health DAG runs each minute
HEALTH_SECONDS = 150.0

Report = Callable[[str], None]


class Supervisor(Thread):
    """Starts each part that has ended, whoever ended it, as supervisord does."""

    def __init__(self, stack: Stack, parts: Iterable[str], stop: Event, report: Report) -> None:
        super().__init__(name="supervisor", daemon=True)
        self._stack, self._parts, self._stop_asked, self._report = stack, tuple(parts), stop, report
        self.started: Counter[str] = Counter()

    def run(self) -> None:
        while not self._stop_asked.wait(LOOK_SECONDS):
            for part in self._parts:
                if not self._stack.is_up(part):
                    self._start(part)

    def _start(self, part: str) -> None:
        try:
            self._stack.start(part, wait=False)
            self.started[part] += 1
        except LocalError as error:
            self._report(f"{part} can't be started yet: {str(error).partition('. ')[0]}")


class HealthCheck(Thread):
    """`python -m catchment cdc-health`, again and again: the only one who restarts connectors and their tasks."""

    def __init__(self, stack: Stack, stop: Event, report: Report) -> None:
        super().__init__(name="health", daemon=True)
        self._stack, self._stop_asked, self._report = stack, stop, report
        self.runs: Counter[str] = Counter()
        self.actions: list[str] = []

    def run(self) -> None:
        while not self._stop_asked.is_set():
            self._look()
            self._stop_asked.wait(HEALTH_EVERY)

    def _look(self) -> None:
        command = [sys.executable, "-m", "catchment", "cdc-health"]
        with subprocess.Popen(
            command, cwd=ROOT, env=self._stack.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            deadline = time.monotonic() + HEALTH_SECONDS
            while True:
                try:
                    said, _ = process.communicate(timeout=1)
                    break
                except subprocess.TimeoutExpired:
                    if self._stop_asked.is_set() or time.monotonic() > deadline:
                        process.kill()
        for line in said.splitlines():
            if line.startswith(("action", "proposal")):
                self.actions.append(line)
                self._report(f"health: {line}")
        self.runs[{0: "well", 1: "alerted"}.get(process.returncode, "ended early")] += 1
