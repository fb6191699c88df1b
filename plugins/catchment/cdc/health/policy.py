"""The limits of the health check: back-off and budget of restarts, and when a state raises an alert.

Strimzi's rule for restarts: after the n-th, n² + n minutes, at most 60; then, when the budget is spent, a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from catchment.spec import MINUTE

SEEN_TWICE = timedelta(seconds=40)  # runs are a minute apart: what lasts this long was there in two of them
NOW = timedelta(0)
MEBI = 1024 * 1024


class State(StrEnum):
    """What a connector, or something that all depend on, is in."""

    HEALTHY = "healthy"
    STARTING = "starting"
    SNAPSHOTTING = "snapshotting"
    SILENCED = "silenced"
    UNDECLARED = "undeclared"
    UNKNOWN = "unknown"
    MISSING = "missing"
    DRIFTED = "drifted"
    FAILED = "failed"
    PASSWORD_REFUSED = "password_refused"
    RECORD_TOO_LARGE = "record_too_large"
    SNAPSHOT_POISONED = "snapshot_poisoned"
    PUBLICATION_MISSING = "publication_missing"
    PUBLICATION_NARROWED = "publication_narrowed"
    UNPUBLISHED = "unpublished"
    IDENTITY_CHANGED = "identity_changed"
    TYPE_CHANGED = "type_changed"
    COLUMN_GONE = "column_gone"
    TABLE_CHANGED = "table_changed"
    SLOT_MISSING = "slot_missing"
    SLOT_REPLACED = "slot_replaced"
    SLOT_LOST = "slot_lost"
    SLOT_AT_RISK = "slot_at_risk"
    SLOT_IDLE = "slot_idle"
    ZOMBIE = "zombie"
    NO_TASKS = "no_tasks"
    PAUSED = "paused"
    STOPPED = "stopped"
    DATABASE_DOWN = "database_down"
    DISK_FULL = "disk_full"
    CLOCK_JUMPED = "clock_jumped"
    REBALANCING = "rebalancing"
    STALLED = "stalled"
    WAL_GROWING = "wal_growing"
    SNAPSHOT_INCOMPLETE = "snapshot_incomplete"
    SNAPSHOT_UNCOUNTED = "snapshot_uncounted"
    TOPIC_REPLACED = "topic_replaced"
    RECORDS_LOST = "records_lost"
    RETENTION_SHORT = "retention_short"
    TOPIC_DRIFTED = "topic_drifted"
    WAREHOUSE_DOWN = "warehouse_down"
    CONNECT_DOWN = "connect_down"
    KAFKA_DOWN = "kafka_down"
    LOADER_STUCK = "loader_stuck"
    TWO_LOADERS = "two_loaders"


HEALTHY_STATES = frozenset({State.HEALTHY, State.STARTING, State.SNAPSHOTTING, State.SILENCED, State.UNDECLARED})

# How long a state must last before it raises an alert. States that are not listed never do.
ALERT_AFTER = {
    State.UNKNOWN: 3 * MINUTE,
    State.MISSING: SEEN_TWICE,
    State.DRIFTED: SEEN_TWICE,
    State.FAILED: SEEN_TWICE,
    State.PASSWORD_REFUSED: NOW,
    State.RECORD_TOO_LARGE: NOW,
    State.SNAPSHOT_POISONED: NOW,
    State.PUBLICATION_MISSING: NOW,
    State.PUBLICATION_NARROWED: NOW,
    State.UNPUBLISHED: SEEN_TWICE,
    State.IDENTITY_CHANGED: NOW,
    State.TYPE_CHANGED: NOW,
    State.COLUMN_GONE: NOW,
    State.TABLE_CHANGED: NOW,
    State.SLOT_MISSING: NOW,
    State.SLOT_REPLACED: NOW,
    State.SLOT_LOST: NOW,
    State.SLOT_AT_RISK: NOW,
    State.ZOMBIE: NOW,
    State.NO_TASKS: SEEN_TWICE,
    State.PAUSED: NOW,
    State.STOPPED: NOW,
    State.DATABASE_DOWN: timedelta(seconds=150),
    State.DISK_FULL: NOW,
    State.CLOCK_JUMPED: SEEN_TWICE,
    State.REBALANCING: 3 * MINUTE,
    State.STALLED: 2 * MINUTE,
    State.WAL_GROWING: SEEN_TWICE,  # one long transaction looks like it for a minute
    State.SNAPSHOT_INCOMPLETE: NOW,
    State.SNAPSHOT_UNCOUNTED: NOW,
    State.TOPIC_REPLACED: NOW,
    State.RECORDS_LOST: NOW,
    State.RETENTION_SHORT: NOW,
    State.TOPIC_DRIFTED: SEEN_TWICE,
    State.WAREHOUSE_DOWN: 3 * MINUTE,
    State.CONNECT_DOWN: SEEN_TWICE,
    State.KAFKA_DOWN: SEEN_TWICE,
    State.LOADER_STUCK: NOW,
    State.TWO_LOADERS: NOW,
}


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
