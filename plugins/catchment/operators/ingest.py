"""Extract a stream to S3, load it into the warehouse.

Both are usable by hand in any DAG. They read connections when they run, never before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from catchment.batch import Batch, Kind, Mode
from catchment.errors import NeedsPerson, RateLimited
from catchment.hooks.connections import look_up
from catchment.operators.links import LedgerLink, RejectsLink, batch_of_manifest
from catchment.runs import Run, batch_of, selected

if TYPE_CHECKING:
    from airflow.sdk import Context

    from catchment.extract.progress import Progress
    from catchment.http.client import HttpClient
    from catchment.platform import Platform
    from catchment.warehouse.load import Loaded
    from catchment.warehouse.session import Session

REQUEUE_AFTER = timedelta(seconds=30)
"""More than one loop of the scheduler: Airflow takes a deferred task that wakes sooner for a lost one."""


def run_of(context: Context) -> Run:
    """What a batch needs to know of the DAG run that a task is in."""
    dag_run = context["dag_run"]
    triggered_at = dag_run.logical_date or dag_run.run_after
    return Run(
        run_type=str(getattr(dag_run.run_type, "value", dag_run.run_type)),
        interval_start=context.get("data_interval_start") or triggered_at,
        interval_end=context.get("data_interval_end") or triggered_at,
        triggered_at=triggered_at,
        params=context["params"],
    )


def raw_asset(source: str, stream: str) -> Asset:
    """The asset that a load of the stream updates.

    Assets have names and no URIs: a URI makes every parse of a DAG file load all providers' URI handlers (0.5 s).
    """
    return Asset(name=f"raw.{source}.{stream}", group="raw")


def source_asset(source: str) -> Asset:
    """The asset that says that a run of this source is over: dbt may begin."""
    return Asset(name=f"raw.{source}", group="raw")


def tag_of(context: Context, stream: str) -> str:
    """The query tag of a task's statements."""
    from catchment.warehouse.session import query_tag

    ti = context["ti"]
    return query_tag(dag=ti.dag_id, task=ti.task_id, run=ti.run_id, stream=stream)


