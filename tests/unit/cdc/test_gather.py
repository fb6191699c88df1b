"""Facts are gathered one source at a time: whatever one of them does, the others are known, and in a bounded time."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from catchment.cdc.connectors.pauses import Pause
from catchment.cdc.declared import application
from catchment.cdc.health import gather as module
from catchment.cdc.health.facts import Facts, Unknown, known
from catchment.cdc.health.gather import gather
from catchment.connection import Connection
from catchment.errors import CatchmentError, NeedsPerson, WarehouseUnavailable
from catchment.warehouse import session

NOON = datetime(2026, 11, 23, 12)  # noqa: DTZ001 - as the warehouse has times
BEGAN = NOON.replace(tzinfo=UTC)


class Warehouse:
    """A session: pauses are none, and the loader's ledger is what a test says."""

    def __init__(self, ledger: Any = (), pauses: Any = ()) -> None:
        self.answers = {"OFFSETS": ledger, "CDC_PAUSES": pauses, "EPOCHS": (), "CDC_HEALTH": ()}
        self.found: Any = ()

    def cursor(self) -> Warehouse:
        return self

    def close(self) -> None:
        pass

    def execute(self, command: str, params: Any = None, /) -> None:
        self.found = next(answer for name, answer in self.answers.items() if name in command)
        if isinstance(self.found, Exception):
            raise self.found

    def fetchall(self) -> Any:
        return self.found


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Facts]:
    """The facts that one warehouse gives, with these connections."""

    def ask(look_up: Any, warehouse: Warehouse, pauses: Any = None, seconds: float = 30) -> Facts:
        def found(name: str) -> Connection:
            return Connection(conn_id=name) if name == "snowflake_default" else look_up(name)

        monkeypatch.setattr(session, "connect", lambda *_, **__: warehouse)
        return gather(application(), found, pauses=pauses, seconds=seconds)

    return ask


def nobody(name: str) -> Connection:
    raise NeedsPerson(f'There is no connection "{name}".')


def closed(name: str) -> Connection:
    """A connection to a port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    extra = {"secret": "${file:/s:{shard}}"}
    return Connection(conn_id=name, host="127.0.0.1", port=port, schema="http", login="cdc", extra=extra)


def test_without_any_connection_everything_is_unknown_and_says_why(answered: Callable[..., Facts]) -> None:
    facts = answered(nobody, Warehouse())
    assert isinstance(facts.running, Unknown)
    assert isinstance(facts.ends, Unknown)
    assert facts.loaded == {}
    for shard in application().shards:
        found = facts.shards[shard.name]
        assert isinstance(found, Unknown)
        assert (shard.connection in found.because, found.away) == (True, False)


def test_what_is_down_is_away_and_the_rest_is_known(answered: Callable[..., Facts]) -> None:
    def look_up(name: str) -> Connection:
        return nobody(name) if name == "kafka" else closed(name)

    ledger = ("s0.public.users", 1, 42, "id", "cdc-load@pod:7 abc-7", NOON, "cdc-load@old:1 d-4", NOON.replace(hour=11))
    facts = answered(look_up, Warehouse([ledger]))
    assert isinstance(facts.running, Unknown)
    assert facts.running.away
    assert all(isinstance(shard, Unknown) and shard.away for shard in facts.shards.values())
    assert not isinstance(facts.loaded, Unknown)
    assert list(facts.loaded.values()) == [42]
    assert dict(facts.loaders) == {"cdc-load@pod:7": BEGAN, "cdc-load@old:1": BEGAN.replace(hour=11)}


def test_a_warehouse_that_is_away_blinds_nothing_and_the_last_known_pauses_hold(
    answered: Callable[..., Facts],
) -> None:
    """Seen by reading: a warehouse that hung ended the run, and no connector was restarted or reported meanwhile."""
    pause = Pause(connector="application-s0", owner="Ada", reason="index", starts=BEGAN, ends=BEGAN.replace(hour=13))
    facts = answered(nobody, Warehouse(pauses=WarehouseUnavailable("gone")), {pause.connector: pause})
    assert facts.loaded == Unknown("gone", away=True)
    assert facts.warehouse == Unknown("gone", away=True)
    assert facts.pause("application-s0", BEGAN) == pause


def test_pauses_that_nobody_knows_stop_the_run(answered: Callable[..., Facts]) -> None:
    with pytest.raises(CatchmentError, match=r"paused can't be read, so nothing is done: gone"):
        answered(nobody, Warehouse(pauses=WarehouseUnavailable("gone")))


def test_pauses_come_with_the_facts(answered: Callable[..., Facts]) -> None:
    facts = answered(nobody, Warehouse(pauses=[("application-s0", "Ada", "index", NOON, NOON.replace(hour=13))]))
    assert facts.pause("application-s0", BEGAN.replace(minute=30)) is not None
    assert facts.pause("application-s0", BEGAN.replace(hour=13)) is None


def test_a_source_that_hangs_costs_a_bounded_time_and_is_said(
    answered: Callable[..., Facts], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen by reading: the task died at its limit, with nothing decided. Right: what answered in time is judged."""
    monkeypatch.setattr(module, "shard_facts", lambda *_: time.sleep(3))
    began = time.monotonic()
    facts = answered(closed, Warehouse(), seconds=0.5)
    assert time.monotonic() - began < 2
    assert facts.loaded == {}
    for name, found in facts.shards.items():
        assert found == Unknown(f"The database of {name} did not answer in time.", away=True)


@pytest.mark.parametrize(
    ("ask", "away"),
    [(lambda: nobody("x"), False), (lambda: 1 / 0, False), (lambda: _raise(WarehouseUnavailable("x")), True)],
)
def test_an_error_is_a_fact_that_is_missing(ask: Callable[[], Any], away: bool) -> None:
    found = known(ask)
    assert isinstance(found, Unknown)
    assert found.away is away


def _raise(error: Exception) -> None:
    raise error
