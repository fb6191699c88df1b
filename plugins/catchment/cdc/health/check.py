"""One run of the health check: read the history, gather facts, decide, record, act, record the outcome.

`python -m catchment cdc-health` does it once on a terminal; the DAG cdc_connector_health does it every minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from catchment.cdc.connectors.client import Connect
from catchment.cdc.declared import Application
from catchment.cdc.health import records
from catchment.cdc.health.decide import ActionKind, ConnectorAction, Decision, decide
from catchment.cdc.health.facts import Facts, Unknown
from catchment.cdc.health.gather import LookUp, counts, gather, waiting
from catchment.cdc.health.history import History
from catchment.cdc.health.policy import Policy
from catchment.cdc.health.shared import suspicious
from catchment.cdc.health.snapshots import questions
from catchment.errors import CatchmentError
from catchment.warehouse import session
from catchment.warehouse.names import CDC_WAREHOUSE


@dataclass(frozen=True)
class Report:
    """What a run saw and decided, and how each action ended (None is well)."""

    facts: Facts
    decision: Decision
    outcomes: tuple[tuple[ConnectorAction, CatchmentError | None], ...]

    def lines(self) -> Iterator[str]:
        """The run for a person: one line for each subject, action, alert and proposal."""
        for subject in self.decision.subjects:
            yield f"{subject.state:20} {subject.found.sentence} (since {subject.since:%Y-%m-%d %H:%M:%S} UTC)"
        for action, error in self.outcomes:
            yield f"action               {action.act} {action.subject}, attempt {action.attempt}: {error or 'done'}"
        yield from (f"alert                {alert.text}" for alert in self.decision.alerts)
        for proposal in self.decision.proposals:
            yield f"proposal             {proposal.dag_id} {dict(proposal.conf)}: {proposal.consequence}"


def check(
    application: Application,
    look_up: LookUp,
    run: str,
    *,
    policy: Policy | None = None,
    query_tag: str = "",
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Report:
    """Gather facts, decide, act. Raises when the warehouse can't be used: without history nothing is done."""
    connection = session.on_warehouse(look_up("snowflake_default"), CDC_WAREHOUSE)
    warehouse = session.connect(connection, query_tag=query_tag)
    try:
        cursor = warehouse.cursor()
        now = clock()
        with session.explained("read the history of the health check"):
            history = records.read(cursor, now)
        facts = _with_answers(gather(application, look_up, cursor), application, history, now, look_up, cursor)
        decision = decide(application, facts, history, now, policy)
        with session.explained("record what the health check decided"):
            records.write(cursor, records.decided(run, now, decision))
        outcomes = tuple((action, _carried_out(action, look_up)) for action in decision.actions)
        with session.explained("record what the health check did"):
            records.write(cursor, [records.outcome(run, now, action, error) for action, error in outcomes])
        return Report(facts, decision, outcomes)
    finally:
        warehouse.close()


def _with_answers(
    facts: Facts,
    application: Application,
    history: History,
    now: datetime,
    look_up: LookUp,
    cursor: session.Cursor,
) -> Facts:
    """The facts, completed by questions that only some findings of this run or the last one raise."""
    stuck = suspicious(facts, history, now)
    snapshots = tuple(questions(application, facts, history, now))
    if stuck and not isinstance(facts.ends, Unknown):
        facts = replace(facts, waiting=waiting(stuck, facts, look_up("kafka")))
    return replace(facts, counts=counts(snapshots, look_up, cursor)) if snapshots else facts


def _carried_out(action: ConnectorAction, look_up: LookUp) -> CatchmentError | None:
    """Do it; the error when it could not be done."""
    try:
        with Connect(look_up("kafka_connect")) as connect:
            _do(action, connect)
    except CatchmentError as error:
        return error
    return None


def _do(action: ConnectorAction, connect: Connect) -> None:
    match action.act:
        case ActionKind.CREATE | ActionKind.UPDATE:
            if action.config is None:
                raise CatchmentError(f"{action.subject}: there is no config to give it.")
            connect.put(action.subject, action.config)
        case ActionKind.RESTART_FAILED:
            connect.restart_failed(action.subject)
        case ActionKind.RESTART:
            connect.restart(action.subject)
