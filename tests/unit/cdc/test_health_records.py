"""What a run leaves in the warehouse: every statement is Snowflake's, and what is read back decides the next run."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from catchment.cdc.connectors import pauses
from catchment.cdc.connectors.client import Rebalancing
from catchment.cdc.health import memory, records
from catchment.cdc.health.counting import SEEN
from catchment.cdc.health.decide import ActionKind, ConnectorAction
from catchment.cdc.health.history import History
from catchment.cdc.health.policy import State
from catchment.errors import NeedsPerson
from tests.support.cdc_health import NAME, START, Watch, running, well, with_status

FAILED = with_status(running(tasks=("FAILED",), trace="boom"))
RESTART = ConnectorAction(NAME, ActionKind.RESTART_FAILED, "it failed", 1)
PAUSE = pauses.Pause(connector=NAME, owner="Ada", reason="why", starts=START, ends=START + timedelta(hours=1))


class Table:
    """A cursor on one table: keeps the statements, and gives back the rows that were written."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.rows: list[tuple[Any, ...]] = []

    def execute(self, command: str, params: Any = None, /) -> None:
        self.statements.append(command)
        if command.startswith("INSERT") and isinstance(params, list):
            self.rows += [tuple(params[at : at + 8]) for at in range(0, len(params), 8)]

    def fetchall(self) -> list[tuple[Any, ...]]:
        def moment(text: str | None) -> datetime | None:
            return datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f") if text else None  # noqa: DTZ007 - as it comes back

        found = [
            (kind, subject, state, moment(at), moment(since), detail)
            for _, at, kind, subject, state, since, _, detail in self.rows
        ]
        newest = {row[1]: row for row in found if row[0] == "state"}
        return [row for row in found if row[0] != "state" or newest[row[1]] is row]


class Store(dict[str, Any]):
    """A memory that takes JSON alone, as Airflow's store does."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))


def test_every_statement_is_snowflakes() -> None:
    table = Table()
    records.write(table, records.decided("run", START, Watch().see(FAILED), History()))
    records.read(table)
    records.prune(table, START)
    pauses.record(table, PAUSE)
    pauses.end(table, NAME, START)
    for sql in [*table.statements, SEEN.format(table="RAW.APPLICATION.S0_USERS")]:
        tree = sqlglot.parse_one(re.sub(r"%\(\w+\)s|%s", "'x'", sql), read="snowflake")
        assert not isinstance(tree, exp.Command), sql


def test_an_empty_memory_is_filled_from_what_the_warehouse_was_given() -> None:
    watch, table = Watch(), Table()
    decision = watch.see(FAILED)
    records.write(table, records.decided("run", watch.now, decision, History()))
    history = records.read(table)
    assert history.seen == watch.history.seen
    assert history.actions == watch.history.actions
    assert history.alerts == watch.history.alerts


def test_what_a_run_keeps_is_what_the_next_one_remembers() -> None:
    watch, store = Watch(), Store()
    for _ in range(3):
        decision = watch.see(FAILED)
    kept = memory.Kept(watch.now, watch.history, {NAME: PAUSE}, tuple(records.decided("r", START, decision, History())))
    memory.save(store, kept)
    assert memory.load(store) == kept
    store.set("kept", {"of": "another version"})
    assert memory.load(store) is None


def test_while_all_stays_as_it_is_the_warehouse_gets_no_row() -> None:
    """Seen by reading: 1,440 runs a day wrote a row for each subject, and each woke the warehouse."""
    watch = Watch()
    before, first = watch.history, watch.see(well())
    assert len(records.decided("run", watch.now, first, before)) == len(first.subjects)
    before, second = watch.history, watch.see(well())
    assert records.decided("run", watch.now, second, before) == []
    before, third = watch.history, watch.see(FAILED)
    assert [row[2:5] for row in records.decided("run", watch.now, third, before)] == [
        ("state", NAME, State.FAILED),
        ("action", NAME, "restart_failed"),
    ]


@pytest.mark.parametrize(
    ("error", "attempts"),
    [(None, [1]), (NeedsPerson("the config is refused"), [1]), (Rebalancing("409"), [])],
)
def test_an_attempt_counts_unless_connect_could_not_take_it_just_then(error: Any, attempts: list[int]) -> None:
    watch = Watch()
    before, decision = watch.history, watch.see(FAILED)
    history = memory.after(before, decision, watch.now, [(decision.actions[0], error)])
    assert [done.attempt for done in history.actions] == attempts
    assert [done.error for done in history.actions] == [str(error or "")] * len(attempts)


def test_a_second_attempt_that_connect_could_not_take_leaves_the_first_in_place() -> None:
    watch = Watch()
    watch.see(FAILED)
    watch.see(FAILED)
    before, decision = watch.history, watch.see(FAILED)
    history = memory.after(before, decision, watch.now, [(decision.actions[0], Rebalancing("409"))])
    assert [(done.attempt, done.at) for done in history.actions] == [(1, START + timedelta(minutes=1))]


def test_a_clock_that_was_set_back_stretches_no_wait() -> None:
    """No public report: by reading. A restart an hour in the future kept a failed task waiting for an hour more."""
    watch = Watch()
    watch.see(FAILED)
    kept = memory.not_after(memory.Kept(watch.now, watch.history), START - timedelta(hours=5))
    moments = [kept.at, *(seen.at for seen in kept.history.seen.values()), *(a.at for a in kept.history.actions)]
    assert set(moments) == {START - timedelta(hours=5)}


def test_details_are_json_whatever_they_hold() -> None:
    rows = records.decided("run", START, Watch().see(well()), History())
    assert all(isinstance(json.loads(row[-1]), dict) for row in rows)
    assert {row[4] for row in rows} == {State.HEALTHY}
    assert records.outcome("run", START, RESTART, None)[6] == "done"


def test_no_rows_are_no_statement() -> None:
    table = Table()
    records.write(table, [])
    assert table.statements == []
