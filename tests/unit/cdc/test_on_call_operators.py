"""The on-call operators: a dry run changes nothing, and a rebuild needs a person's answer, not a green task."""

from __future__ import annotations

import signal
from threading import Event
from typing import Any

import pytest
from airflow.sdk import BaseOperator
from jinja2.nativetypes import NativeEnvironment

from catchment.cdc.connectors import pauses
from catchment.cdc.repair import rebuild
from catchment.cdc.systems import Systems
from catchment.connection import Connection
from catchment.errors import NeedsPerson
from catchment.operators import cdc_forms, cdc_health, cdc_load, cdc_on_call, cdc_rebuild
from catchment.operators.cancelling import cancellable
from catchment.operators.cdc_on_call import CdcPauseOperator, OnCallOperator
from catchment.operators.cdc_rebuild import CdcRebuildOperator

STEPS = (*((rebuild, step) for step in ("begun_epoch", "stop", "forget", "begin_epoch")), (pauses, "resume"))


class Recorded(OnCallOperator):
    """An operator that says what was called."""

    def plan(self, systems: Any) -> list[str]:
        return ["would do it"]

    def act(self, systems: Any, context: Any) -> str:
        return "done"

    def systems(self, context: Any) -> Any:
        return None


def test_the_form_of_a_table_selects_its_models_and_no_others() -> None:
    template = NativeEnvironment().from_string(cdc_forms.models_of_table())
    assert template.render(params={"shard": "s1", "table": "users"}) == "config.meta.table:application.users"


@pytest.mark.parametrize("dry_run", [True, "True", "true", "", "None"])
def test_only_an_explicit_no_ends_the_dry_run(dry_run: bool | str) -> None:
    assert Recorded(task_id="x", reason="why", is_dry_run=dry_run).execute({}) == ["would do it"]


@pytest.mark.parametrize("dry_run", [False, "False", "false"])
def test_without_a_dry_run_it_is_done(dry_run: bool | str) -> None:
    assert Recorded(task_id="x", reason="why", is_dry_run=dry_run).execute({}) == "done"


def test_the_default_is_a_dry_run() -> None:
    assert Recorded(task_id="x", reason="why").execute({}) == ["would do it"]


class TaskInstance:
    """What an operator uses of one."""

    dag_id, task_id, run_id = "cdc_rebuild_shard", "rebuild", "manual__1"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def xcom_pull(self, task_ids: str) -> Any:
        assert task_ids == "approve"
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="the task was marked as success"),
        pytest.param({"chosen_options": ["Reject"], "responded_by_user": {"name": "ada"}}, id="rejected"),
        pytest.param({"chosen_options": ["Approve"], "responded_by_user": None}, id="nobody answered"),
        pytest.param({"chosen_options": []}, id="nothing was chosen"),
    ],
)
def test_a_rebuild_without_a_persons_yes_changes_nothing(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    for room, step in STEPS:
        monkeypatch.setattr(room, step, lambda *_, step=step, **__: called.append(step))
    operator = CdcRebuildOperator(task_id="rebuild", approval="approve", shard="s0", reason="lost", is_dry_run=False)
    with pytest.raises(NeedsPerson, match=r"Nobody approved.*Nothing was changed"):
        operator.execute({"ti": TaskInstance(answer)})
    assert called == []


@pytest.mark.parametrize(
    ("begun", "steps"),
    [
        pytest.param(None, ["begun_epoch", "stop", "forget", "begin_epoch", "resume"], id="a first try"),
        pytest.param(3, ["begun_epoch", "resume"], id="a try after the epoch began"),
    ],
)
def test_an_approved_rebuild_goes_on_where_an_earlier_try_stopped(
    begun: int | None, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    returns = {"begun_epoch": begun, "begin_epoch": 3}
    for room, step in STEPS:

        def act(*_: Any, step: str = step, **__: Any) -> Any:
            called.append(step)
            return returns.get(step)

        monkeypatch.setattr(room, step, act)
    answer = {"chosen_options": ["Approve"], "responded_by_user": {"id": "1", "name": "ada"}}
    operator = CdcRebuildOperator(task_id="rebuild", approval="approve", shard="s0", reason="lost", is_dry_run=False)
    assert operator.execute({"ti": TaskInstance(answer)}) == 3
    assert called == steps


def test_a_dry_run_of_a_pause_says_who_until_when_and_why() -> None:
    operator = CdcPauseOperator(
        task_id="pause", connector="application-s0", on_behalf_of="ada", hours="2", reason="a schema change"
    )
    text = " ".join(operator.execute({"ti": TaskInstance(None)}))
    assert "ada pauses application-s0 until" in text
    assert "a schema change" in text


def test_what_a_killed_task_waits_for_is_ended_where_it_runs() -> None:
    """Seen by reading: a killed task left its count of a large table on the primary, for up to ten minutes."""
    ended: list[str] = []
    systems = Systems(lambda name: Connection(conn_id=name))
    operator = Recorded(task_id="x", reason="why")
    operator._systems = systems
    with systems._cancellable(lambda: ended.append("the count")), systems._cancellable(lambda: 1 / 0):
        operator.on_kill()
    operator.on_kill()
    assert ended == ["the count"]


def test_a_time_limit_ends_what_runs_beside() -> None:
    cancelled = Event()

    def work() -> None:
        assert cancelled.wait(10)

    def interrupted(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, interrupted)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(TimeoutError):
            cancellable(work, cancelled.set)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_every_operator_of_change_data_capture_that_waits_for_statements_can_be_killed() -> None:
    operators = [
        each
        for module in (cdc_health, cdc_load, cdc_on_call, cdc_rebuild)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, BaseOperator) and each.__module__ == module.__name__
    ]
    # These ask XComs alone; the health check's statements have limits of seconds.
    bounded = {"CdcAlertOperator", "CdcApprovedOperator", "CdcHealthOperator"}
    without = {each.__name__ for each in operators if each.on_kill is BaseOperator.on_kill}
    assert without == bounded
