"""From a source's spec to its DAG.

A DAG file says when and for whom; this says how such a DAG looks: a task group for each stream with `extract` and
`load`, an asset updated by each load, and one for the source when the run is over.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, TaskGroup, TriggerRule, task

from catchment.operators.ingest import ExtractStreamOperator, LoadBatchOperator, source_asset
from catchment.operators.retries import RetryByKind
from catchment.spec import SourceSpec, Stream

WAREHOUSE_POOL = "warehouse"


def ingest_dag(
    spec: SourceSpec,
    *,
    schedule: str,
    owner: str,
    doc_md: str,
    start_date: datetime,
    pool: str | None = None,
    catchup: bool = False,
    retries: int = 4,
    extract_timeout: timedelta = timedelta(hours=2),
    load_timeout: timedelta = timedelta(minutes=30),
    run_timeout: timedelta = timedelta(hours=20),
) -> DAG:
    """The DAG that brings one source into raw: `schedule` is a cron expression in UTC, `pool` defaults to the source.

    Runs never overlap. Missed intervals need no catch-up, since a batch goes on from the ledger's cursor; with
    `catchup` each interval is still its own batch. A run that is not through after `run_timeout` fails, and the next
    one goes on from its last checkpoint.
    """
    dag = DAG(
        dag_id=spec.name,
        dag_display_name=f"1 Load: {spec.title} → raw",
        description=f"{spec.title} → S3 → Snowflake raw, {len(spec.streams)} streams",
        doc_md=doc_md,
        schedule=CronDataIntervalTimetable(schedule, timezone="UTC"),
        start_date=start_date,
        catchup=catchup,
        max_active_runs=1,
        dagrun_timeout=run_timeout,
        tags=["ingest", spec.name, f"owner:{owner}"],
        params=_form(spec),
        default_args={
            "owner": owner,
            "retries": retries,
            "retry_delay": timedelta(minutes=1),
            "retry_exponential_backoff": 2,
            "max_retry_delay": timedelta(minutes=15),
            "retry_policy": RetryByKind(),
        },
    )
    with dag:
        groups = {
            stream.name: _stream_tasks(spec, stream, pool or spec.name, extract_timeout, load_timeout)
            for stream in spec.streams
        }
        for stream in spec.streams:
            if stream.read.parent:
                groups[stream.read.parent.stream][0] >> groups[stream.name][0]
        loads = [load for _, load in groups.values()]
        loads >> _mark_source_loaded(spec)
        loads >> _fail_if_any_stream_failed()
    return dag


def _stream_tasks(
    spec: SourceSpec, stream: Stream, pool: str, extract_timeout: timedelta, load_timeout: timedelta
) -> tuple[ExtractStreamOperator, LoadBatchOperator]:
    with TaskGroup(stream.name, tooltip=stream.description):
        extract = ExtractStreamOperator(
            task_id="extract",
            source=spec.name,
            stream=stream.name,
            pool=pool,
            execution_timeout=extract_timeout,
            doc_md=_stream_doc(spec, stream),
        )
        load = LoadBatchOperator(
            task_id="load",
            source=spec.name,
            stream=stream.name,
            manifest_key="{{ ti.xcom_pull(task_ids='" + stream.name + ".extract') }}",
            pool=WAREHOUSE_POOL,
            execution_timeout=load_timeout,
            doc_md=f"Loads `RAW.{spec.name.upper()}.{stream.name.upper()}`, its rejects and its ledger row at once.",
        )
        extract >> load
    return extract, load


def _mark_source_loaded(spec: SourceSpec) -> Any:
    @task(
        task_id="mark_source_loaded",
        trigger_rule=TriggerRule.ALL_DONE,
        outlets=[source_asset(spec.name)],
        doc_md="Says that the run is over, so that dbt may begin. A broken stream does not hold its siblings back.",
    )
    def mark_source_loaded() -> None:
        return None

    return mark_source_loaded()


def _fail_if_any_stream_failed() -> Any:
    @task(
        task_id="fail_if_any_stream_failed",
        trigger_rule=TriggerRule.ONE_FAILED,
        retries=0,
        doc_md="Runs only when a stream failed, and fails, so that the run is red though its siblings went on.",
    )
    def fail_if_any_stream_failed() -> None:
        from catchment.errors import NeedsPerson

        raise NeedsPerson(
            "A stream failed; the others were loaded. See the red task: the last line of its log says what to do."
        )

    return fail_if_any_stream_failed()


def _form(spec: SourceSpec) -> dict[str, Param]:
    """What a person may choose when they trigger the DAG."""
    names = [stream.name for stream in spec.streams]
    return {
        "streams": Param(
            [],
            type="array",
            examples=names,
            items={"type": "string", "enum": names},
            title="Streams",
            description_md="Which streams to read; none means **all**. A child stream brings its parent along.",
        ),
        "from": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="From",
            description_md="With **To**: read only this window, a backfill. The cursor stays where it is.",
        ),
        "to": Param(None, type=["null", "string"], format="date-time", title="To", description_md="End, exclusive."),
        "mode": Param(
            "incremental",
            type="string",
            enum=["incremental", "full"],
            values_display={"incremental": "Incremental: what is new since the cursor", "full": "Full: all of history"},
            title="Mode",
            description_md=f"All of history begins at {spec.history_start:%Y-%m-%d}, or where the connection "
            f"`{spec.name}` says (`history_start` in its extra).",
        ),
        "accept_smaller": Param(
            False,
            type="boolean",
            title="Accept a smaller list",
            description_md="Load a list that shrank so much that it was held back (docs/runbooks/smaller_list.md).",
        ),
    }


def _stream_doc(spec: SourceSpec, stream: Stream) -> str:
    owner = f"\n\nKept by the team **{stream.owner}**." if stream.owner else ""
    return f"{stream.description}{owner}\n\nRead by `{type(stream.read).__name__}`, see `sources/{spec.name}.py`."