class ExtractStreamOperator(BaseOperator):
    """Land one batch of a stream: pages stream to compressed JSON Lines parts, the manifest last.

    A long reading seals checkpoints, which are loaded at once; a try that is killed, or ends by its time limit, costs
    one checkpoint at most. Returns the key of the last manifest, for `LoadBatchOperator`; skips when the stream is
    unchanged, not chosen in the form, or not in the vendor's plan. The batch is the DAG run's
    (`catchment.runs.batch_of`) unless `interval_start` and `interval_end` (ISO, with zone) are given.

    Args:
        read_for: How long one try reads before it hands its slot over and is queued again.
        wait_at_most: How long it waits for a vendor that asks to, without a slot and without a record in between,
            before it fails.
    """

    template_fields: Sequence[str] = ("source", "stream", "interval_start", "interval_end", "mode", "bucket")
    operator_extra_links = (LedgerLink(), RejectsLink())
    ui_color = "#e8f1fb"

    def __init__(
        self,
        *,
        source: str,
        stream: str,
        interval_start: str | None = None,
        interval_end: str | None = None,
        backfill: bool = False,
        mode: str = Mode.INCREMENTAL,
        bucket: str | None = None,
        read_for: timedelta = timedelta(minutes=90),
        wait_at_most: timedelta = timedelta(hours=6),
        aws_conn_id: str = "aws_default",
        snowflake_conn_id: str = "snowflake_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.stream = stream
        self.interval_start = interval_start
        self.interval_end = interval_end
        self.backfill = backfill
        self.mode = mode
        self.bucket = bucket
        self.read_for = read_for
        self.wait_at_most = wait_at_most
        self.aws_conn_id = aws_conn_id
        self.snowflake_conn_id = snowflake_conn_id
        self.batch_id = ""
        self._client: HttpClient | None = None
        self._checkpoints = 0

    def execute(self, context: Context, waited: float = 0.0) -> str:
        from catchment.extract.run import Sealing
        from catchment.http.client import Cancelled
        from catchment.platform import NotInPlan, Watcher

        self._skip_unless_selected(context)
        batch = self.batch(context)
        self.batch_id = batch.id
        self.log.info("Extracting %s", batch)
        watcher = Watcher(
            on_open=self._opened, report=_RowLog(self.log), progress=self._log_progress, loaded=self._checkpoint_loaded
        )
        try:
            extracted = self._platform().extract(
                batch,
                query_tag=tag_of(context, self.stream),
                watcher=watcher,
                sealing=Sealing(read_for=self.read_for),
                accept_smaller=bool(context["params"].get("accept_smaller")),
            )
        except NotInPlan as error:
            raise AirflowSkipException(str(error)) from error
        except RateLimited as error:
            if error.after is None:
                raise
            self._wait_elsewhere(error, error.after, timedelta(seconds=0.0 if self._checkpoints else waited))
        except Cancelled as error:
            raise RuntimeError(f"{batch}: stopped on request. The checkpoints that were sealed stay.") from error
        if not extracted.complete:
            self._queue_again()
        if extracted.key is None:
            raise AirflowSkipException(f"{batch} is unchanged: nothing to load.")
        return extracted.key

    def resume(self, context: Context, event: Any = None, waited: float = 0.0) -> str:
        """Go on after a wait in the triggerer: at the last checkpoint, or at the start where none was sealed."""
        return self.execute(context, waited=waited)

    def on_kill(self) -> None:
        if self._client is not None:
            self._client.cancel()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """The vendor's stream → where it lands, for Airflow's OpenLineage provider."""
        from catchment.operators import openlineage
        from catchment.platform import landing_bucket
        from catchment.sources import source

        vendor = openlineage.of_vendor(source(self.source), self.stream, look_up(self.source))
        landed = openlineage.of_landing(landing_bucket(self.bucket), self.source, self.stream)
        return openlineage.lineage([vendor], [landed])

    def batch(self, context: Context) -> Batch:
        """The batch of this task."""
        if self.interval_start is None or self.interval_end is None:
            return batch_of(self.source, self.stream, run_of(context))
        return Batch(
            source=self.source,
            stream=self.stream,
            start=datetime.fromisoformat(self.interval_start),
            end=datetime.fromisoformat(self.interval_end),
            kind=Kind.BACKFILL if self.backfill else Kind.SCHEDULED,
            mode=Mode(self.mode),
        )

    def _skip_unless_selected(self, context: Context) -> None:
        from catchment.sources import source

        chosen = context["params"].get("streams") or ()
        if not selected(source(self.source), self.stream, chosen):
            raise AirflowSkipException(f"{self.source}.{self.stream} is not among the streams chosen in the form.")

    def _platform(self) -> Platform:
        from catchment.platform import Platform

        return Platform.from_connections(
            look_up, bucket=self.bucket, aws=self.aws_conn_id, warehouse=self.snowflake_conn_id
        )

    def _opened(self, client: HttpClient) -> None:
        self._client = client

    def _log_progress(self, progress: Progress) -> None:
        self.log.info("Checkpoint sealed and loaded: %s", progress)

    def _checkpoint_loaded(self, loaded: Loaded) -> None:
        self._checkpoints += 1
        if loaded.rejected:
            self.log.warning("%d records of this checkpoint were rejected.", loaded.rejected)

    def _wait_elsewhere(self, error: RateLimited, after: timedelta, waited: timedelta) -> None:
        """Defer; in all at most `wait_at_most` without a record in between."""
        total = waited + after
        if total > self.wait_at_most:
            raise NeedsPerson(
                f"{error} It has asked us to wait {total} in all, and `wait_at_most` is {self.wait_at_most}: see who "
                f'else uses the vendor\'s limit, lower `rate_limits` in the connection "{self.source}", or ask the '
                "vendor; then clear this task."
            ) from error
        self.log.warning("%s Waiting %s without a slot (%s of at most %s).", error, after, total, self.wait_at_most)
        self._defer(after, total)

    def _queue_again(self) -> None:
        self.log.info("Read for %s: the slot is handed over, and the reading goes on when it is free.", self.read_for)
        self._defer(REQUEUE_AFTER, timedelta(0))

    def _defer(self, delay: timedelta, waited: timedelta) -> None:
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        self.defer(trigger=TimeDeltaTrigger(delay), method_name="resume", kwargs={"waited": waited.total_seconds()})


class LoadBatchOperator(BaseOperator):
    """Load a landed batch: its rows, its rejects and its ledger row in one transaction.

    `manifest_key` is what `ExtractStreamOperator` returned. Running it again leaves the same rows. Updates the stream's
    asset with what was loaded. Fails, once all is loaded, when the vendor could not show all of it (a gap), and when
    more records are rejected than before: a person should look, and accepts it by marking the task as success.
    """

    template_fields: Sequence[str] = ("source", "stream", "manifest_key", "bucket")
    operator_extra_links = (LedgerLink(), RejectsLink())
    ui_color = "#e6f5ea"

    def __init__(
        self,
        *,
        source: str,
        stream: str,
        manifest_key: str,
        bucket: str | None = None,
        aws_conn_id: str = "aws_default",
        snowflake_conn_id: str = "snowflake_default",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("outlets", [raw_asset(source, stream)])
        super().__init__(**kwargs)
        self.source = source
        self.stream = stream
        self.manifest_key = manifest_key
        self.bucket = bucket
        self.aws_conn_id = aws_conn_id
        self.snowflake_conn_id = snowflake_conn_id
        self._session: Session | None = None

    def execute(self, context: Context) -> dict[str, int]:
        from catchment.platform import Platform

        platform = Platform.from_connections(
            look_up, bucket=self.bucket, aws=self.aws_conn_id, warehouse=self.snowflake_conn_id
        )
        loaded = platform.load(self.manifest_key, query_tag=tag_of(context, self.stream), on_open=self._opened)
        if loaded.same_as:
            self.log.info("Unchanged: the rows of %s are this batch's too.", loaded.same_as)
        counts = {"rows": loaded.rows, "rejected": loaded.rejected}
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {**counts, "manifest": self.manifest_key}
        if alarm := alarm_of(f"{self.source}.{self.stream}", loaded):
            raise NeedsPerson(alarm)
        return counts

    @property
    def batch_id(self) -> str:
        """The batch of the manifest, for the links."""
        return batch_of_manifest(self.manifest_key)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Where the stream lands → its raw table, for Airflow's OpenLineage provider."""
        from catchment.operators import openlineage
        from catchment.platform import landing_bucket
        from catchment.warehouse.names import raw_table

        landed = openlineage.of_landing(landing_bucket(self.bucket), self.source, self.stream)
        raw = openlineage.of_raw(raw_table(self.source, self.stream), look_up(self.snowflake_conn_id))
        return openlineage.lineage([landed], [raw])

    def on_kill(self) -> None:
        if self._session is not None:
            from catchment.warehouse.session import cancel

            cancel(self._session, look_up(self.snowflake_conn_id))

    def _opened(self, session: Session) -> None:
        self._session = session


def alarm_of(stream: str, loaded: Loaded) -> str:
    """What a person should know of a load that worked; "" when there is nothing."""
    said = []
    if loaded.gaps:
        said.append(
            f"{loaded.gaps[0]}{f' (and {len(loaded.gaps) - 1} more)' if len(loaded.gaps) > 1 else ''}: compare that "
            "time with the vendor's own list (docs/runbooks/gaps.md)"
        )
    if loaded.new_rejects:
        said.append(
            f"{loaded.new_rejects} records more than before were rejected: see RAW.CATCHMENT.REJECTS, by source and "
            "stream (docs/runbooks/rejects.md)"
        )
    if not said:
        return ""
    return (
        f"{stream}: everything else was loaded, and the cursor has moved. {'; '.join(said)}. To accept it, mark this "
        "task as success: cleared, it loads the same and fails again."
    )


class _RowLog:
    """Says in the log how far an extraction is: at 1,000 rows, then each time they have grown tenfold or by 100,000."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._rows = 0
        self._next = 1_000

    def __call__(self, rows: int) -> None:
        self._rows += rows
        if self._rows >= self._next:
            self._log.info("%d rows so far", self._rows)
            self._next = self._rows + min(100_000, self._rows * 9)
