"""Pauses: what a person has silenced on purpose, with a reason and an end, in `RAW.CATCHMENT.CDC_PAUSES`.

They are stored in the warehouse, next to the health DAG's records, so that who paused what, and why, can be read a year
later. A pause is never deleted; ending it early moves its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from catchment.errors import NeedsPerson
from catchment.warehouse.ledger import sql_time
from catchment.warehouse.names import PAUSES


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

    def is_active(self, at: datetime) -> bool:
        return self.starts <= at < self.ends


def record(cursor: Any, pause: Pause) -> None:
    """Record a pause. Do this before the connector is paused, so that no health run falls between."""
    cursor.execute(
        f"INSERT INTO {PAUSES} (CONNECTOR, OWNER, REASON, STARTS_AT, ENDS_AT) "
        "SELECT %(connector)s, %(owner)s, %(reason)s, %(starts)s::TIMESTAMP_NTZ, %(ends)s::TIMESTAMP_NTZ",
        {
            "connector": pause.connector,
            "owner": pause.owner,
            "reason": pause.reason,
            "starts": sql_time(pause.starts),
            "ends": sql_time(pause.ends),
        },
    )


def end(cursor: Any, connector: str, at: datetime) -> None:
    """End the active pauses of a connector. Do this after the connector runs again."""
    cursor.execute(
        f"UPDATE {PAUSES} SET ENDS_AT = %(at)s::TIMESTAMP_NTZ "
        "WHERE CONNECTOR = %(connector)s AND ENDS_AT > %(at)s::TIMESTAMP_NTZ",
        {"connector": connector, "at": sql_time(at)},
    )


def newest(cursor: Any) -> Mapping[str, Pause]:
    """The pause of each connector that ends last, active or over."""
    cursor.execute(
        f"SELECT CONNECTOR, OWNER, REASON, STARTS_AT, ENDS_AT FROM {PAUSES} WHERE ENDS_AT > STARTS_AT ORDER BY ENDS_AT"
    )
    return {
        row[0]: Pause(connector=row[0], owner=row[1], reason=row[2], starts=_utc(row[3]), ends=_utc(row[4]))
        for row in cursor.fetchall()
    }


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC)
