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
from catchment.cdc.health import gather, records
from catchment.cdc.health.decide import ActionKind, ConnectorAction
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


def test_every_statement_is_snowflakes() -> None:
    table = Table()
    records.write(table, records.decided("run", START, Watch().see(FAILED)))
    records.read(table, START)
    pauses.record(table, PAUSE)
    pauses.end(table, NAME, START)
    for sql in [*table.statements, gather._SEEN.format(table="RAW.APPLICATION.S0_USERS")]:
        tree = sqlglot.parse_one(re.sub(r"%\(\w+\)s|%s", "'x'", sql), read="snowflake")
        assert not isinstance(tree, exp.Command), sql


def test_what_a_run_wrote_is_what_the_next_one_remembers() -> None:
    watch, table = Watch(), Table()
    decision = watch.see(FAILED)
    records.write(table, records.decided("run", watch.now, decision))
    history = records.read(table, watch.now)
    assert history.seen == watch.history.seen
    assert history.actions == watch.history.actions
    assert history.alerts == watch.history.alerts


@pytest.mark.parametrize(
    ("error", "counted"),
    [(None, True), (NeedsPerson("the config is refused"), True), (Rebalancing("409"), False)],
)
def test_an_attempt_counts_unless_connect_could_not_take_it_just_then(error: Any, counted: bool) -> None:
    watch, table = Watch(), Table()
    decision = watch.see(FAILED)
    records.write(table, records.decided("run", watch.now, decision))
    records.write(table, [records.outcome("run", watch.now, decision.actions[0], error)])
    history = records.read(table, watch.now)
    assert [done.error for done in history.actions] == ([str(error or "")] if counted else [])


def test_details_are_json_whatever_they_hold() -> None:
    rows = records.decided("run", START, Watch().see(well()))
    assert all(isinstance(json.loads(row[-1]), dict) for row in rows)
    assert {row[4] for row in rows} == {State.HEALTHY}
    assert records.outcome("run", START, RESTART, None)[6] == "done"


def test_no_rows_are_no_statement() -> None:
    table = Table()
    records.write(table, [])
    assert table.statements == []
