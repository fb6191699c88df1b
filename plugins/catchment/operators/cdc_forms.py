"""The fields of the forms of on-call DAGs, and how such a DAG polls."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from catchment.cdc.declared import application
from catchment.operators.retries import RetryByKind


def shard() -> Param:
    return one("Shard", [shard.name for shard in application().shards])


def table() -> Param:
    return one("Table", tables())


def database() -> Param:
    return one("Database", [database.source for database in application().databases])


def tables() -> list[str]:
    """The names of all databases' tables, each once."""
    return list(dict.fromkeys(table.name for _, table in application().replicated()))


def connector() -> Param:
    return one("Connector", [shard.connector for shard in application().shards])


def one(what: str, names: list[str]) -> Param:
    return Param(names[0], type="string", enum=names, title=what)


def some(what: str, names: list[str]) -> Param:
    """Several of them; none means all."""
    return Param(
        [],
        type="array",
        examples=names,
        items={"type": "string", "enum": names},
        title=what,
        description_md="None means **all**.",
    )


def from_scratch() -> Param:
    return Param(
        False,
        type="boolean",
        title="Build its models from scratch",
        description_md="After its **declared type** changed: rows that were merged before have the old one.",
    )


def if_from_scratch() -> Any:
    """The gate before a build from scratch; what comes after that goes on either way."""
    doc_md = "Skips the build, unless the form asks for it: application_state merges what was read."

    @task.short_circuit(task_id="if_from_scratch", ignore_downstream_trigger_rules=False, doc_md=doc_md)
    def go_on(params: Any = None) -> bool:
        return bool(params["from_scratch"])

    return go_on()


def models_of_table() -> str:
    """dbt's selector of the models of the form's table (current state, and history if it has one), as a template."""
    sources = {shard.name: shard.of.source for shard in application().shards}
    return f"config.meta.table:{{{{ {sources}[params.shard] }}}}.{{{{ params.table }}}}"


def on_call_dag(
    dag_id: str,
    *,
    title: str,
    doc_md: str | None,
    params: dict[str, Any],
    max_active_runs: int = 1,
    run_timeout: timedelta = timedelta(hours=4),
) -> DAG:
    """A DAG that people trigger by its form: its own fields, a reason, a dry run. They keep their types in templates.

    It is never paused at first: it has no schedule, and in a paused one what the health DAG asks would wait unseen.
    """
    why = "For whoever reads this next year: what happened, and who asked."
    logs = "Logs exactly what would happen, and changes nothing."
    always = {
        "reason": Param(None, type="string", minLength=5, title="Reason", description_md=why),
        "dry_run": Param(True, type="boolean", title="Dry run", description_md=logs),
    }
    return DAG(
        dag_id=dag_id,
        dag_display_name=title,
        description=title,
        doc_md=doc_md,
        schedule=None,
        start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow's own zone, UTC
        catchup=False,
        is_paused_upon_creation=False,
        max_active_runs=max_active_runs,
        dagrun_timeout=run_timeout,
        render_template_as_native_obj=True,
        tags=["cdc", "on-call", "owner:data"],
        params=params | always,
        default_args={
            "owner": "data",
            "retries": 2,
            "retry_delay": timedelta(seconds=30),
            "retry_policy": RetryByKind(),
            "execution_timeout": timedelta(minutes=30),
        },
    )


def unless_dry_run() -> Any:
    """The gate before what a dry run must not do."""

    @task.short_circuit(task_id="unless_dry_run", doc_md="Ends a dry run here: everything after it is skipped.")
    def go_on(params: Any = None) -> bool:
        return not params["dry_run"]

    return go_on()
