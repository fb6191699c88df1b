"""`RAW.CATCHMENT.CDC_HEALTH`: what changed its state, and what was done and reported.

While all stays as it is, nothing is written. What the next run compares with is in `memory`; from here it is read only
where that is empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from catchment.cdc.health.decide import ConnectorAction, Decision
from catchment.cdc.health.history import Done, History, Seen
from catchment.cdc.health.memory import Row
from catchment.cdc.health.policy import State
from catchment.errors import CatchmentError, TryAgain
from catchment.warehouse.ledger import sql_time
from catchment.warehouse.names import HEALTH
from catchment.warehouse.session import Cursor

RETENTION = timedelta(days=400)  # a year can be compared with the year before

_READ = f"""
SELECT KIND, SUBJECT, STATE, AT, SINCE, DETAIL FROM {HEALTH}
QUALIFY ROW_NUMBER() OVER (
    PARTITION BY KIND, SUBJECT, IFF(KIND = 'state', '', STATE), COALESCE(DETAIL:fingerprint::VARCHAR, '')
    ORDER BY AT DESC
) = 1
ORDER BY AT
"""


def read(cursor: Cursor) -> History:
    """The newest state of each subject, and the newest action, alert and proposal of each kind."""
    cursor.execute(_READ)
    rows = [
        (kind, subject, state, at.replace(tzinfo=UTC), since and since.replace(tzinfo=UTC), json.loads(detail or "{}"))
        for kind, subject, state, at, since, detail in cursor.fetchall()
    ]
    ends = {(subject, state, at): detail for kind, subject, state, at, _, detail in rows if kind == "outcome"}
    return History(
        seen={
            subject: Seen(at, State(state), since or at, _moment(detail.pop("unhealthy_since", None)), detail)
            for kind, subject, state, at, since, detail in rows
            if kind == "state" and state in set(State)
        },
        actions=tuple(
            Done(subject, state, at, int(detail["attempt"]), str(detail["fingerprint"]), str(end.get("error", "")))
            for kind, subject, state, at, _, detail in rows
            if kind == "action" and (end := ends.get((subject, state, at), {})).get("done", True)
        ),
        alerts=_done(rows, "alert"),
        proposals=_done(rows, "proposal"),
    )


def decided(run: str, at: datetime, decision: Decision, history: History) -> list[Row]:
    """The rows of a decision: states that are not those of the run before, actions, alerts, proposals."""
    rows = [
        _row(
            run,
            at,
            "state",
            s.subject,
            s.state,
            s.since,
            s.found.sentence,
            {**s.found.detail, **_trouble(s.unhealthy_since)},
        )
        for s in decision.subjects
        if (before := history.last(s.subject)) is None or before.state != s.state
    ]
    rows += [
        _row(run, at, "action", a.subject, a.act, None, a.reason, {"attempt": a.attempt, "fingerprint": a.fingerprint})
        for a in decision.actions
    ]
    rows += [_row(run, at, "alert", a.subject, a.key, None, a.text, {}) for a in decision.alerts]
    rows += [
        _row(run, at, "proposal", p.subject, p.dag_id, None, p.consequence, {"conf": dict(p.conf)})
        for p in decision.proposals
    ]
    return rows


def outcome(run: str, at: datetime, action: ConnectorAction, error: CatchmentError | None) -> Row:
    """How an action ended. One that Connect could not take just then (409, away) does not count as an attempt."""
    said = str(error) if error else ""
    detail = {"done": not isinstance(error, TryAgain), "error": said, "fingerprint": action.fingerprint}
    return _row(run, at, "outcome", action.subject, action.act, None, said or "done", detail)


def write(cursor: Cursor, rows: Sequence[Row]) -> None:
    """Add rows, all or none."""
    if not rows:
        return
    places = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s)"] * len(rows))
    cursor.execute(
        f"INSERT INTO {HEALTH} (RUN_ID, AT, KIND, SUBJECT, STATE, SINCE, SENTENCE, DETAIL) "
        "SELECT COLUMN1, COLUMN2::TIMESTAMP_NTZ, COLUMN3, COLUMN4, COLUMN5, COLUMN6::TIMESTAMP_NTZ, COLUMN7, "
        f"PARSE_JSON(COLUMN8) FROM VALUES {places}",
        [value for row in rows for value in row],
    )


def prune(cursor: Cursor, now: datetime) -> None:
    """Delete what is older than the retention."""
    cursor.execute(f"DELETE FROM {HEALTH} WHERE AT < %(to)s::TIMESTAMP_NTZ", {"to": sql_time(now - RETENTION)})


def _row(
    run: str, at: datetime, kind: str, subject: str, state: str, since: datetime | None, sentence: str, detail: Any
) -> Row:
    written_at = sql_time(at) or ""
    return (
        run,
        written_at,
        kind,
        subject,
        str(state),
        sql_time(since),
        sentence[:4000],
        json.dumps(detail, default=str),
    )


def _done(rows: Iterable[tuple[Any, ...]], kind: str) -> tuple[Done, ...]:
    return tuple(Done(subject, state, at) for of, subject, state, at, _, _ in rows if of == kind)


def _trouble(since: datetime | None) -> dict[str, str]:
    return {"unhealthy_since": since.isoformat()} if since else {}


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
