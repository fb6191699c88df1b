"""Audit: is every committed record of Kafka in raw, once? For each partition, whichever path wrote the rows.

An audit continues where the last one ended, if that found nothing wrong and raw still has as many rows up to there;
otherwise it starts from the beginning. Findings go to RAW.CATCHMENT.CDC_AUDITS; see `docs/runbooks/cdc_gaps.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from catchment.cdc.loader import findings
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.findings import CHECKED, Checked, Finding, Hole
from catchment.cdc.loader.kafka import Kafka
from catchment.cdc.loader.offsets import Position
from catchment.cdc.loader.ranges import OffsetRange
from catchment.cdc.loader.replay import read
from catchment.cdc.loader.warehouse import LoaderWarehouse
from catchment.cdc.loader.write import Target
from catchment.warehouse.ledger import sql_time
from catchment.warehouse.names import AUDITS, KAFKA_OFFSET, KAFKA_PARTITION, REJECTS
from catchment.warehouse.session import Cursor

RUNBOOK = "docs/runbooks/cdc_gaps.md"
FAR = 5_000  # offsets between two holes from which on the second is sought for, not read up to


@dataclass(frozen=True)
class Audited:
    """What an audit found, and how many rows of raw it looked at."""

    findings: tuple[Finding, ...]
    rows: int

    @property
    def bad(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.is_bad)

    def sentence(self) -> str:
        """What is wrong and what to do, for the one on call."""
        return (
            f"raw is not what Kafka has: {'; '.join(str(f) for f in self.bad[:5])}"
            f"{f'; and {len(self.bad) - 5} more' if len(self.bad) > 5 else ''}. Run cdc_replay with these values: "
            f"{'; '.join(form_values(f) for f in self.bad[:5])}. See {RUNBOOK}."
        )


def form_values(finding: Finding) -> str:
    """What to enter in the form of cdc_replay to fix a finding."""
    shard, _, table = finding.partition.topic.split(".", 2)
    return (
        f"shard {shard}, table {table}, partitions [{finding.partition.number}], "
        f"from offset {finding.start}, to offset {finding.end}"
    )


def audit(targets: Iterable[Target], kafka: Kafka, warehouse: LoaderWarehouse, *, full: bool = False) -> Audited:
    """Audit these topics and record the findings. `full` checks everything again, whatever earlier audits found."""
    wanted = {target.topic: target for target in targets}
    at = datetime.now(UTC)
    topics = kafka.topics(wanted)
    ledger = warehouse.ledger()
    before = {} if full else _before(warehouse)
    found: list[Finding] = []
    rows = 0
    for topic in topics.values():
        bounds = kafka.bounds([Partition(topic.name, number) for number in topic.partitions])
        for partition, (first, _) in bounds.items():
            with warehouse.transaction(f"audit {partition}") as cursor:
                raw = _Raw.of(
                    cursor, wanted[topic.name], partition, ledger.get(partition), before.get(partition), first
                )
            rows += raw.rows
            found += _findings(kafka, partition, raw, first)
    _write_down(found, at, warehouse)
    return Audited(tuple(found), rows)


def _findings(kafka: Kafka, partition: Partition, raw: _Raw, first: int) -> list[Finding]:
    expired, checkable = findings.split_at(raw.holes, first)
    bad = [
        *findings.gaps(partition, _missing(kafka, partition, checkable), raw.rejected),
        *findings.duplicates(partition, raw.doubled),
    ]
    right = [Finding(partition, CHECKED, raw.start, raw.end - 1, raw.rows)] if raw.end and not bad else []
    return [*bad, *findings.unknown(partition, expired), *right]


@dataclass(frozen=True)
class _Raw:
    """What raw has of one partition, from `start` on and before `end`; `rows` counts all before `end`."""

    start: int
    end: int
    rows: int
    holes: tuple[Hole, ...]
    doubled: tuple[tuple[int, int], ...]
    rejected: frozenset[int]

    @classmethod
    def of(
        cls,
        cursor: Cursor,
        target: Target,
        partition: Partition,
        position: Position | None,
        before: Checked | None,
        kept_from: int,
    ) -> _Raw:
        places = f"SELECT {KAFKA_PARTITION} AS P, {KAFKA_OFFSET} AS O FROM {target.table}"
        number = partition.number
        cursor.execute(
            f"SELECT COUNT(*), MIN(O), MAX(O), COUNT_IF(O <= ?) FROM ({places}) AS r WHERE P = ? AND O < ?",
            (before.end if before else -1, number, position.next_offset if position else 2**62),
        )
        ((rows, lowest, highest, rows_before),) = cursor.fetchall()
        end = position.next_offset if position else (0 if highest is None else int(highest) + 1)
        start = findings.begin(before, int(rows_before or 0))
        if start is None:  # raw begins where it begins; Kafka's records from there on are owed
            start = min(kept_from, end) if lowest is None else min(int(lowest), kept_from)
        return cls(
            start=start,
            end=end,
            rows=int(rows),
            holes=tuple(_holes(cursor, places, number, start, end)),
            doubled=tuple(_doubled(cursor, places, number, start, end)),
            rejected=_rejected(cursor, partition, start),
        )


def _holes(cursor: Cursor, places: str, number: int, start: int, end: int) -> Iterator[Hole]:
    """The offsets from `start` on and before `end` that have no row."""
    cursor.execute(
        f"""
        SELECT O + 1, N FROM (
            SELECT O, LEAD(O, 1, ?) OVER (ORDER BY O) AS N
            FROM (
                SELECT O FROM ({places}) AS r WHERE P = ? AND O >= ? AND O < ?
                UNION ALL
                SELECT ? AS O
            ) AS all_places
        ) AS neighbours
        WHERE N > O + 1
        ORDER BY 1
        """,
        (end, number, start, end, start - 1),
    )
    yield from ((int(hole_start), int(hole_end)) for hole_start, hole_end in cursor.fetchall())


def _doubled(cursor: Cursor, places: str, number: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    cursor.execute(
        f"SELECT O, COUNT(*) - 1 FROM ({places}) AS r WHERE P = ? AND O >= ? AND O < ? "
        "GROUP BY O HAVING COUNT(*) > 1 ORDER BY O",
        (number, start, end),
    )
    yield from ((int(offset), int(times)) for offset, times in cursor.fetchall())


def _rejected(cursor: Cursor, partition: Partition, start: int) -> frozenset[int]:
    cursor.execute(
        f"SELECT ROW_NUMBER FROM {REJECTS} WHERE FILE = ? AND ROW_NUMBER >= ?", (f"kafka://{partition}", start)
    )
    return frozenset(int(offset) for (offset,) in cursor.fetchall())


def _missing(kafka: Kafka, partition: Partition, holes: Sequence[Hole]) -> Iterator[int]:
    """The offsets in the holes at which Kafka has a committed record. Holes that are near are read in one go."""
    stretch: list[Hole] = []
    for hole in holes:
        if stretch and hole[0] - stretch[-1][1] > FAR:
            yield from _records_in(kafka, partition, stretch)
            stretch = []
        stretch.append(hole)
    if stretch:
        yield from _records_in(kafka, partition, stretch)


def _records_in(kafka: Kafka, partition: Partition, holes: Sequence[Hole]) -> Iterator[int]:
    waiting = iter(holes)
    start, end = next(waiting)
    for _, records in read(kafka, OffsetRange(partition, start, holes[-1][1])):
        for record in records:
            while record.offset >= end:
                following = next(waiting, None)
                if following is None:
                    return
                start, end = following
            if record.offset >= start:
                yield record.offset


def _before(warehouse: LoaderWarehouse) -> dict[Partition, Checked]:
    """The newest line of each partition that says that all was right, unless a newer audit found otherwise."""
    with warehouse.transaction("read the audits before") as cursor:
        cursor.execute(
            f"""
            SELECT TOPIC, KAFKA_PARTITION, TO_OFFSET, RECORDS FROM (
                SELECT
                    TOPIC, KAFKA_PARTITION, FINDING, TO_OFFSET, RECORDS,
                    ROW_NUMBER() OVER (PARTITION BY TOPIC, KAFKA_PARTITION ORDER BY AUDITED_AT DESC, FINDING) AS NEWEST
                FROM {AUDITS} WHERE FINDING <> 'unknown'
            ) AS audits
            WHERE NEWEST = 1 AND FINDING = '{CHECKED}'
            """
        )
        return {Partition(t, int(p)): Checked(int(end), int(rows)) for t, p, end, rows in cursor.fetchall()}


def _write_down(found: Sequence[Finding], at: datetime, warehouse: LoaderWarehouse) -> None:
    if not found:
        return
    with warehouse.transaction("write down what the audit found") as cursor:
        cursor.executemany(
            f"INSERT INTO {AUDITS} "
            "(AUDITED_AT, TOPIC, KAFKA_PARTITION, FINDING, FROM_OFFSET, TO_OFFSET, RECORDS, DETAIL) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (sql_time(at), f.partition.topic, f.partition.number, f.kind, f.start, f.end, f.records, str(f))
                for f in found
            ],
        )
