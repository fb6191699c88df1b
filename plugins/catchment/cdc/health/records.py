"""`RAW.CATCHMENT.CDC_HEALTH`: what changed its state, and what was done and reported.

While all stays as it is, nothing is written. What the next run compares with is in `memory`; from here it is read only
where that is empty.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
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
    seen, done = {}, defaultdict[str, list[Done]](list)
    for kind, subject, state, at, since, detail in rows:
        end = ends.get((subject, state, at), {})
        if kind == "state" and state in set(State):
            trouble = detail.pop("unhealthy_since", None)
            unhealthy_since = datetime.fromisoformat(trouble) if trouble else None
            seen[subject] = Seen(at, State(state), since or at, unhealthy_since, detail)
        elif kind == "action" and end.get("done", True):
            attempt, error = int(detail["attempt"]), str(end.get("error", ""))
            done[kind].append(Done(subject, state, at, attempt, str(detail["fingerprint"]), error))
        elif kind in ("alert", "proposal"):
            done[kind].append(Done(subject, state, at))
    return History(seen, tuple(done["action"]), tuple(done["alert"]), tuple(done["proposal"]))


def decided(run: str, at: datetime, decision: Decision, history: History) -> list[Row]:
    """The rows of a decision: states that are not those of the run before, actions, alerts, proposals."""
    row, rows = partial(_row, run, at), []
    for s in decision.subjects:
        before = history.seen.get(s.subject)
        if before is None or before.state != s.state:
            trouble = {"unhealthy_since": s.unhealthy_since.isoformat()} if s.unhealthy_since else {}
            rows.append(row("state", s.subject, s.state, s.sentence, {**s.detail, **trouble}, s.since))
    for a in decision.actions:
        rows.append(row("action", a.subject, a.act, a.reason, {"attempt": a.attempt, "fingerprint": a.fingerprint}))
    rows += [row("alert", alert.subject, alert.key, alert.text, {}) for alert in decision.alerts]
    rows += [row("proposal", p.subject, p.dag_id, p.consequence, {"conf": dict(p.conf)}) for p in decision.proposals]
    return rows


def outcome(run: str, at: datetime, action: ConnectorAction, error: CatchmentError | None) -> Row:
    """How an action ended. One that Connect could not take just then (409, away) does not count as an attempt."""
    said = str(error) if error else ""
    detail = {"done": not isinstance(error, TryAgain), "error": said, "fingerprint": action.fingerprint}
    return _row(run, at, "outcome", action.subject, action.act, said or "done", detail)


def _row(
    run: str,
    at: datetime,
    kind: str,
    subject: str,
    state: str,
    sentence: str,
    detail: Mapping[str, Any],
    since: datetime | None = None,
) -> Row:
    said = json.dumps(detail, default=str)
    return run, sql_time(at) or "", kind, subject, str(state), sql_time(since), sentence[:4000], said


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
