"""The health check of change data capture, and the approval of what it proposes, as Airflow tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from catchment.errors import NeedsPerson
from catchment.hooks.connections import look_up
from catchment.operators.cancelling import CdcOperator
from catchment.operators.cdc_on_call import approver
from catchment.operators.ingest import tag_of

if TYPE_CHECKING:
    from airflow.sdk import Context

ALERTS, KNOWN = "alerts", "known"

MEMORY = Asset(name="cdc_health", group="memory")
"""Holds, in Airflow's state store, what a run of the health check keeps for the next. It has no events."""


class CdcHealthOperator(BaseOperator):
    """Check connectors, slots, tables, topics, Kafka and the loader; reconcile, restart what failed, record changes.

    Returns the runs that a person has to approve, as arguments of `TriggerDagRunOperator`: almost always none. What a
    person should know now is in the XCom `alerts`, what an earlier run has alerted about and still lasts in `known`.
    """

    ui_color = "#e8f7f4"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"inlets": [MEMORY], **kwargs})

    def execute(self, context: Context) -> list[dict[str, Any]]:
        from catchment.cdc.declared import application
        from catchment.cdc.health.check import check

        ti, memory = context["ti"], context["asset_state_store"][MEMORY]
        report = check(application(), look_up, memory, ti.run_id, query_tag=tag_of(context, "application"))
        for line in report.lines():
            self.log.info("%s", line)
        decision = report.decision
        ti.xcom_push(key=ALERTS, value=[alert.text for alert in decision.alerts])
        ti.xcom_push(key=KNOWN, value=[subject.sentence for subject in decision.troubles])
        return [
            {"trigger_dag_id": asks, "conf": dict(conf), "trigger_run_id": proposal.run_id}
            for proposal in decision.proposals
            for asks, conf in [proposal.asked_by]
        ]


class CdcCountOperator(CdcOperator):
    """Count what the health check wants to be counted, for at most `seconds`; it finds the answers in its next run."""

    ui_color = "#e8f7f4"

    def __init__(self, *, seconds: float = 600, **kwargs: Any) -> None:
        super().__init__(**{"inlets": [MEMORY], **kwargs})
        self.seconds = seconds

    def execute(self, context: Context) -> list[str]:
        from catchment.cdc.health.counting import count

        systems = self.systems(context)
        memory = context["asset_state_store"][MEMORY]

        def counted() -> Iterator[str]:
            for sentence in count(systems, memory, seconds=self.seconds):
                self.log.info("%s", sentence)
                yield sentence

        return self.cancellable(lambda: list(counted()))


class CdcAlertOperator(BaseOperator):
    """Fails with the sentences of new alerts; skipped while a known problem lasts; succeeds when all is well."""

    ui_color = "#fdeceb"

    def __init__(self, *, health: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.health = health

    def execute(self, context: Context) -> None:
        ti = context["ti"]
        if alerts := ti.xcom_pull(task_ids=self.health, key=ALERTS):
            raise NeedsPerson("\n".join(alerts))
        if known := ti.xcom_pull(task_ids=self.health, key=KNOWN):
            raise AirflowSkipException("Known, and not over: " + " ".join(known))
        self.log.info("All is well.")


class CdcApprovedOperator(BaseOperator):
    """Continue only if a person approved in the task `approval`: marking the task as success is no approval."""

    def __init__(self, *, approval: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.approval = approval

    def execute(self, context: Context) -> str:
        return approver(self, context, self.approval, "or wait for the health DAG to ask again")
