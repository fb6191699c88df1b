"""The on-call operators: a dry run changes nothing, and a rebuild needs a person's answer, not a green task."""

from __future__ import annotations

from typing import Any

import pytest

from catchment.cdc.repair import rebuild
from catchment.errors import NeedsPerson
from catchment.operators.cdc_on_call import CdcPauseOperator, OnCallOperator
from catchment.operators.cdc_rebuild import CdcRebuildOperator


class Recorded(OnCallOperator):
    """An operator that says what was called."""

    def plan(self, systems: Any) -> list[str]:
        return ["would do it"]

    def act(self, systems: Any, context: Any) -> str:
        return "done"

    def systems(self, context: Any) -> Any:
        return None


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
    for step in ("begun_epoch", "stop", "forget", "begin_epoch", "resume"):
        monkeypatch.setattr(rebuild, step, lambda *_, step=step, **__: called.append(step))
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
    for step in ("begun_epoch", "stop", "forget", "begin_epoch", "resume"):

        def act(*_: Any, step: str = step, **__: Any) -> Any:
            called.append(step)
            return returns.get(step)

        monkeypatch.setattr(rebuild, step, act)
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
