"""What earlier runs of the health check saw and did, as far as a decision needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from catchment.cdc.health.policy import State

RECENT = timedelta(minutes=10)


@dataclass(frozen=True)
class Seen:
    """What the run before saw of one subject. `detail` is what that run's assessment kept for the next."""

    at: datetime
    state: State
    since: datetime
    unhealthy_since: datetime | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """A past action, alert or proposal. `key` is the action's kind, the alert's state, or the DAG that the proposal
    would run. `error` says why an action was refused."""

    subject: str
    key: str
    at: datetime
    attempt: int = 1
    fingerprint: str = ""
    error: str = ""


@dataclass(frozen=True)
class History:
    """The newest of what was seen, by subject; and what was done in the last day, oldest first."""

    seen: Mapping[str, Seen] = field(default_factory=dict)
    actions: tuple[Done, ...] = ()
    alerts: tuple[Done, ...] = ()
    proposals: tuple[Done, ...] = ()

    def recent(self, subject: str, now: datetime) -> Seen | None:
        """What was seen of the subject a run ago; None when that is too long ago to compare with."""
        seen = self.seen.get(subject)
        return seen if seen and now - seen.at <= RECENT else None


def newest(done: tuple[Done, ...], subject: str, key: str | None = None, fingerprint: str | None = None) -> Done | None:
    """The newest of that kind (of any, without `key`) that was done to a subject."""
    for each in reversed(done):
        if each.subject == subject and key in (None, each.key) and fingerprint in (None, each.fingerprint):
            return each
    return None
