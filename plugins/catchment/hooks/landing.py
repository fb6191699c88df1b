"""The landing area in S3, by an Airflow connection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from catchment.hooks.connections import look_up, tested

if TYPE_CHECKING:
    from catchment.landing import Manifest, Store


class LandingHook(BaseHook):
    """The batches that were landed, for a DAG of one's own. It only reads, but for `get_conn` and `test_connection`.

    Args:
        bucket: By default `CATCHMENT_LANDING_BUCKET`, or `catchment-landing`.
        aws_conn_id: The connection of the bucket.
    """

    conn_name_attr = "aws_conn_id"
    default_conn_name = "aws_default"
    conn_type = "aws"
    hook_name = "Catchment landing"

    def __init__(self, bucket: str | None = None, *, aws_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bucket = bucket
        self.aws_conn_id = aws_conn_id

    def get_conn(self) -> Store:
        """The store of the landing; keys are relative to the bucket."""
        from catchment.platform import Platform

        return Platform.from_connections(look_up, bucket=self.bucket, aws=self.aws_conn_id).store

    def manifest_keys(self, source: str, stream: str) -> Iterator[str]:
        """The keys of a stream's manifests, oldest interval first; parts without a manifest are no batch."""
        from catchment.landing import MANIFEST

        for entry in self.get_conn().entries(f"landing/{source}/{stream}/"):
            if entry.key.endswith(f"/{MANIFEST}"):
                yield entry.key

    def manifest(self, key: str) -> Manifest:
        """What a checkpoint of a batch holds; raises `ContractBroken` where there is none."""
        from catchment.landing import read_manifest

        return read_manifest(self.get_conn(), key)

    def test_connection(self) -> tuple[bool, str]:
        """Write a probe, read it, list it and delete it."""
        from catchment.check_systems import try_landing

        return tested(lambda: try_landing(self.get_conn()))
