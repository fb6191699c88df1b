"""Extract a stream to S3, load it into the warehouse.

Both are usable by hand in any DAG. They read connections when they run, never before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseHook, BaseOperator
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowSkipException

from catchment.batch import Batch, Kind, Mode
from catchment.connection import Connection
from catchment.errors import NeedsPerson, RateLimited
from catchment.runs import Run, batch_of, selected

if TYPE_CHECKING:
    from airflow.sdk import Context

    from catchment.extract.http import Vendor
    from catchment.platform import Platform
    from catchment.warehouse.session import Session


def look_up(conn_id: str) -> Connection:
    """An Airflow connection, from whichever secrets back end holds it."""
    try:
        return Connection.like(BaseHook.get_connection(conn_id))
    except AirflowNotFoundException as error:
        raise NeedsPerson(f'There is no connection "{conn_id}": make it (docs/production.md).') from error


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
    """The asset that says: a run of this source is over, and what could be loaded is."""
    return Asset(name=f"raw.{source}", group="raw")


def tag_of(context: Context, stream: str) -> str:
    """The query tag of a task's statements."""
    from catchment.warehouse.session import query_tag

    ti = context["ti"]
    return query_tag(dag=ti.dag_id, task=ti.task_id, run=ti.run_id, stream=stream)


class ApiToS3Operator(BaseOperator):
    """Land one batch of a stream: pages stream to compressed JSON Lines parts, the manifest last.

    Running it again replaces the batch. Returns the manifest's key; skips when the stream is unchanged, not chosen in
    the form, or not in the vendor's plan. The batch is the DAG run's (`catchment.runs.batch_of`) unless
    `interval_start` and `interval_end` (ISO, with zone) are given. A vendor that wants us to wait longer than a slot
    should be held is waited for in the triggerer.
    """

    template_fields: Sequence[str] = ("source", "stream", "interval_start", "interval_end", "mode", "bucket")
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
        self.aws_conn_id = aws_conn_id
        self.snowflake_conn_id = snowflake_conn_id
        self._vendor: Vendor | None = None

    def execute(self, context: Context) -> str:
        from catchment.extract.http import Cancelled
        from catchment.platform import NotInPlan

        self._skip_unless_selected(context)
        batch = self.batch(context)
        self.log.info("Extracting %s", batch)
        try:
            key = self._platform().extract(
                batch, query_tag=tag_of(context, self.stream), report=_Progress(self.log), opened=self._opened
            )
        except NotInPlan as error:
            raise AirflowSkipException(str(error)) from error
        except RateLimited as error:
            if error.after is None:
                raise
            self._wait_elsewhere(error, error.after)
        except Cancelled as error:
            raise RuntimeError(f"{batch}: stopped on request. Nothing was loaded.") from error
        if key is None:
            raise AirflowSkipException(f"{batch} is unchanged: nothing to load.")
        return key

    def resume(self, context: Context, event: Any = None) -> str:
        """Go on after a wait in the triggerer: the batch is read from its start, for nothing of it was kept."""
        return self.execute(context)

    def on_kill(self) -> None:
        if self._vendor is not None:
            self._vendor.cancel()

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

    def _opened(self, vendor: Vendor) -> None:
        self._vendor = vendor

    def _wait_elsewhere(self, error: RateLimited, after: timedelta) -> None:
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        self.log.warning("%s Waiting %s without a slot.", error, after)
        self.defer(trigger=TimeDeltaTrigger(after), method_name="resume")


class S3ToSnowflakeOperator(BaseOperator):
    """Load a landed batch: its rows, its rejects and its ledger row in one transaction.

    `manifest_key` is what `ApiToS3Operator` returned. Running it again leaves the same rows. Updates the stream's asset
    with what was loaded.
    """

    template_fields: Sequence[str] = ("source", "stream", "manifest_key", "bucket")
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
        loaded = platform.load(self.manifest_key, query_tag=tag_of(context, self.stream), opened=self._opened)
        if loaded.rejected:
            self.log.warning(
                "%d records were rejected: select * from RAW.CATCHMENT.REJECTS where SOURCE = '%s' and STREAM = '%s'. "
                "See docs/runbooks/rejects.md.",
                loaded.rejected,
                self.source,
                self.stream,
            )
        if loaded.same_as:
            self.log.info("Unchanged: the rows of %s are this batch's too.", loaded.same_as)
        counts = {"rows": loaded.rows, "rejected": loaded.rejected}
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {**counts, "manifest": self.manifest_key}
        return counts

    def on_kill(self) -> None:
        if self._session is not None:
            from catchment.warehouse.session import cancel

            cancel(self._session, look_up(self.snowflake_conn_id))

    def _opened(self, session: Session) -> None:
        self._session = session


class _Progress:
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
