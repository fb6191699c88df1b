"""The platform's systems put together: vendor, landing and warehouse, each from its connection.

Operators, the command line and tests all go through here, so that a batch is extracted and loaded in one way only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from catchment.batch import Batch
from catchment.connection import Connection
from catchment.errors import CatchmentError, NeedsPerson, RateLimited, Refused, TryAgain
from catchment.extract.http import Vendor
from catchment.extract.plan import Progress
from catchment.extract.run import Extraction
from catchment.landing import MANIFEST, S3Store, Store, read_manifest
from catchment.sources import source
from catchment.spec import SourceSpec
from catchment.warehouse import ledger, session
from catchment.warehouse.load import Loaded, load

LANDING_BUCKET = "catchment-landing"  # unless CATCHMENT_LANDING_BUCKET names another
LookUp = Callable[[str], Connection]


class NotInPlan(CatchmentError):
    """A stream that the vendor sells apart, that is refused and never worked: left out, not failed."""


@dataclass(frozen=True)
class Platform:
    """Where batches go: a store, and a way to open sessions and to look up vendors' connections."""

    store: Store
    open_session: Callable[[str], session.Session]
    look_up: LookUp

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
        return cls(
            store=S3Store(
                s3_client(look_up(aws)), bucket or os.environ.get("CATCHMENT_LANDING_BUCKET", LANDING_BUCKET)
            ),
            open_session=lambda tag: session.connect(look_up(warehouse), query_tag=tag),
            look_up=look_up,
        )

    def manifest_key(self, batch: Batch) -> str:
        return batch.prefix + MANIFEST

    def progress(self, batch: Batch, *, query_tag: str = "") -> Progress:
        """Where the stream stands before `batch`, from the ledger."""
        opened = self.open_session(query_tag)
        try:
            with session.explained(f"read the ledger for {batch}"):
                return ledger.progress(opened.cursor(), batch)
        finally:
            opened.close()

    def extract(
        self,
        batch: Batch,
        *,
        query_tag: str = "",
        report: Callable[[int], None] = lambda rows: None,
        opened: Callable[[Vendor], Any] = lambda vendor: None,
    ) -> str | None:
        """Land `batch`; returns its manifest's key, or None when the stream is unchanged.

        `opened` is handed the vendor, whose `cancel` ends the extraction from another thread or a signal handler.
        """
        spec = source(batch.source)
        progress = self.progress(batch, query_tag=query_tag)
        try:
            vendor = Vendor(spec, self.look_up(spec.name))
            opened(vendor)
            try:
                extraction = Extraction(spec, vendor, self.store, pii_key=self._pii_key(spec, batch), report=report)
                manifest = extraction.run(batch, progress)
            finally:
                vendor.close()
        except CatchmentError as error:
            raise _in_context(error, spec, batch, progress) from error
        return None if manifest is None else self.manifest_key(batch)

    def load(
        self, key: str, *, query_tag: str = "", opened: Callable[[session.Session], Any] = lambda session: None
    ) -> Loaded:
        """Load the batch whose manifest is at `key`. `opened` is handed the session, for a cancel from elsewhere."""
        manifest = read_manifest(self.store, key)
        stream = source(manifest.source).stream(manifest.stream)
        warehouse = self.open_session(query_tag)
        opened(warehouse)
        try:
            return load(warehouse, self.store, key, stream, query_tag=query_tag)
        finally:
            warehouse.close()

    def _pii_key(self, spec: SourceSpec, batch: Batch) -> bytes:
        return self.look_up("catchment_pii").password.encode() if spec.stream(batch.stream).personal else b""


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


def _in_context(error: CatchmentError, spec: SourceSpec, batch: Batch, progress: Progress) -> CatchmentError:
    """The same kind of error, as a sentence that names the batch and where its stream stands."""
    stream = spec.stream(batch.stream)
    cursor = f"the cursor stays at {progress.cursor}" if progress.cursor else "the stream has no cursor yet"
    text = f"{batch}: {str(error).rstrip('.')}. Nothing was loaded; {cursor}."
    match error:
        case Refused(status=403) if stream.plan_gated and not progress.loaded:
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
