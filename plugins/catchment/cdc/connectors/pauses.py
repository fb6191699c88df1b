"""Pauses: what a person has silenced on purpose, with a reason and an end, in `RAW.CATCHMENT.CDC_PAUSES`.

They are stored in the warehouse, next to the health DAG's records, so that who paused what, and why, can be read a year
later. A pause is recorded before anything is done to the connector, so that no health run falls between. Until its end
the health DAG ignores the connector; after it, the connector is checked again, whether anybody resumed it or not. It is
never deleted; ending it early moves its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from catchment.cdc.connectors.waiting import is_running, retry_on_rebalance, wait_until
from catchment.cdc.systems import Systems
from catchment.errors import NeedsPerson
from catchment.warehouse.ledger import insert, sql_time
from catchment.warehouse.names import PAUSES

RUNNING_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Pause:
    """The health DAG neither acts on `connector` nor alerts about it between `starts` and `ends`.

    What would lose data (a slot about to be lost) is an alert all the same.
    """

    connector: str
    owner: str
    reason: str
    starts: datetime
    ends: datetime

    def __post_init__(self) -> None:
        if not self.owner.strip() or not self.reason.strip():
            raise NeedsPerson(f"A pause of {self.connector} needs an owner and a reason: give both.")
        if self.ends <= self.starts:
            raise NeedsPerson(f"The pause of {self.connector} ends before it starts: give an end in the future.")

    @classmethod
    def from_now(cls, connector: str, lasts: timedelta, *, owner: str, reason: str) -> Pause:
        now = datetime.now(UTC)
        return cls(connector=connector, owner=owner, reason=reason, starts=now, ends=now + lasts)

    def is_active(self, at: datetime) -> bool:
        return self.starts <= at < self.ends


def plan_pause(pause: Pause) -> list[str]:
    return [
        f"write down that {pause.owner} pauses {pause.connector} until {pause.ends:%Y-%m-%d %H:%M} UTC: {pause.reason}",
        f"pause {pause.connector}: changes wait in its shard's WAL, which grows until it is resumed",
        "cdc_connector_health says nothing of it until then, save that WAL is about to be lost",
    ]


def pause(systems: Systems, wanted: Pause) -> str:
    """Pause. Run again, it moves the end."""
    _begin(systems, wanted)
    with systems.connect() as connect:
        retry_on_rebalance(lambda: connect.pause(wanted.connector))
        wait_until(
            lambda: connect.status(wanted.connector).state == "PAUSED",
            seconds=30,
            otherwise=f"{wanted.connector} was not PAUSED",
        )
    return f"{wanted.connector} is paused until {wanted.ends:%Y-%m-%d %H:%M} UTC, for {wanted.owner}: {wanted.reason}"


def stop(systems: Systems, wanted: Pause) -> None:
    """Stop the connector and its tasks for a repair: it keeps its config, and its offsets may be changed then."""
    _begin(systems, wanted)
    with systems.connect() as connect:
        retry_on_rebalance(lambda: connect.stop(wanted.connector))
        wait_until(
            lambda: (status := connect.status(wanted.connector)).state == "STOPPED" and not status.tasks,
            seconds=60,
            otherwise=f"{wanted.connector} did not stop",
        )


def plan_resume(connector: str, active: Pause | None) -> list[str]:
    ended = f", which {active.owner} meant to last until {active.ends:%Y-%m-%d %H:%M} UTC" if active else ""
    return [f"resume {connector} and wait until its task runs", f"end its pause{ended}: the health DAG watches again"]


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
        end(warehouse.cursor(), connector, datetime.now(UTC))
    return f"{connector} runs again."


def active_pause(systems: Systems, connector: str, at: datetime) -> Pause | None:
    """The active pause of a connector."""
    with systems.warehouse() as warehouse:
        found = newest(warehouse.cursor()).get(connector)
    return found if found is not None and found.is_active(at) else None


def newest(cursor: Any) -> Mapping[str, Pause]:
    """The pause of each connector that ends last, active or over."""
    cursor.execute(
        f"SELECT CONNECTOR, OWNER, REASON, STARTS_AT, ENDS_AT FROM {PAUSES} WHERE ENDS_AT > STARTS_AT ORDER BY ENDS_AT"
    )
    return {
        of: Pause(connector=of, owner=owner, reason=why, starts=start.replace(tzinfo=UTC), ends=end.replace(tzinfo=UTC))
        for of, owner, why, start, end in cursor.fetchall()
    }


def record(cursor: Any, pause: Pause) -> None:
    """Record a pause. Do this before the connector is paused."""
    row = {"CONNECTOR": pause.connector, "OWNER": pause.owner, "REASON": pause.reason}
    insert(cursor, PAUSES, {**row, "STARTS_AT": pause.starts, "ENDS_AT": pause.ends})


def end(cursor: Any, connector: str, at: datetime) -> None:
    """End the active pauses of a connector. Do this after the connector runs again."""
    cursor.execute(
        f"UPDATE {PAUSES} SET ENDS_AT = %(at)s::TIMESTAMP_NTZ "
        "WHERE CONNECTOR = %(connector)s AND ENDS_AT > %(at)s::TIMESTAMP_NTZ",
        {"connector": connector, "at": sql_time(at)},
    )


def _begin(systems: Systems, wanted: Pause) -> None:
    with systems.warehouse() as warehouse:
        cursor = warehouse.cursor()
        end(cursor, wanted.connector, wanted.starts)
        record(cursor, wanted)
