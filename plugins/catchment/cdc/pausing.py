"""Pause a connector on purpose, and let it run again.

The pause is written down first, with its owner, reason and end (`pauses.py`): until then the health DAG is silent about
the connector, afterwards it watches again, whether anybody resumed it or not.
"""

from __future__ import annotations

from datetime import UTC, datetime

from catchment.cdc import pauses
from catchment.cdc.patience import calmly, runs, until
from catchment.cdc.systems import Systems

RUNNING_SECONDS = 120.0


def plan_pause(pause: pauses.Pause) -> list[str]:
    return [
        f"write down that {pause.owner} pauses {pause.connector} until {pause.ends:%Y-%m-%d %H:%M} UTC: {pause.reason}",
        f"pause {pause.connector}: changes wait in its shard's WAL, which grows meanwhile",
        "cdc_connector_health says nothing of it until then, save that WAL is about to be lost",
    ]


def pause(systems: Systems, wanted: pauses.Pause) -> str:
    """Pause. Asked again, it moves the end."""
    with systems.warehouse() as warehouse:
        cursor = warehouse.cursor()
        pauses.end(cursor, wanted.connector, wanted.starts)
        pauses.record(cursor, wanted)
    with systems.connect() as connect:
        calmly(lambda: connect.pause(wanted.connector))
        until(
            lambda: connect.status(wanted.connector).state == "PAUSED",
            seconds=30,
            otherwise=f"{wanted.connector} was not PAUSED",
        )
    return f"{wanted.connector} is paused until {wanted.ends:%Y-%m-%d %H:%M} UTC, for {wanted.owner}: {wanted.reason}"


def plan_resume(connector: str, standing: pauses.Pause | None) -> list[str]:
    ended = f", which {standing.owner} meant to last until {standing.ends:%Y-%m-%d %H:%M} UTC" if standing else ""
    return [f"resume {connector} and wait until its task runs", f"end its pause{ended}: the health DAG watches again"]


def standing(systems: Systems, connector: str, at: datetime) -> pauses.Pause | None:
    """The pause that stands for a connector."""
    with systems.warehouse() as warehouse:
        newest = pauses.newest(warehouse.cursor()).get(connector)
    return newest if newest is not None and newest.standing(at) else None


def resume(systems: Systems, connector: str) -> str:
    """Let it run, wait until it does, and only then end the pause. Raises NeedsPerson when it does not run."""
    with systems.connect() as connect:
        calmly(lambda: connect.resume(connector))
        until(
            lambda: runs(connect, connector),
            seconds=RUNNING_SECONDS,
            otherwise=f"{connector} was resumed, and its task did not run (docs/runbooks/cdc_pause.md)",
        )
    with systems.warehouse() as warehouse:
        pauses.end(warehouse.cursor(), connector, datetime.now(UTC))
    return f"{connector} runs again."
