"""What the demo counts: rows per stream at each station, and MRR here and at the vendor."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from catchment.connection import Connection
from catchment.landing import read_manifest
from catchment.platform import LANDING_BUCKET, Platform
from catchment.sources import SOURCES
from catchment.warehouse import session
from local.demo.runs import Run

HISTORY_START = date(2020, 1, 1)


@dataclass(frozen=True)
class StreamRow:
    """One stream: what this demo brought (`extracted`, `landed`, `rejected`), and what stands there now."""

    source: str
    stream: str
    outcome: str
    extracted: int
    landed: int
    rejected: int
    raw: int
    staging: int | None
    seconds: float


@dataclass(frozen=True)
class Movement:
    """One of the vendor's MRR movements, in cents."""

    uuid: str
    moment: datetime
    cents: int


@dataclass(frozen=True)
class MrrRow:
    """MRR at the end of a month in cents; None where one side does not know the month."""

    month: str
    ours: int | None
    vendor: int | None

    @property
    def equal(self) -> bool:
        return self.ours == self.vendor


class Figures:
    """Reads the warehouse, the landing and the vendor through the platform's own connections."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._platform = Platform.from_connections(self._connection, bucket=LANDING_BUCKET)

    def streams(self, since: datetime, runs: Sequence[Run]) -> list[StreamRow]:
        """A row for each stream of every source; `since` is when the demo's runs were started."""
        ledger = self._ledger(since)
        raw = self._counts("RAW.{source}.{stream}")
        staging = self._counts("ANALYTICS.STAGING.STG_{source}__{stream}")
        return [
            StreamRow(
                source=source,
                stream=stream,
                outcome="unchanged" if batches.unchanged else outcome(source, stream, runs),
                extracted=batches.extracted,
                landed=self._landed(batches.manifests),
                rejected=batches.rejected,
                raw=raw[(source, stream)] or 0,
                staging=staging[(source, stream)],
                seconds=seconds(source, stream, runs),
            )
            for source, stream in _streams()
            for batches in [ledger.get((source, stream), NO_BATCH)]
        ]

    def mrr(self) -> list[MrrRow]:
        """Every month that either side knows. The company goes on: the vendor's MRR is as of our reading."""
        ours = {month.strftime("%Y-%m"): int(cents) for month, cents in self._query(MRR)}
        ((asked_at,),) = self._query(ACTIVITIES_ASKED_AT)
        read = {uuid for (uuid,) in self._query(ACTIVITIES)}
        since = asked_at.replace(tzinfo=UTC)
        later = [movement for movement in self._vendor_movements(since) if movement.uuid not in read]
        zone = ZoneInfo(self._vendor("account")["time_zone"])
        return side_by_side(ours, as_of(since, self._vendor_mrr(zone), later, zone))

    def _connection(self, conn_id: str) -> Connection:
        return Connection.from_env(conn_id, self._environment)

    def _query(self, sql: str, parameters: Sequence[Any] = ()) -> Sequence[Any]:
        opened = session.connect(self._connection("snowflake_default"), query_tag="demo")
        try:
            with session.explained(f"count what was loaded ({sql[:60]}…)"):
                cursor = opened.cursor()
                cursor.execute(sql, tuple(parameters))
                rows: Sequence[Any] = cursor.fetchall()
                return rows
        finally:
            opened.close()

    def _ledger(self, since: datetime) -> dict[tuple[str, str], Batches]:
        rows = self._query(LEDGER, [since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")])
        found: dict[tuple[str, str], Batches] = {}
        for source, stream, manifest, extracted, rejected, same_as in rows:
            before = found.get((source, stream), NO_BATCH)
            found[(source, stream)] = before.plus(manifest, int(extracted), int(rejected), fresh=same_as is None)
        return found

    def _counts(self, table: str) -> dict[tuple[str, str], int | None]:
        """Rows per stream of the tables named by the pattern; None where there is no such table."""
        database = table.partition(".")[0]
        names = {key: table.format(source=key[0].upper(), stream=key[1].upper()) for key in _streams()}
        there = {
            f"{database}.{schema}.{name}"
            for schema, name in self._query(f"SELECT TABLE_SCHEMA, TABLE_NAME FROM {database}{TABLES}")  # noqa: S608 - names of our own
        }
        counted = [
            f"SELECT '{source}' AS SOURCE, '{stream}' AS STREAM, COUNT(*) AS N FROM {name}"  # noqa: S608 - names of our own
            for (source, stream), name in names.items()
            if name in there
        ]
        rows = self._query(" UNION ALL ".join(counted)) if counted else ()
        return dict.fromkeys(names) | {(source, stream): int(n) for source, stream, n in rows}

    def _landed(self, manifests: Iterable[str]) -> int:
        """Rows in the files that the manifests name."""
        return sum(file.rows for key in manifests for file in read_manifest(self._platform.store, key).files)

    def _vendor_mrr(self, zone: ZoneInfo) -> dict[str, int]:
        """To the end of today in the account's zone, whose days they are; UTC's may end hours before."""
        today = datetime.now(zone).date()
        reply = self._vendor(f"metrics/mrr?start-date={HISTORY_START}&end-date={today}&interval=month")
        return {entry["date"][:7]: int(entry["mrr"]) for entry in reply["entries"]}

    def _vendor_movements(self, since: datetime) -> Iterator[Movement]:
        """What the vendor has from `since` on: few, for a demo is short. Its days are those of its own zone."""
        path = f"activities?per-page=200&start-date={since.date() - timedelta(days=1)}"
        reply = self._vendor(path)
        while True:
            for entry in reply["entries"]:
                moment = datetime.fromisoformat(entry["date"])
                if moment >= since:
                    yield Movement(entry["uuid"], moment, int(entry["activity-mrr-movement"]))
            if not reply["has_more"]:
                return
            reply = self._vendor(f"{path}&cursor={reply['cursor']}")

    def _vendor(self, path: str) -> Any:
        connection = self._connection("chartmogul")
        key = base64.b64encode(f"{connection.login or connection.password}:".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - the connection's own address
            f"{connection.host}/{path}", headers={"Authorization": f"Basic {key}"}
        )
        with DIRECT.open(request, timeout=60) as reply:
            return json.load(reply)


DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the local vendor is never behind a proxy
MRR = "SELECT MONTH, MRR_CENTS FROM ANALYTICS.MARTS.FCT_MRR_MONTHLY ORDER BY MONTH"
ACTIVITIES = "SELECT ACTIVITY_UUID FROM ANALYTICS.STAGING.STG_CHARTMOGUL__ACTIVITIES"
ACTIVITIES_ASKED_AT = (
    "SELECT MAX(EXTRACTED_AT) FROM RAW.CATCHMENT.LEDGER WHERE SOURCE = 'chartmogul' AND STREAM = 'activities'"
)
LEDGER = (
    "SELECT SOURCE, STREAM, MANIFEST, ROWS_EXTRACTED, ROWS_REJECTED, SAME_AS "
    "FROM RAW.CATCHMENT.LEDGER WHERE LOADED_AT >= %s"
)
TABLES = ".INFORMATION_SCHEMA.TABLES"


@dataclass(frozen=True)
class Batches:
    """What the ledger says of one stream's batches, summed."""

    manifests: tuple[str, ...] = ()
    extracted: int = 0
    rejected: int = 0
    fresh: int = 0

    @property
    def unchanged(self) -> bool:
        """Whether every batch was a list as it was before, of which nothing was loaded."""
        return bool(self.manifests) and not self.fresh

    def plus(self, manifest: str, extracted: int, rejected: int, *, fresh: bool) -> Batches:
        return Batches(
            (*self.manifests, manifest), self.extracted + extracted, self.rejected + rejected, self.fresh + fresh
        )


NO_BATCH = Batches()


def as_of(since: datetime, vendor: Mapping[str, int], later: Sequence[Movement], zone: tzinfo) -> dict[str, int]:
    """The vendor's MRR by month as it was at `since`: without what moved later, nor months that began later."""
    months = {month: cents for month, cents in vendor.items() if month <= f"{since.astimezone(zone):%Y-%m}"}
    for movement in later:
        began = f"{movement.moment.astimezone(zone):%Y-%m}"
        months = {month: cents - movement.cents * (month >= began) for month, cents in months.items()}
    return months


def side_by_side(ours: Mapping[str, int], vendor: Mapping[str, int]) -> list[MrrRow]:
    """Both by month (`2026-11`), from the first month that has any MRR on either side."""
    months = sorted(ours.keys() | vendor.keys())
    rows = [MrrRow(month, ours.get(month), vendor.get(month)) for month in months]
    first = next((index for index, row in enumerate(rows) if row.ours or row.vendor), len(rows))
    return rows[first:]


def outcome(source: str, stream: str, runs: Sequence[Run]) -> str:
    """How it went: loaded, skipped by `extract` (an unchanged sheet, or not in the plan), or failed."""
    states = {task["task_id"]: task["state"] for run in runs if run.dag_id == source for task in run.tasks}
    extract, load = states.get(f"{stream}.extract"), states.get(f"{stream}.load")
    if load == "success":
        return "loaded"
    if extract == "skipped":
        return "skipped"
    return "failed" if extract or load else "not run"


def seconds(source: str, stream: str, runs: Sequence[Run]) -> float:
    """From the stream's first task's start to its last one's end."""
    moments = [
        datetime.fromisoformat(task[edge])
        for run in runs
        if run.dag_id == source
        for task in run.tasks
        if task["task_id"] in (f"{stream}.extract", f"{stream}.load") and task["state"] != "skipped"
        for edge in ("start_date", "end_date")
        if task[edge]
    ]
    return (max(moments) - min(moments)).total_seconds() if moments else 0.0


def _streams() -> list[tuple[str, str]]:
    return [(spec.name, stream.name) for spec in SOURCES.values() for stream in spec.streams]
