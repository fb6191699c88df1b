"""Facts are gathered one source at a time: whatever one of them does, the others are known."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from catchment.cdc.declared import application
from catchment.cdc.health.facts import Unknown
from catchment.cdc.health.gather import gather, known
from catchment.connection import Connection
from catchment.errors import NeedsPerson, WarehouseUnavailable


class Warehouse:
    """A cursor: pauses are none, and the loader's ledger is what a test says."""

    def __init__(self, ledger: Any, pauses: Any = ()) -> None:
        self.answers = {"OFFSETS": ledger, "CDC_PAUSES": pauses}
        self.found: Any = ()

    def execute(self, command: str, params: Any = None, /) -> None:
        self.found = next(answer for name, answer in self.answers.items() if name in command)
        if isinstance(self.found, Exception):
            raise self.found

    def fetchall(self) -> Any:
        return self.found


def nobody(name: str) -> Connection:
    raise NeedsPerson(f'There is no connection "{name}".')


def closed(name: str) -> Connection:
    """A connection to a port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    extra = {"secret": "${file:/s:{shard}}"}
    return Connection(conn_id=name, host="127.0.0.1", port=port, schema="http", login="cdc", extra=extra)


def test_without_any_connection_everything_is_unknown_and_says_why() -> None:
    facts = gather(application(), nobody, Warehouse(()))
    assert isinstance(facts.running, Unknown)
    assert isinstance(facts.ends, Unknown)
    assert facts.loaded == {}
    for shard in application().shards:
        found = facts.shards[shard.name]
        assert isinstance(found, Unknown)
        assert (shard.connection in found.because, found.away) == (True, False)


def test_what_is_down_is_away_and_the_rest_is_known() -> None:
    def look_up(name: str) -> Connection:
        return nobody(name) if name == "kafka" else closed(name)

    facts = gather(application(), look_up, Warehouse([("s0.public.users", 1, 42)]))
    assert isinstance(facts.running, Unknown)
    assert facts.running.away
    assert all(isinstance(shard, Unknown) and shard.away for shard in facts.shards.values())
    assert not isinstance(facts.loaded, Unknown)
    assert list(facts.loaded.values()) == [42]


def test_a_ledger_that_can_not_be_read_is_one_unknown_among_facts() -> None:
    facts = gather(application(), nobody, Warehouse(WarehouseUnavailable("gone")))
    assert facts.loaded == Unknown("gone", away=True)


def test_pauses_that_can_not_be_read_stop_the_run() -> None:
    with pytest.raises(WarehouseUnavailable):
        gather(application(), nobody, Warehouse((), WarehouseUnavailable("gone")))


def test_pauses_come_with_the_facts() -> None:
    starts, ends = datetime(2026, 11, 23, 9), datetime(2026, 11, 23, 10)  # noqa: DTZ001 - as the warehouse has them
    facts = gather(application(), nobody, Warehouse((), [("application-s0", "Ada", "index", starts, ends)]))
    assert facts.pause("application-s0", datetime(2026, 11, 23, 9, 30, tzinfo=UTC)) is not None
    assert facts.pause("application-s0", datetime(2026, 11, 23, 10, 0, tzinfo=UTC)) is None


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
