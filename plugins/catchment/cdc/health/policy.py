"""The limits of the health check: back-off and budget of restarts, and when a state raises an alert.

Strimzi's rule for restarts: after the n-th, n² + n minutes, at most 60; then, when the budget is spent, a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from catchment.spec import MINUTE

SEEN_TWICE = timedelta(seconds=40)  # runs are a minute apart: what lasts this long was there in two of them
NOW, NEVER = timedelta(0), None
HANDS_OFF = True
MEBI = 1024 * 1024


class State(StrEnum):
    """What a connector, or something that all depend on, is in.

    Of each: how long it must last before it raises an alert, and the page that says what to do. `hands_off`: a person
    wants it so, or a restart of the task (which an update is, too) helps nothing and may do harm.
    """

    alert_after: timedelta | None
    page: str
    hands_off: bool

    def __new__(
        cls,
        value: str,
        alert_after: timedelta | None = None,
        page: str = "cdc_connector_failed",
        hands_off: bool = False,
    ) -> Self:
        state = str.__new__(cls, value)
        state._value_ = value
        state.alert_after, state.page, state.hands_off = alert_after, page, hands_off
        return state

    HEALTHY = "healthy"
    STARTING = "starting"
    SNAPSHOTTING = "snapshotting"
    SILENCED = "silenced", NEVER, "cdc_connector_failed", HANDS_OFF
    UNDECLARED = "undeclared"
    UNKNOWN = "unknown", 3 * MINUTE, "cdc_connector_failed"
    MISSING = "missing", SEEN_TWICE, "cdc_connector_failed"
    DRIFTED = "drifted", SEEN_TWICE, "cdc_connector_failed"
    FAILED = "failed", SEEN_TWICE, "cdc_connector_failed"
    PASSWORD_REFUSED = "password_refused", NOW, "cdc_connector_failed"
    RECORD_TOO_LARGE = "record_too_large", NOW, "cdc_record_too_large"
    SNAPSHOT_POISONED = "snapshot_poisoned", NOW, "cdc_snapshot_poisoned", HANDS_OFF
    PUBLICATION_MISSING = "publication_missing", NOW, "cdc_connector_failed", HANDS_OFF
    PUBLICATION_NARROWED = "publication_narrowed", NOW, "cdc_drift"
    UNPUBLISHED = "unpublished", SEEN_TWICE, "cdc_connector_failed"
    IDENTITY_CHANGED = "identity_changed", NOW, "cdc_drift"
    TYPE_CHANGED = "type_changed", NOW, "cdc_drift"
    COLUMN_GONE = "column_gone", NOW, "cdc_drift"
    TABLE_CHANGED = "table_changed", NOW, "cdc_drift"
    SLOT_MISSING = "slot_missing", NOW, "cdc_slot", HANDS_OFF
    SLOT_REPLACED = "slot_replaced", NOW, "cdc_slot", HANDS_OFF
    SLOT_LOST = "slot_lost", NOW, "cdc_slot", HANDS_OFF
    SLOT_AT_RISK = "slot_at_risk", NOW, "cdc_slot"
    SLOT_IDLE = "slot_idle"
    ZOMBIE = "zombie", NOW, "cdc_slot"
    NO_TASKS = "no_tasks", SEEN_TWICE, "cdc_connector_failed"
    PAUSED = "paused", NOW, "cdc_paused", HANDS_OFF
    STOPPED = "stopped", NOW, "cdc_paused", HANDS_OFF
    DATABASE_DOWN = "database_down", timedelta(seconds=150), "cdc_database_down", HANDS_OFF
    DISK_FULL = "disk_full", NOW, "cdc_database_down", HANDS_OFF
    CLOCK_JUMPED = "clock_jumped", SEEN_TWICE, "cdc_clock"
    REBALANCING = "rebalancing", 3 * MINUTE, "cdc_connect_down"
    STALLED = "stalled", 2 * MINUTE, "cdc_wal_growing"
    WAL_GROWING = "wal_growing", SEEN_TWICE, "cdc_wal_growing"  # one long transaction looks like it for a minute
    SNAPSHOT_INCOMPLETE = "snapshot_incomplete", NOW, "cdc_snapshot_incomplete"
    SNAPSHOT_UNCOUNTED = "snapshot_uncounted", NOW, "cdc_snapshot_incomplete"
    TOPIC_REPLACED = "topic_replaced", NOW, "cdc_topic_stopped"
    RECORDS_LOST = "records_lost", NOW, "cdc_topic_stopped"
    RETENTION_SHORT = "retention_short", NOW, "cdc_loader_stuck"
    TOPIC_DRIFTED = "topic_drifted", SEEN_TWICE, "cdc_topic_stopped"
    WAREHOUSE_DOWN = "warehouse_down", 3 * MINUTE, "cdc_warehouse_down"
    CONNECT_DOWN = "connect_down", SEEN_TWICE, "cdc_connect_down"
    KAFKA_DOWN = "kafka_down", SEEN_TWICE, "cdc_kafka_down"
    LOADER_STUCK = "loader_stuck", NOW, "cdc_loader_stuck"
    TWO_LOADERS = "two_loaders", NOW, "cdc_loader_stuck"

    @property
    def runbook(self) -> str:
        return f"docs/runbooks/{self.page}.md"


HEALTHY_STATES = frozenset({State.HEALTHY, State.STARTING, State.SNAPSHOTTING, State.SILENCED, State.UNDECLARED})


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The numbers.

    `wal_step` bytes of WAL a run without the slot moving is growth; `wal_held` is too much in any case. `clock`: how
    far a database's clock may be from ours. `propose_after`: how long a zombie has to stay one before rebuilding its
    shard is proposed. `look_again`: how long after a restart its task is looked at again.
    """

    restarts: int = 7
    longest_wait: timedelta = 60 * MINUTE
    stable: timedelta = 60 * MINUTE
    remind: timedelta = 240 * MINUTE
    quiet: timedelta = 10 * MINUTE
    starting: timedelta = 2 * MINUTE
    heartbeat: timedelta = MINUTE
    clock: timedelta = MINUTE
    wal_step: int = 64 * MEBI
    wal_held: int = 4096 * MEBI
    safe_wal: int = 1024 * MEBI
    propose_after: timedelta = 3 * MINUTE
    look_again: timedelta = timedelta(seconds=20)

    def wait(self, attempts: int) -> timedelta:
        """How long after the n-th attempt the next may follow: n² + n minutes, at most an hour."""
        return min(self.longest_wait, (attempts * attempts + attempts) * MINUTE)

    def may_act(self, attempts: int, last: datetime | None, now: datetime) -> bool:
        """Whether the budget and the back-off allow another attempt."""
        return attempts < self.restarts and (last is None or now >= last + self.wait(attempts))
