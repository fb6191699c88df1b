"""A worker: one task of Airflow's, in a process of its own that kills itself with SIGKILL at one point of the path.

Workers are forked from a parent that has imported everything and opened nothing. The traps stand around the store, the
vendor and the session that the platform is given; the platform itself is as in production.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import msgspec

import catchment.platform
from bench.chaos.points import Point, Site, When
from catchment.batch import Batch
from catchment.connection import Connection, NoConnection
from catchment.errors import RateLimited, TryAgain
from catchment.extract.run import Sealing, first_checkpoint
from catchment.http.client import HttpClient
from catchment.landing import MANIFEST, Listed, Store, checkpoint_prefix, read_manifest
from catchment.platform import Platform, Watcher
from catchment.sources import source
from catchment.spec import Current
from catchment.warehouse.load import Loaded

PART_BYTES = 2_000  # small, so that a batch has several parts
PIECES = {Current.NEWEST_VERSION: 2}  # small, so that an export has several checkpoints
PIECES_OF_WINDOWS = 80  # history is cut into many slices, each of a page and a mark
HALFWAY = 0.002  # seconds into a step
LEFTOVERS = ("part-900.jsonl.zst", "rejects-901.jsonl.zst")
_STATEMENTS = (
    (Site.BEGIN, re.compile(r"\s*BEGIN")),
    (Site.DELETE, re.compile(r"\s*DELETE FROM")),
    (Site.COPY, re.compile(r"\s*COPY INTO")),
    (Site.LEDGER, re.compile(r"\s*INSERT INTO RAW\.CATCHMENT\.LEDGER")),
    (Site.COMMIT, re.compile(r"\s*COMMIT")),
)
IN_LOAD = {site: site for site, _ in _STATEMENTS}
IN_EXTRACT = {
    Site.BEGIN: Site.CHECKPOINT_BEGIN,
    Site.COPY: Site.CHECKPOINT_COPY,
    Site.COMMIT: Site.CHECKPOINT_COMMIT,
}


class Outcome(msgspec.Struct, frozen=True):
    """What a worker handed over; `key` is None when the stream was unchanged, or not read to its end (`complete`)."""

    key: str | None = None
    complete: bool = True
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
        self.head = store.head
        self.entries = store.entries

    def put(self, key: str, data: bytes) -> str:
        site = Site.PART
        if key.endswith(MANIFEST):
            site = Site.MANIFEST if msgspec.json.decode(data)["complete"] else Site.SEAL
        with self._trap.at(site):
            return self._store.put(key, data)

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

    def put(self, key: str, data: bytes) -> str:
        self._own[key] = data
        return hashlib.sha256(data).hexdigest()

    def get(self, key: str) -> bytes | None:
        return self._own.get(key) or self._store.get(key)

    def head(self, key: str) -> Listed | None:
        return self._store.head(key)

    def entries(self, prefix: str) -> Iterator[Listed]:
        return self._store.entries(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._own.pop(key, None)


class TrappedSession:
    """A session with traps around its statements, which are the sites that `sites` says."""

    def __init__(self, session: Any, trap: Trap, sites: Mapping[Site, Site]) -> None:
        self._session = session
        self._trap = trap
        self._sites = sites
        self.close = session.close

    @property
    def session_id(self) -> int:
        return int(self._session.session_id)

    def cursor(self) -> Any:
        return _TrappedCursor(self._session.cursor(), self._trap, self._sites)


class _TrappedCursor:
    def __init__(self, cursor: Any, trap: Trap, sites: Mapping[Site, Site]) -> None:
        self._cursor = cursor
        self._trap = trap
        self._sites = sites

    def execute(self, command: str, params: Any = None, /) -> Any:
        site = next((self._sites.get(site) for site, start in _STATEMENTS if start.match(command)), None)
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
            current = source(batch.source).stream(batch.stream).read.current
            first = first_checkpoint(platform.cursor_state(batch), current)
            for name in LEFTOVERS:
                platform.store.put(checkpoint_prefix(batch, first) + name, b"not a part of this batch")
            vars(catchment.platform)["load"] = functools.partial(_rehearsed_load, trap)
            store = TrappedStore(RehearsalStore(platform.store), trap)
            key = replace(platform, store=store).extract(batch, watcher=trapped(trap), sealing=sealing(batch)).key
            once: dict[str, int] = {Site.HAND_OVER: 1, Site.WAIT: 1, Site.QUEUE: min(1, trap.passes[Site.SEAL])}
            return Outcome(key=key, passes={**trap.passes, **once})

        return _in_child(functools.partial(self._run, task, None, None))

    def extract(self, batch: Batch, point: Point | None) -> Ended:
        """One try. For a kill at the hand-over to a later try, it hands over as soon as it may."""
        read_for = timedelta(0) if point and point.site is Site.QUEUE else None

        def task(platform: Platform, trap: Trap) -> Outcome:
            there = replace(
                platform,
                store=TrappedStore(platform.store, trap),
                open_session=lambda tag: TrappedSession(platform.open_session(tag), trap, IN_EXTRACT),
            )
            how = replace(sealing(batch), read_for=read_for)
            extracted = there.extract(batch, watcher=trapped(trap), sealing=how)
            return Outcome(key=extracted.key, complete=extracted.complete)

        return _in_child(functools.partial(self._run, task, point, Site.HAND_OVER))

    def rehearse_load(self, key: str) -> Ended:
        """Load without committing, to learn how often each site is passed: an unchanged list needs no COPY."""

        def task(platform: Platform, trap: Trap) -> Outcome:
            def opened(tag: str) -> TrappedSession:
                return TrappedSession(RehearsalSession(platform.open_session(tag)), trap, IN_LOAD)

            rows = replace(platform, open_session=opened).load(key).rows
            return Outcome(key=key, rows=rows, passes={**trap.passes, Site.ASSET: 1})

        return _in_child(functools.partial(self._run, task, None, None))

    def load(self, key: str, point: Point | None) -> Ended:
        def task(platform: Platform, trap: Trap) -> Outcome:
            there = replace(
                platform, open_session=lambda tag: TrappedSession(platform.open_session(tag), trap, IN_LOAD)
            )
            return Outcome(key=key, rows=there.load(key).rows)

        return _in_child(functools.partial(self._run, task, point, Site.ASSET))

    def _look_up(self, conn_id: str) -> Connection:
        if conn_id not in self.connections:
            raise NoConnection(f"There is no connection {conn_id!r}.")
        return self.connections[conn_id]

    def _run(
        self,
        task: Callable[[Platform, Trap], Outcome],
        point: Point | None,
        last: Site | None,
        hand_over: Callable[[Outcome], None],
    ) -> None:
        trap = Trap(point)
        platform = replace(Platform.from_connections(self._look_up), part_bytes=PART_BYTES)
        try:
            outcome = task(platform, trap)
        except RateLimited as error:
            with trap.at(Site.WAIT):
                hand_over(Outcome(error=str(error), again=True))
            return
        except Exception as error:
            again = isinstance(error, TryAgain)
            hand_over(Outcome(error=str(error) if again else traceback.format_exc(), again=again))
            return
        if last is None:
            hand_over(outcome)
            return
        with trap.at(last if outcome.complete else Site.QUEUE):
            hand_over(outcome)


def sealing(batch: Batch) -> Sealing:
    """Checkpoints by pages alone, so that a rehearsal seals the same ones as the try."""
    current = source(batch.source).stream(batch.stream).read.current
    return Sealing(every=timedelta(days=1), pieces=PIECES.get(current, PIECES_OF_WINDOWS))


def trapped(trap: Trap) -> Watcher:
    """Puts traps around a vendor's requests and at the end of each checkpoint."""

    def on_open(client: HttpClient) -> None:
        send = client.send

        def trapped_send(*args: Any, **kwargs: Any) -> Any:
            with trap.at(Site.PAGE):
                return send(*args, **kwargs)

        vars(client)["send"] = trapped_send

    def loaded(_: Loaded) -> None:
        with trap.at(Site.CHECKPOINT_LOADED):
            pass

    return Watcher(on_open=on_open, loaded=loaded)


def _rehearsed_load(trap: Trap, _: Any, store: Store, key: str, **__: Any) -> Loaded:
    """What a load of a checkpoint would come to; a window's COPY is left out, for an unchanged one needs none."""
    manifest = read_manifest(store, key)
    copies = manifest.current is Current.NEWEST_VERSION and bool(manifest.files)
    trap.passes.update({Site.CHECKPOINT_BEGIN: 1, Site.CHECKPOINT_COPY: int(copies), Site.CHECKPOINT_COMMIT: 1})
    return Loaded(rows=manifest.rows, rejected=0)


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
