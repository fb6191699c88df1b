"""Runs tests against mutants: one forked process for each, at most so many at a time, each with a time limit.

The parent has imported what is slow to import and nothing of ours, so a fork costs milliseconds; the child puts the
mutant where the import system looks for the module, and runs pytest.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

SURVIVED, KILLED, TOO_LONG = "survived", "killed", "too long"
NO_TEST_FAILED = 0
SLOW_TO_IMPORT = (
    "pytest",
    "_hypothesis_pytestplugin",
    "hypothesis.strategies",
    "msgspec",
    "zstandard",
    "botocore.exceptions",
)


@dataclass(frozen=True)
class Job:
    """Tests to run while `module` is what `tree` makes. None: as it is."""

    name: str
    module: str
    tree: Callable[[], ast.Module] | None
    tests: tuple[str, ...]
    limit: float


@dataclass(frozen=True)
class Outcome:
    name: str
    result: str
    seconds: float


def run(jobs: Sequence[Job], *, side_by_side: int) -> Iterator[Outcome]:
    """The outcome of each job, as they end. `limit` is in seconds; what takes longer has been stopped."""
    for name in SLOW_TO_IMPORT:
        importlib.import_module(name)

    waiting, running = list(reversed(jobs)), dict[int, tuple[Job, float]]()
    while waiting or running:
        while waiting and len(running) < side_by_side:
            job = waiting.pop()
            running[_fork(job)] = (job, time.monotonic())
        yield from _ended(running)
        time.sleep(0.02)


def _ended(running: dict[int, tuple[Job, float]]) -> Iterator[Outcome]:
    for pid, (job, began) in list(running.items()):
        seconds = time.monotonic() - began
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            del running[pid]
            survived = os.waitstatus_to_exitcode(status) == NO_TEST_FAILED
            yield Outcome(job.name, SURVIVED if survived else KILLED, seconds)
        elif seconds > job.limit:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            del running[pid]
            yield Outcome(job.name, TOO_LONG, seconds)


def _fork(job: Job) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        if not os.environ.get("SHOW"):
            quiet = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(quiet, stream)
        code = _pytest(job)
    finally:
        os._exit(code)


def _pytest(job: Job) -> int:
    import pytest

    if job.tree is not None:
        sys.meta_path.insert(0, _Finder(job.module, job.tree()))
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # half a second for each mutant
    plugins = ("-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin", "-p", "bench.mutants.settings")
    return int(pytest.main(["-x", "-q", *plugins, "--hypothesis-profile=mutants", *job.tests]))


class _Finder(importlib.abc.MetaPathFinder):
    """Gives one module another syntax tree; its file, name and package stay."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self._module = module
        self._tree = tree

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> Any:
        if name != self._module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.origin is None:
            return None
        loader = _Loader(name, spec.origin, lambda file: compile(self._tree, file, "exec"))
        return importlib.util.spec_from_file_location(name, spec.origin, loader=loader)


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, code: Callable[[str], Any]) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> Any:
        return self._code(self.path)
