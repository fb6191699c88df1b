"""A worker: one task of Airflow's, in a process of its own that kills itself with SIGKILL at one point of the path.

Workers are forked from a parent that has imported everything and opened nothing. The traps stand around the store, the
vendor and the session that the platform is given; the platform itself is as in production.
"""

from __future__ import annotations

import functools
import os
import re
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from catchment.extract.http import Vendor

import catchment.extract.run
from bench.chaos.points import Point, Site, When
from catchment.batch import Batch
from catchment.connection import Connection
from catchment.errors import TryAgain
from catchment.landing import MANIFEST, Parts, Store
from catchment.platform import Platform

PART_BYTES = 2_000  # small, so that a batch has several parts
HALFWAY = 0.002  # seconds into a step
LEFTOVERS = ("part-900.jsonl.zst", "rejects-901.jsonl.zst")
_STATEMENTS = (
    (Site.BEGIN, re.compile(r"\s*BEGIN")),
    (Site.DELETE, re.compile(r"\s*DELETE FROM")),
    (Site.COPY, re.compile(r"\s*COPY INTO")),
    (Site.LEDGER, re.compile(r"\s*INSERT INTO RAW\.CATCHMENT\.LEDGER")),
    (Site.COMMIT, re.compile(r"\s*COMMIT")),
)


class Outcome(msgspec.Struct, frozen=True):
    """What a worker handed over; `key` is None when the stream was unchanged."""

    key: str | None = None
    rows: int = 0
    passes: dict[str, int] = {}
    error: str = ""
    again: bool = False


@dataclass(frozen=True)
class Ended:
    """How a worker ended: its outcome if it got as far, and whether it was killed."""

    outcome: Outcome | None
    killed: bool


class Trap:
    """Counts how often each site is passed, and kills the process at its point."""

    def __init__(self, point: Point | None) -> None:
        self.passes: Counter[str] = Counter()
        self._point = point
        self._lock = threading.Lock()

    @contextmanager
    def at(self, site: Site) -> Iterator[None]:
        with self._lock:
            self.passes[site] += 1
            point = (
                self._point if self._point and (self._point.site, self._point.n) == (site, self.passes[site]) else None
            )
        if point and point.when is When.BEFORE:
            kill()
        if point and point.when is When.DURING:
            threading.Timer(HALFWAY, kill).start()
        yield
        if point:
            kill()


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class TrappedStore:
    """A store with traps around its writes."""

    def __init__(self, store: Store, trap: Trap) -> None:
        self._store = store
        self._trap = trap
        self.uri = store.uri
        self.get = store.get
        self.keys = store.keys

    def put(self, key: str, data: bytes) -> None:
        with self._trap.at(Site.MANIFEST if key.endswith(MANIFEST) else Site.PART):
            self._store.put(key, data)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            with self._trap.at(Site.LEFTOVER):
                self._store.delete([key])


class RehearsalStore:
    """Reads from a store and keeps what is written to itself."""

    def __init__(self, store: Store) -> None:
        self.uri = store.uri
        self._store = store
        self._own: dict[str, bytes] = {}

    def put(self, key: str, data: bytes) -> None:
        self._own[key] = data

    def get(self, key: str) -> bytes | None:
        return self._own.get(key) or self._store.get(key)

    def keys(self, prefix: str) -> Iterator[str]:
        return iter([key for key in self._own if key.startswith(prefix)])

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._own.pop(key, None)


class TrappedSession:
    """A session with traps around its statements."""

    def __init__(self, session: Any, trap: Trap) -> None:
        self._session = session
        self._trap = trap
        self.close = session.close

    @property
    def session_id(self) -> int:
        return int(self._session.session_id)

    def cursor(self) -> Any:
        return _TrappedCursor(self._session.cursor(), self._trap)


class _TrappedCursor:
    def __init__(self, cursor: Any, trap: Trap) -> None:
        self._cursor = cursor
        self._trap = trap

    def execute(self, command: str, params: Any = None, /) -> Any:
        site = next((site for site, start in _STATEMENTS if start.match(command)), None)
        if site is None:
            return self._cursor.execute(command, params)
        with self._trap.at(site):
            return self._cursor.execute(command, params)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


