"""The health DAG: every minute, one run at a time, and nothing that could skip data without a person's answer."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from catchment.cdc.health.decide import ASK, REBUILD, RESNAPSHOT
from catchment.errors import NeedsPerson
from catchment.operators.cdc_health import CdcAlertOperator, CdcApprovedOperator

Parsed = dict[str, Any]


class Instance:
    """A task instance, as far as a pull of an XCom goes."""

    def __init__(self, pushed: dict[tuple[str, str], Any]) -> None:
        self.pushed = pushed

    def xcom_pull(self, *, task_ids: str, key: str = "return_value") -> Any:
        return self.pushed.get((task_ids, key))


def alert(**pushed: list[str]) -> None:
    found = {("health", key): value for key, value in pushed.items()}
    CdcAlertOperator(task_id="alert", health="health").execute({"ti": Instance(found)})


def approved(answer: Any) -> str:
    return CdcApprovedOperator(task_id="approved", approval="ask").execute(
        {"ti": Instance({("ask", "return_value"): answer})}
    )


def test_it_looks_every_minute_and_is_not_tried_again(parsed: Parsed) -> None:
    dag = parsed["dags"]["cdc_connector_health"]
    assert "* * * * *" in dag["timetable"]
    assert {name: task["upstream"] for name, task in dag["tasks"].items()} == {
        "health": [],
        "request_approval": ["health"],
        "alert": ["health"],
    }
    assert (dag["tasks"]["health"]["retries"], dag["tasks"]["health"]["timeout"]) == (0, 300)


def test_what_it_proposes_are_dags_that_are_there_and_ask_first(parsed: Parsed) -> None:
    assert {ASK, REBUILD, RESNAPSHOT} <= set(parsed["dags"])
    assert parsed["dags"][ASK]["tasks"]["run"]["upstream"] == ["approved"]
    assert parsed["dags"][ASK]["tasks"]["approved"]["upstream"] == ["ask"]
    assert "approve" in parsed["dags"][REBUILD]["tasks"]


def test_watch_is_red_with_the_sentences_of_what_is_new() -> None:
    with pytest.raises(NeedsPerson, match=r"application-s0: .* See docs/runbooks/cdc_slot\.md"):
        alert(alerts=["application-s0: its slot is lost. See docs/runbooks/cdc_slot.md."], known=["s0 …"])


def test_watch_is_skipped_while_a_known_trouble_lasts() -> None:
    with pytest.raises(AirflowSkipException, match="Known, and not over: application-s0"):
        alert(alerts=[], known=["application-s0: its slot is lost."])


def test_watch_is_green_when_all_is_well() -> None:
    alert(alerts=[], known=[])


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"chosen_options": ["Reject"], "responded_by_user": {"id": "1", "name": "Ada"}},
        {"chosen_options": ["Approve"], "responded_by_user": None},
    ],
)
def test_a_task_that_was_marked_as_success_approves_nothing(answer: Any) -> None:
    with pytest.raises(NeedsPerson, match="Nothing was changed"):
        approved(answer)


def test_an_answer_with_a_name_approves() -> None:
    assert approved({"chosen_options": ["Approve"], "responded_by_user": {"id": "1", "name": "Ada"}}) == "Ada"
