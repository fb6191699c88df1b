"""One run of the health check: remember, gather facts, decide, act, look again, record.

`python -m catchment cdc-health` does it once on a terminal; the DAG cdc_connector_health does it every minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from catchment.cdc.connectors.client import Connect
from catchment.cdc.declared import Application
from catchment.cdc.health import memory as store
from catchment.cdc.health import records
from catchment.cdc.health.decide import ActionKind, ConnectorAction, Decision, Outcome, decide
from catchment.cdc.health.facts import Facts, Unknown, known
from catchment.cdc.health.gather import LookUp, gather, waiting
from catchment.cdc.health.history import History
from catchment.cdc.health.memory import Kept, Memory, Row
from catchment.cdc.health.observation import first_cause
from catchment.cdc.health.policy import Policy
from catchment.cdc.health.shared import suspicious
from catchment.cdc.health.snapshots import questions
from catchment.cdc.health.topics import set_right
from catchment.cdc.setup.migrate import migrate
from catchment.cdc.systems import warehouse_session
from catchment.errors import CatchmentError

_NOT_OF_CONNECT = (ActionKind.TOPICS, ActionKind.MIGRATE)


@dataclass(frozen=True)
class Report:
    """What a run saw and decided, and how each action ended (None is well)."""

    facts: Facts
    decision: Decision
    outcomes: tuple[Outcome, ...]
    unwritten: str = ""

    def lines(self) -> Iterator[str]:
        """The run for a person: one line for each subject, action, alert and proposal."""
        for subject in self.decision.subjects:
            yield f"{subject.state:20} {subject.sentence} (since {subject.since:%Y-%m-%d %H:%M:%S} UTC)"
        for action, error in self.outcomes:
            done = "done" if action.act in _NOT_OF_CONNECT else "done, and no task of it has failed since"
            yield f"action               {action.act} {action.subject}, attempt {action.attempt}: {error or done}"
        yield from (f"alert                {alert.text}" for alert in self.decision.alerts)
        for proposal in self.decision.proposals:
            yield f"proposal             {proposal.dag_id} {dict(proposal.conf)}: {proposal.consequence}"
        if self.unwritten:
            yield f"kept for later       The warehouse took no record of this run: {self.unwritten}"


def check(
    application: Application,
    look_up: LookUp,
    memory: Memory,
    run: str,
    *,
    policy: Policy | None = None,
    query_tag: str = "",
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Report:
    """Gather facts, decide, act. Raises where neither memory nor warehouse says what people have paused."""
    now, policy = clock(), policy or Policy()
    kept = store.load(memory)
    before = store.not_after(kept, now) if kept else None
    facts = gather(application, look_up, pauses=before.pauses if before else None, query_tag=query_tag)
    history = before.history if before else facts.history or History()
    facts = replace(facts, counts=store.load_counts(memory))
    if stuck := suspicious(facts, history, now):
        facts = replace(facts, waiting=known(lambda: waiting(stuck, look_up("kafka"))))
    decision = decide(application, facts, history, now, policy, clock_ran_back=kept is not None and kept.at > now)
    rows = [*(before.unwritten if before else ()), *records.decided(run, now, decision, history)]
    # Before anything is done: a run that dies then still counts.
    counted = store.after(history, decision, now)
    asked = tuple(questions(application, facts, counted, now))
    after = Kept(now, counted, facts.pauses, tuple(rows), asked)
    store.save(memory, after)
    outcomes = _act(decision.actions, look_up, policy)
    rows += [records.outcome(run, now, action, error) for action, error in outcomes]
    is_first_today = before is None or before.at.date() != now.date()
    unwritten = facts.warehouse.because if facts.warehouse else ""  # one that hangs must not hold up the alerts
    if not unwritten and (rows or is_first_today):
        unwritten = _record(rows, look_up, query_tag, now, prune=is_first_today)
    history = store.after(history, decision, now, outcomes)
    store.save(memory, replace(after, history=history, unwritten=tuple(rows) if unwritten else ()))
    return Report(facts, decision, outcomes, unwritten)


# --- acting ---------------------------------------------------------------------------------------------------------


def _act(actions: Sequence[ConnectorAction], look_up: LookUp, policy: Policy) -> tuple[Outcome, ...]:
    """Do them all, then look whether they lasted: Connect takes a restart whether or not the task lives on."""
    done = [(action, _carried_out(action, look_up)) for action in actions]
    taken = [action for action, error in done if error is None and action.act not in _NOT_OF_CONNECT]
    dead = _dead_again(taken, look_up, policy.look_again.total_seconds()) if taken else {}
    return tuple((action, error or dead.get(action.subject)) for action, error in done)


def _carried_out(action: ConnectorAction, look_up: LookUp) -> CatchmentError | None:
    """Do it; the error when it could not be done."""
    try:
        if action.act is ActionKind.TOPICS:
            set_right(look_up("kafka"), action.topics)
        elif action.act is ActionKind.MIGRATE and action.shard:
            migrate(action.shard.of, look_up(action.shard.owner_connection), look_up(action.shard.connection))
        else:
            with Connect(look_up("kafka_connect")) as connect:
                _have(connect, action)
    except CatchmentError as error:
        return error
    return None


def _have(connect: Connect, action: ConnectorAction) -> None:
    if action.act is ActionKind.RESTART_FAILED:
        connect.restart_failed(action.subject)
    elif action.act is ActionKind.RESTART:
        connect.restart(action.subject)
    elif action.config is None:
        raise CatchmentError(f"{action.subject}: there is no config to give it.")
    else:
        connect.put(action.subject, action.config)


def _dead_again(actions: Sequence[ConnectorAction], look_up: LookUp, seconds: float) -> dict[str, CatchmentError]:
    """Those of them that have a failed task so long after, with its cause."""
    time.sleep(seconds)
    found: dict[str, CatchmentError] = {}
    with Connect(look_up("kafka_connect")) as connect:
        for action in actions:
            status = known(partial(connect.status, action.subject))
            if isinstance(status, Unknown):  # the next run sees it
                continue
            traces = [task.trace for task in status.failed] or ([status.trace] if status.state == "FAILED" else [])
            if traces:
                text = f"it failed again within {seconds:.0f} s: {first_cause(traces[0])}"
                found[action.subject] = CatchmentError(text)
    return found


# --- recording ------------------------------------------------------------------------------------------------------


def _record(rows: Sequence[Row], look_up: LookUp, query_tag: str, now: datetime, *, prune: bool) -> str:
    """Write the rows; why not, where the warehouse did not take them: they are kept for the next run."""

    def write() -> None:
        doing = "record what the health check saw and did"
        with warehouse_session(look_up("snowflake_default"), query_tag=query_tag, doing=doing) as warehouse:
            records.write(warehouse.cursor(), rows)
            if prune:
                records.prune(warehouse.cursor(), now)

    written = known(write)
    return written.because if isinstance(written, Unknown) else ""
