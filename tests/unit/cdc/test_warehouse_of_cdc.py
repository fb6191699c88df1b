"""Change data capture has a warehouse of its own: whatever it costs, loads of other sources and marts go on.

A resource monitor suspends a warehouse for everybody on it when its credits are used up (Snowflake's guide "Working
with resource monitors"). A slow loop of changes must not be able to stop what finance reads.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from catchment.cdc.loader.warehouse import LoaderWarehouse
from catchment.cdc.systems import Systems
from catchment.connection import Connection
from catchment.sources import SOURCES
from catchment.warehouse.names import CDC_WAREHOUSE
from catchment.warehouse.provision import Settings, render

CONNECTION = Connection(conn_id="snowflake_default", login="CATCHMENT", extra={"account": "a", "warehouse": "LOADING"})


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of each session that is opened; none is."""
    import snowflake.connector

    found: list[dict[str, Any]] = []

    class Opened:
        def __init__(self, **arguments: Any) -> None:
            found.append(arguments)

        def close(self) -> None: ...

    monkeypatch.setattr(snowflake.connector, "connect", Opened)
    return found


def test_the_loader_and_the_runbooks_ask_their_own_warehouse_whatever_the_connection_says(
    opened: list[dict[str, Any]],
) -> None:
    LoaderWarehouse.open(CONNECTION, "test")
    with Systems(lambda _: CONNECTION).warehouse(role="RECONCILER"):
        pass
    assert [arguments["warehouse"] for arguments in opened] == [CDC_WAREHOUSE] * 2
    assert [arguments.get("role") for arguments in opened] == [None, "RECONCILER"]


def test_each_warehouse_has_a_monitor_that_stops_it_alone() -> None:
    text = "\n".join(statement.sql for statement in render(Settings(), SOURCES.values()))
    monitors = dict(re.findall(r"ALTER WAREHOUSE (\w+) SET RESOURCE_MONITOR = (\w+)", text))
    assert {CDC_WAREHOUSE, "LOADING", "TRANSFORMING", "REPORTING"} <= monitors.keys()
    assert len(set(monitors.values())) == len(monitors)


@pytest.mark.parametrize("role", ["LOADER", "TRANSFORMER", "RECONCILER"])
def test_each_role_of_change_data_capture_may_use_it(role: str) -> None:
    statements = [statement.sql for statement in render(Settings(), SOURCES.values())]
    assert f"GRANT USAGE ON WAREHOUSE {CDC_WAREHOUSE} TO ROLE {role}" in statements