class RehearsalSession:
    """A session whose transactions are all rolled back."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.close = session.close
        self.session_id = session.session_id

    def cursor(self) -> Any:
        return _RehearsalCursor(self._session.cursor())


class _RehearsalCursor:
    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def execute(self, command: str, params: Any = None, /) -> Any:
        return self._cursor.execute("ROLLBACK" if command == "COMMIT" else command, params)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


@dataclass(frozen=True)
class Workers:
    """Makes workers that reach the systems by these connections."""

    connections: Mapping[str, Connection]

    def rehearse(self, batch: Batch) -> Ended:
        """Extract into nothing, to learn how often each site is passed; leaves parts of "an earlier attempt" behind."""

        def task(platform: Platform, trap: Trap) -> Outcome:
            for name in LEFTOVERS:
                platform.store.put(batch.prefix + name, b"not a part of this batch")
            store = TrappedStore(RehearsalStore(platform.store), trap)
            key = replace(platform, store=store).extract(batch, opened=trapped_vendor(trap))
            more: dict[str, int] = (
                {Site.HAND_OVER: 1} if key is None else {Site.HAND_OVER: 1, Site.LEFTOVER: len(LEFTOVERS)}
            )
            return Outcome(key=key, passes={**trap.passes, **more})

        return _in_child(functools.partial(self._run, task, None, None))

    def extract(self, batch: Batch, point: Point | None) -> Ended:
        def task(platform: Platform, trap: Trap) -> Outcome:
            store = TrappedStore(platform.store, trap)
            return Outcome(key=replace(platform, store=store).extract(batch, opened=trapped_vendor(trap)))

        return _in_child(functools.partial(self._run, task, point, Site.HAND_OVER))

    def rehearse_load(self, key: str) -> Ended:
        """Load without committing, to learn how often each site is passed: an unchanged list needs no COPY."""

        def task(platform: Platform, trap: Trap) -> Outcome:
            def opened(tag: str) -> TrappedSession:
                return TrappedSession(RehearsalSession(platform.open_session(tag)), trap)

            rows = replace(platform, open_session=opened).load(key).rows
            return Outcome(key=key, rows=rows, passes={**trap.passes, Site.ASSET: 1})

        return _in_child(functools.partial(self._run, task, None, None))

    def load(self, key: str, point: Point | None) -> Ended:
        def task(platform: Platform, trap: Trap) -> Outcome:
            trapped = replace(platform, open_session=lambda tag: TrappedSession(platform.open_session(tag), trap))
            return Outcome(key=key, rows=trapped.load(key).rows)

        return _in_child(functools.partial(self._run, task, point, Site.ASSET))

    def _run(
        self,
        task: Callable[[Platform, Trap], Outcome],
        point: Point | None,
        last: Site | None,
        hand_over: Callable[[Outcome], None],
    ) -> None:
        vars(catchment.extract.run)["Parts"] = functools.partial(Parts, part_bytes=PART_BYTES)
        trap = Trap(point)
        platform = Platform.from_connections(self.connections.__getitem__)
        try:
            outcome = task(platform, trap)
        except Exception as error:
            again = isinstance(error, TryAgain)
            hand_over(Outcome(error=str(error) if again else traceback.format_exc(), again=again))
            return
        if last is None:
            hand_over(outcome)
            return
        with trap.at(last):
            hand_over(outcome)


def trapped_vendor(trap: Trap) -> Callable[[Vendor], None]:
    """Puts a trap around a vendor's requests."""

    def opened(vendor: Vendor) -> None:
        get = vendor.get

        def trapped(*args: Any, **kwargs: Any) -> Any:
            with trap.at(Site.PAGE):
                return get(*args, **kwargs)

        vendor.get = trapped

    return opened


def _in_child(run: Callable[[Callable[[Outcome], None]], None]) -> Ended:
    """Run in a fork of this process; what it hands over comes through a pipe."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        status = 1
        try:
            run(lambda outcome: _send(writer, outcome))
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    _, waited = os.waitpid(pid, 0)
    outcome = msgspec.json.decode(data, type=Outcome) if data else None
    return Ended(outcome, os.waitstatus_to_exitcode(waited) == -signal.SIGKILL)


def _send(writer: int, outcome: Outcome) -> None:
    os.write(writer, msgspec.json.encode(outcome) + b"\n")
