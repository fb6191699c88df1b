"""Runs tests against mutants: one forked process for each, at most so many at a time, each with a time limit.

The parent has imported what the tests import, but not the module that is changed nor any that imports it, so a fork
costs milliseconds. The child puts the mutant where the import system looks for the module, and runs pytest; what costs
least and has found most comes first, and the first failure ends the run.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import resource
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

SURVIVED, KILLED, TOO_LONG = "survived", "killed", "too long"
NO_TEST_FAILED = 0
MEMORY = 4 * 1024**3
"""Bytes of address space: a mutant that collects without end fails by itself."""


@dataclass(frozen=True)
class Job:
    """Tests to run while `module` is what `tree` makes. None: as it is.

    `limit` is in seconds; `cpu` in seconds of a processor, by which a loop without end is known on a busy machine, too.
    """

    name: str
    module: str
    tree: Callable[[], ast.Module] | None
    tests: tuple[str, ...]
    limit: float
    cpu: int = 600


@dataclass(frozen=True)
class Outcome:
    """`imported` are the names of all modules that were there at the end, in the order in which they came."""

    name: str
    result: str
    seconds: float
    cpu: float = 0.0
    imported: tuple[str, ...] = ()


@dataclass
class Experience:
    """How many seconds each test takes, and how many mutants it has killed."""

    seconds: dict[str, float] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)

    def cost(self, test: str) -> float:
        return self.seconds.get(test, 0.01) / (1 + self.kills[test])

    def add(self, said: dict[str, Any]) -> None:
        for test, seconds in said["seconds"].items():
            self.seconds.setdefault(test, seconds)
        self.kills.update(said["failed"])


def warm(imported: Iterable[str], *, without: str) -> None:
    """Import modules, except `without`, those that import it, and tests, which pytest imports in its own way."""
    import hypothesis
    from hypothesis import strategies

    blocked = _Blocked(without)
    sys.meta_path.insert(0, blocked)
    for name in imported:
        if not name.startswith("tests.unit"):
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    sys.meta_path.remove(blocked)
    with warnings.catch_warnings(action="ignore"):
        hypothesis.settings(database=None)(hypothesis.given(strategies.integers())(lambda _: None))()  # reads constants
    gc.freeze()


def run(jobs: Sequence[Job], *, side_by_side: int, experience: Experience | None = None) -> Iterator[Outcome]:
    """The outcome of each job, as they end; what takes longer than its limit is stopped."""
    experience = experience or Experience()
    waiting, running = list(reversed(jobs)), dict[int, _Running]()
    while waiting or running:
        while waiting and len(running) < side_by_side:
            one = _fork(waiting.pop(), experience)
            running[one.pid] = one
        yield from _ended(running, experience)
        time.sleep(0.005)


@dataclass(frozen=True)
class _Running:
    """A child; what it has to say is written to the file `says`."""

    job: Job
    pid: int
    says: int
    began: float

    def said(self) -> dict[str, Any]:
        with os.fdopen(self.says, "rb") as file:
            file.seek(0)
            text = file.read()
        return dict(json.loads(text)) if text else {"seconds": {}, "failed": [], "imported": []}


def _ended(running: dict[int, _Running], experience: Experience) -> Iterator[Outcome]:
    for pid, one in list(running.items()):
        seconds = time.monotonic() - one.began
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if not ended and seconds <= one.job.limit:
            continue
        del running[pid]
        if not ended:
            os.killpg(pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
        said = one.said()
        experience.add(said)
        code = os.waitstatus_to_exitcode(status)
        result = {NO_TEST_FAILED: SURVIVED, -signal.SIGXCPU: TOO_LONG, -signal.SIGKILL: TOO_LONG}.get(code, KILLED)
        yield Outcome(one.job.name, result, seconds, usage.ru_utime + usage.ru_stime, tuple(said["imported"]))


def _fork(job: Job, experience: Experience) -> _Running:
    sys.stdout.flush()
    says, began = os.memfd_create("said"), time.monotonic()
    pid = os.fork()
    if pid:
        return _Running(job, pid, says, began)
    code = 1
    try:
        os.setsid()
        if not os.environ.get("SHOW"):
            quiet = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(quiet, stream)
        resource.setrlimit(resource.RLIMIT_CPU, (job.cpu, job.cpu + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        code = _pytest(job, experience, says)
    finally:
        os._exit(code)


def _pytest(job: Job, experience: Experience, says: int) -> int:
    import pytest

    if job.tree is not None:
        sys.meta_path.insert(0, _Finder(job.module, job.tree()))
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # half a second for each mutant
    watch = _Watch(experience)
    plugins = ("-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin", "-p", "bench.mutants.settings")
    args = ["-x", "-q", "--tb=no", *plugins, "--hypothesis-profile=mutants", *job.tests]
    code = int(pytest.main(args, plugins=[watch]))
    imported = [] if job.tree else list(sys.modules)
    said = {"seconds": watch.seconds, "failed": watch.failed, "imported": imported}
    os.write(says, json.dumps(said).encode())
    return code


class _Watch:
    """A pytest plugin that puts tests in order, and remembers how long each took and which failed."""

    def __init__(self, experience: Experience) -> None:
        self.seconds: Counter[str] = Counter()
        self.failed: list[str] = []
        self._cost = experience.cost

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items.sort(key=lambda item: self._cost(item.nodeid))

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.append(report.nodeid)


class _Blocked(importlib.abc.MetaPathFinder):
    """One module can't be imported, and so none that imports it."""

    def __init__(self, module: str) -> None:
        self._module = module

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> None:
        if name == self._module:
            raise ImportError(name)


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
