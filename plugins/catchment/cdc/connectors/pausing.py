"""Pause a connector on purpose, and let it run again.

The pause is recorded first, with its owner, reason and end (`pauses.py`). Until the end the health DAG ignores the
connector; after it, the connector is checked again, whether anybody resumed it or not.
"""

from __future__ import annotations

from datetime import UTC, datetime

from catchment.cdc.connectors import pauses
from catchment.cdc.connectors.waiting import is_running, retry_on_rebalance, wait_until
from catchment.cdc.systems import Systems

RUNNING_SECONDS = 120.0


def plan_pause(pause: pauses.Pause) -> list[str]:
    return [
        f"write down that {pause.owner} pauses {pause.connector} until {pause.ends:%Y-%m-%d %H:%M} UTC: {pause.reason}",
        f"pause {pause.connector}: changes wait in its shard's WAL, which grows until it is resumed",
        "cdc_connector_health says nothing of it until then, save that WAL is about to be lost",
    ]


def pause(systems: Systems, wanted: pauses.Pause) -> str:
    """Pause. Run again, it moves the end."""
    with systems.warehouse() as warehouse:
        cursor = warehouse.cursor()
        pauses.end(cursor, wanted.connector, wanted.starts)
        pauses.record(cursor, wanted)
    with systems.connect() as connect:
        retry_on_rebalance(lambda: connect.pause(wanted.connector))
        wait_until(
            lambda: connect.status(wanted.connector).state == "PAUSED",
            seconds=30,
            otherwise=f"{wanted.connector} was not PAUSED",
        )
    return f"{wanted.connector} is paused until {wanted.ends:%Y-%m-%d %H:%M} UTC, for {wanted.owner}: {wanted.reason}"


def plan_resume(connector: str, active: pauses.Pause | None) -> list[str]:
    ended = f", which {active.owner} meant to last until {active.ends:%Y-%m-%d %H:%M} UTC" if active else ""
    return [f"resume {connector} and wait until its task runs", f"end its pause{ended}: the health DAG watches again"]


def active_pause(systems: Systems, connector: str, at: datetime) -> pauses.Pause | None:
    """The active pause of a connector."""
    with systems.warehouse() as warehouse:
        newest = pauses.newest(warehouse.cursor()).get(connector)
    return newest if newest is not None and newest.is_active(at) else None


def resume(systems: Systems, connector: str) -> str:
    """Let it run, wait until it does, and only then end the pause. Raises NeedsPerson when it does not run."""
    with systems.connect() as connect:
        retry_on_rebalance(lambda: connect.resume(connector))
        wait_until(
            lambda: is_running(connect, connector),
            seconds=RUNNING_SECONDS,
            otherwise=f"{connector} was resumed, and its task did not run (docs/runbooks/cdc_pause.md)",
        )
    with systems.warehouse() as warehouse:
        pauses.end(warehouse.cursor(), connector, datetime.now(UTC))
    return f"{connector} runs again."
