"""From a DAG run to its batches: which interval, which kind, which streams. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catchment.batch import Batch, Kind, Mode
from catchment.errors import NeedsPerson
from catchment.spec import SourceSpec


@dataclass(frozen=True)
class Run:
    """What a batch needs to know of its DAG run. `run_type` is Airflow's: scheduled, manual, backfill."""

    run_type: str
    interval_start: datetime
    interval_end: datetime
    triggered_at: datetime
    params: Mapping[str, Any]


def batch_of(source: str, stream: str, run: Run) -> Batch:
    """The batch of a stream in a run.

    A scheduled run's batch is its data interval. One that a person triggers goes on from the cursor up to the moment of
    the trigger. With `from` and `to` in the form, and in Airflow's own backfills, it is a backfill: that window alone,
    and the cursor stays.
    """
    mode = _mode(run.params.get("mode"))
    start, end = (_moment(run.params.get(name), name) for name in ("from", "to"))
    if (start is None) != (end is None):
        raise NeedsPerson("The form has only one of `from` and `to`: give both for a backfill, or neither.")
    if start and end:
        if mode is Mode.FULL:
            raise NeedsPerson("The form asks for all of history and for a window: leave `from` and `to` empty.")
        if start >= end:
            raise NeedsPerson("The form's `from` is not before its `to`: swap them, or widen the window.")
        return Batch(source=source, stream=stream, start=start, end=end, kind=Kind.BACKFILL)
    if run.run_type == "backfill":
        return Batch(source=source, stream=stream, start=run.interval_start, end=run.interval_end, kind=Kind.BACKFILL)
    end = run.triggered_at if run.run_type == "manual" else run.interval_end
    return Batch(source=source, stream=stream, start=min(run.interval_start, end), end=end, mode=mode)


def selected(spec: SourceSpec, stream: str, chosen: Collection[str]) -> bool:
    """Whether a run reads a stream: all when none is chosen; a parent too when its child is."""
    wanted = set(chosen)
    parents = {s.read.parent.stream for s in spec.streams if s.read.parent and s.name in wanted}
    return not wanted or stream in wanted | parents


def _mode(value: Any) -> Mode:
    try:
        return Mode(value or Mode.INCREMENTAL)
    except ValueError as error:
        raise NeedsPerson(f"`mode` is {value!r}: it may be {' or '.join(Mode)}.") from error


def _moment(value: Any, name: str) -> datetime | None:
    if not value:
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise NeedsPerson(f"`{name}` is {value!r}, no moment: write it like 2026-11-22T00:00:00Z.") from error
    if moment.tzinfo is None:
        raise NeedsPerson(f"`{name}` is {value!r}, without a time zone: write it like 2026-11-22T00:00:00Z.")
    return moment
