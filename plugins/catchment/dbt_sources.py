"""The dbt sources of the platform, written from the specs: one YAML file per source, plus one for the ledger.

The files of the replicated tables (`dbt_application.py`) are written with them.

Pure: `render` gives the text of each file; `write` and `differences` compare and store it. The files are committed, so
that dbt needs nothing but its own folder; a test and `python -m catchment dbt-sources --check` fail when they differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from catchment import dbt_application
from catchment.cdc.declared import application
from catchment.spec import Current, SourceSpec, Stream

MODELS = Path("models/staging")
"""Where the files lie, below the dbt project's folder."""

HEADER = "# Written from plugins/catchment/{origin} by `python -m catchment dbt-sources`; do not edit.\n"
RAW_DATABASE = "{{ env_var('CATCHMENT_RAW_DATABASE', 'RAW') }}"
COLUMNS = (
    ("record_content", "The record as the vendor sent it."),
    ("record_metadata", "Source, stream, interval, file and row of the record; for a child stream its parent's key."),
    ("batch_id", "The batch that brought the record; see the ledger."),
    ("loaded_at", "When the batch was loaded (UTC)."),
)
LEDGER_COLUMNS = (
    ("batch_id", "The checkpoint of a batch; its rows in the raw table carry the same id."),
    ("batch", "The batch that it is a checkpoint of; a batch that was read in one go has one."),
    ("checkpoint", "The checkpoint's number in its batch, from 0."),
    ("complete", "Whether it is the last of its batch."),
    ("as_of", "The moment that it speaks of (UTC): of two lists or windows the later one is right."),
    ("same_as", "The batch whose rows are this one's too: a list that is read whole and was as before. Else empty."),
    ("source", "The source of the batch."),
    ("stream", "The stream of the batch."),
    ("kind", "`scheduled` or `backfill`."),
    ("window_from", "Start of the time that a re-read window covers, inclusive (UTC); empty for other streams."),
    ("window_to", "End of the time that a re-read window covers, exclusive (UTC)."),
    ("extracted_at", "When the vendor was asked (UTC)."),
    ("loaded_at", "When the batch was loaded (UTC)."),
)
CDC_TABLES: tuple[dict[str, Any], ...] = (
    {
        "name": "watermarks",
        "description": "Up to which Kafka offset each model has merged each partition; see macros/cdc.",
    },
    {"name": "truncates", "description": "The truncations of replicated tables, which reach keys of every partition."},
    {
        "name": "epochs",
        "description": "Where a shard's epochs begin, by partition and offset: log positions compare within one.",
    },
)


def render(specs: Iterable[SourceSpec]) -> Mapping[Path, str]:
    """The files by their path below the dbt project's folder."""
    files = {_path(spec.name): _text(f"sources/{spec.name}.py", _source(spec)) for spec in specs}
    ours = {_path("catchment"): _text("dbt_sources.py", _ledger())}
    return {**ours, **files, **dbt_application.render(application())}


def differences(specs: Iterable[SourceSpec], project: Path) -> tuple[str, ...]:
    """One sentence for each file that is missing or is not what the specs say."""
    found = []
    for path, text in render(specs).items():
        file = project / path
        if not file.exists():
            found.append(f"{path} is missing: run `python -m catchment dbt-sources`.")
        elif file.read_text(encoding="utf-8") != text:
            found.append(f"{path} differs from the specs: run `python -m catchment dbt-sources`.")
    return tuple(found)


def write(specs: Iterable[SourceSpec], project: Path) -> tuple[Path, ...]:
    """Write the files that differ; returns their paths."""
    written = []
    for path, text in render(specs).items():
        file = project / path
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            written.append(path)
    return tuple(written)


def _path(source: str) -> Path:
    return MODELS / source / f"_{source}__sources.yml"


def _text(origin: str, source: Mapping[str, Any]) -> str:
    body: str = yaml.safe_dump({"version": 2, "sources": [source]}, sort_keys=False, allow_unicode=True, width=110)
    return HEADER.format(origin=origin) + body


def _source(spec: SourceSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": f"Raw records of {spec.title}, one table per stream, as the vendor sent them.",
        "database": RAW_DATABASE,
        "schema": spec.name.upper(),
        "tables": [_table(spec, stream) for stream in spec.streams],
    }


def _table(spec: SourceSpec, stream: Stream) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "key": list(stream.key),
        "read": type(stream.read).__name__,
        "current": str(stream.read.current),
    }
    for name, value in (
        ("owner", stream.owner),
        ("personal", list(stream.personal)),
        ("dropped", list(stream.secret)),
        ("plan_gated", stream.plan_gated),
    ):
        if value:
            meta[name] = value
    return {
        "name": stream.name,
        "description": stream.description or f"Stream {stream.name} of {spec.title}.",
        "config": {"meta": meta, **_freshness(spec, stream)},
        "columns": _columns(COLUMNS),
    }


def _freshness(spec: SourceSpec, stream: Stream) -> dict[str, Any]:
    """Freshness is asked of the ledger, not of the rows: a batch without a single new record is fresh all the same.

    What counts is up to when a stream was read to its end, not when something was loaded: a backfill, a checkpoint of
    an unfinished reading, or an old run that is cleared make nothing fresh. A list is as fresh as the moment that it
    speaks of; an export or a window ends with its interval at the latest.
    """
    if stream.fresh_within is None:
        return {"freshness": None}
    upto = "coalesce(as_of, extracted_at)"
    if stream.read.current is not Current.NEWEST_LIST:
        upto = f"least(interval_end, {upto})"
    return {
        "loaded_at_query": (
            f"select max({upto}) from {RAW_DATABASE}.CATCHMENT.LEDGER"  # noqa: S608 - names of the spec
            f" where source = '{spec.name}' and stream = '{stream.name}'"
            " and kind = 'scheduled' and coalesce(complete, true)"
        ),
        "freshness": {"warn_after": _period(stream.fresh_within), "error_after": _period(2 * stream.fresh_within)},
    }


def _period(span: timedelta) -> dict[str, Any]:
    minutes = int(span.total_seconds() // 60)
    return {"count": minutes // 60, "period": "hour"} if minutes % 60 == 0 else {"count": minutes, "period": "minute"}


def _ledger() -> dict[str, Any]:
    table = {
        "name": "ledger",
        "description": "One row for each batch that is loaded, written in the same transaction as its rows.",
        "columns": _columns(LEDGER_COLUMNS),
    }
    return {
        "name": "catchment",
        "description": "What the platform keeps about its own loads.",
        "database": RAW_DATABASE,
        "schema": "CATCHMENT",
        "tables": [table, *CDC_TABLES],
    }


def _columns(columns: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "description": text} for name, text in columns]
