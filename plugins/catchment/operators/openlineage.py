"""What a task reads and writes, in OpenLineage's names, for who has Airflow's OpenLineage provider installed.

Names follow the OpenLineage naming spec, and are those that dbt's own integration gives to the same tables, so that the
graphs of both join at RAW. The provider asks for them when a task is over; without it nobody asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from catchment.connection import Connection
from catchment.spec import SourceSpec


@dataclass(frozen=True)
class LineageDataset:
    """A data set by OpenLineage's two names."""

    namespace: str
    name: str


def of_vendor(spec: SourceSpec, stream: str, connection: Connection) -> LineageDataset:
    """A stream at its vendor: the host of the API (never what stands before an @), and the stream's name."""
    url = urlsplit(connection.base_url(spec.api.base_url)) if spec.api else None
    host = url.netloc.rpartition("@")[2] if url else ""
    return LineageDataset(f"{url.scheme}://{host}" if url and host else spec.name, stream)


def of_landing(bucket: str, source: str, stream: str) -> LineageDataset:
    """Where a stream lands: one data set for all of its batches."""
    return LineageDataset(f"s3://{bucket}", f"landing/{source}/{stream}")


def of_raw(table: str, warehouse: Connection) -> LineageDataset:
    """A raw table, by its whole name."""
    from openlineage.common.provider.snowflake import fix_account_name  # type: ignore[import-untyped]

    return LineageDataset(f"snowflake://{fix_account_name(str(warehouse.extra.get('account', '')))}", table)


def lineage(inputs: list[LineageDataset], outputs: list[LineageDataset]) -> Any:
    """The provider's `OperatorLineage`; None where the provider is not installed."""
    try:
        from airflow.providers.openlineage.extractors import OperatorLineage  # type: ignore[import-not-found,unused-ignore]
        from openlineage.client.event_v2 import Dataset
    except ImportError:
        return None

    def given(found: list[LineageDataset]) -> list[Any]:
        return [Dataset(namespace=dataset.namespace, name=dataset.name) for dataset in found]

    return OperatorLineage(inputs=given(inputs), outputs=given(outputs))
