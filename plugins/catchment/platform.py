"""The platform's systems put together: vendor, landing and warehouse, each from its connection.

Operators, the command line and tests all go through here, so that a batch is extracted and loaded in one way only.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import Any, TypeVar

from catchment.batch import Batch
from catchment.connection import Connection, NoConnection
from catchment.cursor import CursorState
from catchment.errors import CatchmentError, NeedsPerson, RateLimited, Refused, TryAgain
from catchment.extract.progress import Progress
from catchment.extract.run import Extracted, Extraction, Sealing
from catchment.http.actions import PlanGated
from catchment.http.client import HttpClient
from catchment.http.limits import open_limits
from catchment.http.retry import RetryRule
from catchment.landing import S3Store, Store
from catchment.sources import source
from catchment.spec import SourceSpec
from catchment.warehouse import ledger, session
from catchment.warehouse.load import Loaded, load

LANDING_BUCKET = "catchment-landing"  # unless CATCHMENT_LANDING_BUCKET names another
LookUp = Callable[[str], Connection]
T = TypeVar("T")


class NotInPlan(CatchmentError):
    """A stream that the vendor sells apart, that is refused and never worked: left out, not failed."""


@dataclass(frozen=True, kw_only=True)
class Watcher:
    """Who wants to know how an extraction goes. `on_open` is handed the client, whose `cancel` ends it from elsewhere.

    `report` is told the rows of each page, `progress` how far a long reading is, `loaded` each checkpoint before the
    last.
    """

    on_open: Callable[[HttpClient], Any] = lambda client: None
    report: Callable[[int], None] = lambda rows: None
    progress: Callable[[Progress], None] = lambda progress: None
    loaded: Callable[[Loaded], None] = lambda loaded: None


@dataclass(frozen=True)
class Platform:
    """Where batches go: a store, and a way to open sessions, other buckets and vendors' connections."""

    store: Store
    open_session: Callable[[str], session.Session]
    look_up: LookUp
    open_bucket: Callable[[str], Store] | None = None
    part_bytes: int = 4 * 1024 * 1024

    @classmethod
    def from_connections(
        cls,
        look_up: LookUp,
        *,
        bucket: str | None = None,
        aws: str = "aws_default",
        warehouse: str = "snowflake_default",
    ) -> Platform:
        """The platform on these connections; nothing is opened before it is needed."""
        client = s3_client(look_up(aws))
        return cls(
            store=S3Store(client, landing_bucket(bucket)),
            open_session=lambda tag: session.connect(look_up(warehouse), query_tag=tag),
            look_up=look_up,
            open_bucket=lambda name: S3Store(client, name),
        )

    def cursor_state(self, batch: Batch, *, query_tag: str = "") -> CursorState:
        """Where the stream stands before `batch`, from the ledger."""
        return self._ask_ledger(partial(ledger.cursor_state, batch=batch), f"read the ledger for {batch}", query_tag)

    def extract(
        self,
        batch: Batch,
        *,
        query_tag: str = "",
        watcher: Watcher = Watcher(),
        sealing: Sealing = Sealing(),  # noqa: B008 - frozen
        accept_smaller: bool = False,
    ) -> Extracted:
        """Land `batch`, and load the checkpoints that are sealed before its last, which is left to `load`."""
        spec = source(batch.source)
        state = self.cursor_state(batch, query_tag=query_tag)

        def load_checkpoint(key: str) -> None:
            watcher.loaded(self.load(key, query_tag=query_tag))

        try:
            connection = self.look_up(spec.name)
            client = open_client(spec, connection, self.look_up) if spec.api else None
            if client:
                watcher.on_open(client)
            try:
                return Extraction(
                    source=spec,
                    client=client,
                    store=self.store,
                    history_start=history_start(spec, connection),
                    load=load_checkpoint,
                    pii_key=self._pii_key(spec, batch),
                    sealing=sealing,
                    accept_smaller=accept_smaller,
                    report=watcher.report,
                    progress=watcher.progress,
                    open_bucket=partial(self.bucket_of, connection),
                    files_loaded=partial(self._files_loaded, batch, query_tag),
                    rows_between=partial(self._rows_between, batch, query_tag),
                    part_bytes=self.part_bytes,
                ).run(batch, state)
            finally:
                if client:
                    client.close()
        except CatchmentError as error:
            raise _in_context(error, spec, batch, state) from error

    def load(
        self, key: str, *, query_tag: str = "", on_open: Callable[[session.Session], Any] = lambda session: None
    ) -> Loaded:
        """Load the checkpoint at `key`, a manifest's. `on_open` is handed the session, for a cancel from elsewhere."""
        warehouse = self.open_session(query_tag)
        on_open(warehouse)
        try:
            return load(warehouse, self.store, key, query_tag=query_tag, open_bucket=self.open_bucket)
        finally:
            warehouse.close()

    def bucket_of(self, connection: Connection, name: str) -> Store:
        """The bucket in which others write a source's files: `name`, or what the connection's extra says."""
        bucket = name or str(connection.extra.get("bucket", ""))
        if not bucket or self.open_bucket is None:
            raise NeedsPerson(f'The connection "{connection.conn_id}" names no bucket: set `bucket` in its extra.')
        return self.open_bucket(bucket)

    def _files_loaded(self, batch: Batch, query_tag: str) -> frozenset[tuple[str, str]]:
        ask = partial(ledger.files_loaded, source=batch.source, stream=batch.stream)
        return self._ask_ledger(ask, f"read the files of {batch}", query_tag)

    def _rows_between(self, batch: Batch, query_tag: str, field: str, start: datetime, end: datetime) -> int:
        ask = partial(ledger.rows_between, batch=batch, field=field, start=start, end=end)
        return self._ask_ledger(ask, f"count what {batch} had before", query_tag)

    def _ask_ledger(self, ask: Callable[[session.Cursor], T], doing: str, query_tag: str) -> T:
        opened = self.open_session(query_tag)
        try:
            with session.explained(doing):
                return ask(opened.cursor())
        finally:
            opened.close()

    def _pii_key(self, spec: SourceSpec, batch: Batch) -> bytes:
        return self.look_up("catchment_pii").password.encode() if spec.stream(batch.stream).personal else b""


