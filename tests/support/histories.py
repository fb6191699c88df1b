"""Histories of runs over a vendor that changes, deletes and restores: what is current is what the vendor said last.

The findings behind it (main path, "Which batch is the truth", and the independent simulator): an old run that was
cleared became the newest truth; an interval that was run again dropped the records that had changed since; a window
claimed what the vendor was not asked for. Right: never absent, stale at most until the next scheduled run, in any
order; and never older than before, also where the vendor changes between two pages of one reading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import strategies as st

from catchment.batch import Batch, Kind, Mode
from catchment.cursor import CursorState
from catchment.errors import ContractBroken, LandingUnavailable, RateLimited
from catchment.extract.run import Extraction, Sealing
from catchment.http.client import HttpClient
from catchment.http.paginators import SinglePage
from catchment.reads.http_export import CursorExport, TimeExport
from catchment.reads.http_list import Dates, Window
from catchment.spec import Current, Parent, Stream
from catchment.times import TimeFormat
from tests.support.make import http_list, source, stream
from tests.support.memory_warehouse import Key, Loads
from tests.support.store import MemoryStore
from tests.support.vendor import InProcess

BEGAN = 1_700_000_000
SPAN = 100
_NO_STATE = CursorState()
UNIX = Dates("from", "to", TimeFormat.UNIX)
STREAMS = (
    stream("parents", http_list("parents"), keep_share=None),
    stream(
        "children",
        http_list("parents/{parent_id}/children", parent=Parent("parents", "id", "parent_id")),
        keep_share=None,
    ),
    stream("dated", http_list("dated", dates=UNIX), keep_share=None),
    stream(
        "windows",
        http_list("windows", dates=UNIX, window=Window("made", slice=timedelta(seconds=SPAN))),
        keep_share=None,
    ),
    stream("cursors", CursorExport(path="cursors", records="entries"), version="changed"),
    stream(
        "times",
        TimeExport(path="times", records="entries", flood=http_list("all", paginator=SinglePage())),
        version="changed",
    ),
)
SPEC = source(*STREAMS, history_start=datetime.fromtimestamp(BEGAN - 10, UTC), parallel=2)


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


@dataclass
class Thing:
    made: int
    changed: int
    value: int = 0
    alive: bool = True


@dataclass
class World:
    """The vendor. A page holds `size` records; only `allowed` requests are answered, where that is set.

    `meanwhile` happens before so many more requests. Lists go on after the last record's key, as keyset cursors do.
    """

    size: int
    now: int = BEGAN
    things: dict[int, Thing] = field(default_factory=dict)
    allowed: int | None = None
    meanwhile: tuple[int, Callable[[], None]] | None = None

    def touch(self, key: int, later: int) -> None:
        """Make, change or restore."""
        self.now += later
        thing = self.things.setdefault(key, Thing(made=self.now, changed=self.now))
        thing.changed, thing.value, thing.alive = self.now, thing.value + 1, True

    def delete(self, key: int, later: int) -> None:
        self.now += later
        if key in self.things:
            self.things[key].changed, self.things[key].alive = self.now, False

    def record(self, key: int) -> dict[str, Any]:
        thing = self.things[key]
        made = at(thing.made).isoformat()
        return {"id": key, "made": made, "changed": thing.changed, "value": thing.value, "alive": thing.alive}

    def living(self) -> list[dict[str, Any]]:
        return [self.record(key) for key, thing in sorted(self.things.items()) if thing.alive]

    def truth(self, of: Stream) -> dict[Key, dict[str, Any]]:
        """What the vendor would say now."""
        match of.name:
            case "cursors" | "times":
                return {(key,): self.record(key) for key in self.things}
            case "children":
                return {
                    (r["id"], f"child of {r['id']}"): {"id": f"child of {r['id']}", "value": r["value"]}
                    for r in self.living()
                }
            case _:
                return {(record["id"],): record for record in self.living()}

    def reply(self, path: str, params: Mapping[str, Any]) -> dict[str, Any]:
        if self.meanwhile:
            requests, happens = self.meanwhile
            self.meanwhile = (requests - 1, happens) if requests else None
            if not requests:
                happens()
        if self.allowed is not None:
            self.allowed -= 1
            if self.allowed < 0:
                raise RateLimited("wait", after=timedelta(hours=1))
        if path.endswith("/children"):
            key = int(path.split("/")[1])
            alive = key in self.things and self.things[key].alive
            entries = [{"id": f"child of {key}", "value": self.things[key].value}] if alive else []
            return {"entries": entries, "has_more": False}
        return self._export(path, params) if path in ("cursors", "times") else self._list(path, params)

    def _list(self, path: str, params: Mapping[str, Any]) -> dict[str, Any]:
        after = int(params.get("cursor") or -1)
        rest = [record for record in self.living() if _asked_for(record, params) and record["id"] > after]
        page = rest[: self.size] if path != "all" else rest
        return {"entries": page, "cursor": str(page[-1]["id"]) if page else "", "has_more": len(page) < len(rest)}

    def _export(self, path: str, params: Mapping[str, Any]) -> dict[str, Any]:
        visible = sorted((t.changed, key) for key, t in self.things.items() if t.changed <= self.now - 60)
        if path == "times":
            rest = [position for position in visible if position[0] >= int(params["start_time"])]
        else:
            text = params.get("cursor") or f"{params['start_time'] - 1}:999999"
            second, key = map(int, text.split(":"))
            rest = [position for position in visible if position > (second, key)]
        page = rest[: self.size]
        entries = [self.record(key) for _, key in page]
        done = len(rest) <= self.size
        if path == "times":
            return {
                "entries": entries,
                "end_time": page[-1][0] if page else params["start_time"],
                "end_of_stream": done,
            }
        after = "{}:{}".format(*page[-1]) if page else text
        return {"entries": entries, "after_cursor": after, "end_of_stream": done}


def _asked_for(record: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    if "from" not in params:
        return True
    made = datetime.fromisoformat(record["made"]).timestamp()
    return bool(params["from"] <= made < params["to"])


CHANGES = st.one_of(
    st.tuples(st.just("touch"), st.integers(0, 7), st.integers(0, 25)),
    st.tuples(st.just("touch"), st.integers(0, 7), st.integers(0, 25)),
    st.tuples(st.just("delete"), st.integers(0, 7), st.integers(0, 25)),
)
RUNS = st.one_of(
    st.tuples(st.just("next"), st.integers(0, 250), st.none()),
    st.tuples(st.just("next"), st.integers(0, 250), st.none()),
    st.tuples(st.just("meanwhile"), st.integers(0, 7), st.integers(0, 5)),
    st.tuples(st.just("again"), st.integers(0, 4), st.none()),
    st.tuples(st.just("alone"), st.integers(0, 4), st.none()),
    st.tuples(st.just("full"), st.integers(0, 4), st.none()),
    st.tuples(st.just("backfill"), st.integers(0, 4), st.none()),
    st.tuples(st.just("replay"), st.integers(0, 12), st.none()),
    st.tuples(st.just("killed"), st.integers(0, 4), st.integers(0, 9)),
    st.tuples(st.just("refused"), st.integers(0, 4), st.integers(0, 5)),
)
HISTORIES = st.lists(st.one_of(CHANGES, RUNS, RUNS), min_size=10, max_size=40)


def touched(count: int, later: int = 1) -> list[tuple[str, int, int]]:
    return [("touch", key, later) for key in range(count)]


REPORTED = [
    pytest.param(
        "children",
        [("touch", 0, 1), ("next", 0, None), ("touch", 1, 1), ("next", 0, None), ("alone", 0, None)],
        id="Monday's red subscriptions are cleared on Wednesday, and Monday's customers had no customer 1 yet",
    ),
    pytest.param(
        "cursors",
        [*touched(6), ("next", 200, None), *touched(3), ("again", 0, None)],
        id="half of the tickets change, and last night's interval runs again",
    ),
    pytest.param(
        "times",
        [*touched(6), ("next", 200, None), *touched(3), ("again", 0, None)],
        id="half of the organizations change, and last night's interval runs again",
    ),
    pytest.param(
        "times",
        [*touched(8, later=0), ("next", 200, None)],
        id="a flood: more organizations share one second than a page holds",
    ),
]


class History:
    """Plays a history on a warehouse; `check` after each step."""

    def __init__(self, of: Stream, size: int, make: Callable[[MemoryStore], Loads]) -> None:
        self.of = of
        self.world = World(size)
        self.store = MemoryStore()
        self.loads = make(self.store)
        self.runs = 0
        self.known: set[Key] = set()
        self.values: dict[Key, int] = {}
        self.manifests: list[str] = []

    def play(self, history: list[Any]) -> None:
        for what, number, more in history:
            self._step(what, number, more)
            self.check()
        self._catch_up()
        self.check()
        current, truth = dict(self.loads.current(self.of)), self.world.truth(self.of)
        assert current == truth, f"{current} is not {truth}"

    def _catch_up(self) -> None:
        """The scheduled runs up to the first whose interval holds the last change; exports show it a minute on."""
        last_change = self.world.now
        self.world.now += SPAN
        self._next(0)
        while BEGAN + self.runs * SPAN <= last_change:
            self._next(0)
        if self.of.read.current is Current.NEWEST_VERSION:
            self._next(0)

    def check(self) -> None:
        """Nothing is absent that was current and that lives, and nothing is older than it was."""
        living, current = set(self.world.truth(self.of)), self.loads.current(self.of)
        self.known = (self.known & living) | (set(current) & living)
        missing = self.known - set(current)
        assert not missing, f"absent: {missing}"
        older = [key for key, record in current.items() if record["value"] < self.values.get(key, 0)]
        assert not older, f"older than before: {older}"
        self.values = {key: record["value"] for key, record in current.items()}

    def _step(self, what: str, number: int, more: Any) -> None:
        if what == "touch":
            self.world.touch(number, more)
        elif what == "delete":
            self.world.delete(number, more)
            self.known &= set(self.world.truth(self.of))
        elif what == "next":
            self._next(number)
        elif what == "meanwhile":
            self._meanwhile(number, more)
        elif what == "replay" and self.manifests:
            self.loads.load(self.manifests[number % len(self.manifests)])
        elif number < self.runs:
            self._rerun(what, number, more)

    def _rerun(self, what: str, number: int, more: Any) -> None:
        match what:
            case "again":
                self._run(self._batch(number))
            case "alone" if self.of.read.parent:
                self._run(self._batch(number), alone=True)
            case "full":
                self._run(self._batch(number, mode=Mode.FULL))
            case "backfill" if self.of.read.parent is None:
                self._run(self._batch(number, kind=Kind.BACKFILL))
            case "killed":
                self._run(self._batch(number), killed_at=more)
            case "refused":
                self._run(self._batch(number), allowed=more)

    def _meanwhile(self, key: int, requests: int) -> None:
        """The next run, while one record changes or, every fourth time, is deleted."""
        deleted = (key + requests) % 4 == 0

        def happens() -> None:
            (self.world.delete if deleted else self.world.touch)(key, 1)

        self.world.meanwhile = (requests, happens)
        try:
            self._next(0)
        finally:
            self.world.meanwhile = None

    def _next(self, late: int) -> None:
        self.world.now = max(self.world.now, BEGAN + (self.runs + 1) * SPAN) + late
        self._run(self._batch(self.runs))
        self.runs += 1

    def _batch(self, number: int, **fields: Any) -> Batch:
        start = at(BEGAN + number * SPAN)
        end = start + timedelta(seconds=SPAN)
        return Batch(source="vendor", stream=self.of.name, start=start, end=end, **fields)

    def _run(
        self, batch: Batch, *, killed_at: int | None = None, allowed: int | None = None, alone: bool = False
    ) -> None:
        """Extract and load; `killed_at` ends it at that call of the landing, `allowed` is how many requests are.

        `alone`: the child's task was cleared, and its parent's was not.
        """
        self.world.now += 1
        calls = iter(range(1_000_000))
        self.store.fails = lambda verb, key: next(calls) == killed_at
        self.world.allowed = allowed
        try:
            if self.of.read.parent and not alone:
                self._extract(replace(batch, stream=self.of.read.parent.stream))
            key = self._extract(batch)
            self.store.fails = lambda verb, key: False
            if key:
                self._load(key)
        except (ContractBroken, LandingUnavailable, RateLimited):  # broken: the parent has no batch yet
            return
        finally:
            self.store.fails = lambda verb, key: False
            self.world.allowed = None

    def _extract(self, batch: Batch) -> str | None:
        client = cast(HttpClient, InProcess(self.world.reply))
        parent = batch.stream != self.of.name
        extraction = Extraction(
            source=SPEC,
            client=client,
            store=self.store,
            history_start=SPEC.history_start,
            load=self._load,
            sealing=Sealing(pieces=2),
            now=lambda: at(self.world.now),
        )
        return extraction.run(batch, _NO_STATE if parent else self.loads.cursor_state(batch)).key

    def _load(self, key: str) -> None:
        fails, self.store.fails = self.store.fails, lambda verb, key: False
        try:
            self.manifests.append(key)
            self.loads.load(key)
        finally:
            self.store.fails = fails
