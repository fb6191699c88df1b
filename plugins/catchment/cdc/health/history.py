"""What earlier runs of the health check saw and did, as far as a decision needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from catchment.cdc.health.policy import HEALTHY_STATES, State

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

    def last(self, subject: str) -> Seen | None:
        return self.seen.get(subject)

    def recent(self, subject: str, now: datetime) -> Seen | None:
        """What was seen of the subject a run ago; None when that is too long ago to compare with."""
        seen = self.seen.get(subject)
        return seen if seen and now - seen.at <= RECENT else None

    def since(self, subject: str, state: State, now: datetime) -> datetime:
        """Since when the subject is in this state, as far as runs have seen it."""
        seen = self.last(subject)
        return seen.since if seen and seen.state == state else now

    def unhealthy_since(self, subject: str, state: State, now: datetime) -> datetime | None:
        """When the trouble began, whatever states it passed through; None when all is well."""
        if state in HEALTHY_STATES:
            return None
        seen = self.last(subject)
        return seen.unhealthy_since or now if seen else now

    def last_action(self, subject: str, key: str | None = None, fingerprint: str | None = None) -> Done | None:
        """The newest action of that kind (of any, without `key`) on a subject."""
        fitting = (
            done
            for done in reversed(self.actions)
            if done.subject == subject and key in (None, done.key) and fingerprint in (None, done.fingerprint)
        )
        return next(fitting, None)

    def attempts(self, subject: str, key: str, fingerprint: str, trouble: datetime, stable: timedelta) -> Done | None:
        """The last attempt that counts: None when there was none, or the subject was well for `stable` after it.

        `trouble` is when the present trouble began.
        """
        last = self.last_action(subject, key, fingerprint)
        return None if last is None or trouble - last.at >= stable else last

    def last_alert(self, subject: str, key: str) -> Done | None:
        return next((a for a in reversed(self.alerts) if (a.subject, a.key) == (subject, key)), None)

    def last_proposal(self, subject: str, key: str) -> Done | None:
        return next((p for p in reversed(self.proposals) if (p.subject, p.key) == (subject, key)), None)