def landing_bucket(bucket: str | None = None) -> str:
    """The bucket of the landing: the given one, or the environment's."""
    return bucket or os.environ.get("CATCHMENT_LANDING_BUCKET", LANDING_BUCKET)


def open_client(
    spec: SourceSpec, connection: Connection, look_up: LookUp, *, retry: RetryRule | None = None
) -> HttpClient:
    """The client of a source's API, within the budgets that all machines share; close it when done.

    `retry` replaces the connection's rule.
    """
    cancelled = Event()
    if spec.api is None:
        raise NeedsPerson(f"{spec.title} is read from files and has no API to ask.")
    account = hashlib.sha256(f"{connection.base_url(spec.api.base_url)} {connection.key}".encode()).hexdigest()[:12]
    limits = open_limits(
        spec.name,
        account,
        _optional(look_up, "rate_limits"),
        overrides=connection.extra.get("rate_limits", {}),
        sleep=cancelled.wait,
    )
    return HttpClient(spec.api, connection, limits=limits, retry=retry, cancelled=cancelled)


def _optional(look_up: LookUp, conn_id: str) -> Connection | None:
    try:
        return look_up(conn_id)
    except NoConnection:
        return None


def history_start(spec: SourceSpec, connection: Connection) -> datetime:
    """Where reads of all history begin: as the connection's extra says, else as the spec does."""
    said = connection.extra.get("history_start")
    if not said:
        return spec.history_start
    try:
        moment = datetime.fromisoformat(str(said))
    except ValueError as error:
        raise NeedsPerson(
            f'`history_start` in the connection "{connection.conn_id}" is {said!r}: write it like 2015-01-01.'
        ) from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def s3_client(connection: Connection) -> Any:
    """A boto3 client by an Airflow connection's fields; without keys, boto3's own chain (role, profile) is used."""
    import boto3
    from botocore.config import Config

    extra = connection.extra
    return boto3.client(
        "s3",
        aws_access_key_id=connection.login or None,
        aws_secret_access_key=connection.password or None,
        aws_session_token=extra.get("aws_session_token"),
        endpoint_url=extra.get("endpoint_url"),
        region_name=extra.get("region_name"),
        config=Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=10, read_timeout=60),
    )


def _in_context(error: CatchmentError, spec: SourceSpec, batch: Batch, state: CursorState) -> CatchmentError:
    """The same kind of error, as a sentence that names the batch and where its stream stands."""
    stream = spec.stream(batch.stream)
    cursor = f"the cursor stays at {state.cursor}" if state.cursor else "the stream has no cursor yet"
    text = f"{batch}: {str(error).rstrip('.')}. What was loaded before stays; {cursor}."
    match error:
        case Refused() if not state.ever_loaded and _is_gated(error, plan_gated=stream.plan_gated):
            return NotInPlan(f"{batch}: the vendor's plan does not include it ({error}). It is left out until it does.")
        case Refused(status=status):
            return Refused(text, status=status)
        case RateLimited(after=after):
            return RateLimited(text, after=after)
        case TryAgain(after=after):
            return type(error)(text, after=after)
        case NeedsPerson():
            return type(error)(text)
        case _:
            return error


def _is_gated(error: Refused, *, plan_gated: bool) -> bool:
    """Whether a refusal means that the plan lacks the stream: an action says so, or it is a 403 of a gated one."""
    return isinstance(error, PlanGated) or (plan_gated and error.status == 403)
