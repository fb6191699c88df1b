"""Names of tables. A name comes from a spec; one that is not plain never reaches SQL."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[a-z][a-z0-9_]*")

LEDGER = "RAW.CATCHMENT.LEDGER"
EPOCHS = "RAW.CATCHMENT.EPOCHS"  # of change data capture: where a shard's log positions begin again
OFFSETS = "RAW.CATCHMENT.OFFSETS"  # how far Kafka's partitions are loaded
WATERMARKS = "RAW.CATCHMENT.WATERMARKS"  # how far dbt has merged them
AUDITS = "RAW.CATCHMENT.CDC_AUDITS"
COMPARISONS = "RAW.CATCHMENT.CDC_COMPARISONS"
HEALTH = "RAW.CATCHMENT.CDC_HEALTH"
MEMORY = "RAW.CATCHMENT.CDC_MEMORY"
PAUSES = "RAW.CATCHMENT.CDC_PAUSES"
KAFKA_STAGE = "RAW.CATCHMENT.KAFKA"
KAFKA_PARTITION = "COALESCE(KAFKA_PARTITION, RECORD_METADATA:partition::NUMBER)"
KAFKA_OFFSET = "COALESCE(KAFKA_OFFSET, RECORD_METADATA:offset::NUMBER)"
"""Where a raw row was in Kafka: our loader writes columns, Snowflake's sink its metadata alone."""
REJECTS = "RAW.CATCHMENT.REJECTS"
REJECT_COLUMNS = "(BATCH_ID, SOURCE, STREAM, FILE, ROW_NUMBER, REASON, RECORD, REJECTED_AT)"
FILES = "RAW.CATCHMENT.FILES"
STAGE = "RAW.CATCHMENT.LANDING"
FILE_FORMAT = "RAW.CATCHMENT.JSON_LINES"
LINES_FORMAT = "RAW.CATCHMENT.TEXT_LINES"
CDC_WAREHOUSE = "CDC"
"""The warehouse of all that change data capture asks: its quota must never stop loads or marts (docs/cost.md)."""


def raw_table(source: str, stream: str) -> str:
    """`RAW.ZENDESK.TICKETS` for ("zendesk", "tickets"); raises ValueError for anything but plain lower-case names."""
    for name in (source, stream):
        if not _PLAIN.fullmatch(name):
            raise ValueError(f"{name!r} can't name a table: use lower-case letters, digits and underscores.")
    return f"RAW.{source.upper()}.{stream.upper()}"


def stage_of(source: str) -> str:
    """The stage over the bucket in which others write a source's files: `RAW.SEGMENT.FILES` for "segment"."""
    if not _PLAIN.fullmatch(source):
        raise ValueError(f"{source!r} can't name a stage: use lower-case letters, digits and underscores.")
    return f"RAW.{source.upper()}.FILES"
