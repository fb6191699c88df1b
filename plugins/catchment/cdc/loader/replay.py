"""Replay: load a range of Kafka offsets into raw again, replacing the rows that are there.

Each slice is one transaction: the range's rows and rejects are deleted, what Kafka has is inserted, and dbt's watermark
goes back to the slice's start, so that the current state takes it in. The loader's own offsets never move, and nothing
beyond them is touched, so the loader can keep running.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from catchment.cdc.loader.batch import KafkaBatch, Partition
from catchment.cdc.loader.kafka import Kafka, KafkaUnavailable
from catchment.cdc.loader.ranges import Known, OffsetRange, ReplayRequest, ranges
from catchment.cdc.loader.rows import Record
from catchment.cdc.loader.warehouse import LoaderWarehouse
from catchment.cdc.loader.write import Target, Write, Writer, by_line_if_refused
from catchment.errors import NeedsPerson, WarehouseUnavailable
from catchment.warehouse.ledger import sql_time
from catchment.warehouse.names import KAFKA_OFFSET, KAFKA_PARTITION, REJECTS, WATERMARKS
from catchment.warehouse.session import Cursor

SLICE_ROWS = 50_000
SLICE_BYTES = 64_000_000
STALL_SECONDS = 30.0  # without a record or progress

# Rows of our loader have typed columns, rows of Snowflake's sink only their metadata.
_OURS = "KAFKA_PARTITION = ? AND KAFKA_OFFSET >= ? AND KAFKA_OFFSET < ?"
_SINKS = (
    "KAFKA_OFFSET IS NULL AND RECORD_METADATA:partition::NUMBER = ? "
    "AND RECORD_METADATA:offset::NUMBER >= ? AND RECORD_METADATA:offset::NUMBER < ?"
)


@dataclass(frozen=True)
class Replayed:
    """What a replay did to one range: rows before and after, and the records that are among the rejects."""

    range: OffsetRange
    before: int
    after: int
    rejected: int

    def __str__(self) -> str:
        return f"{self.range}: {self.before} rows before, {self.after} after, {self.rejected} rejected"


def plan(request: ReplayRequest, target: Target, kafka: Kafka, warehouse: LoaderWarehouse) -> tuple[OffsetRange, ...]:
    """The ranges that a replay would load again. Raises NeedsPerson when it is not possible."""
    topic = kafka.topics([request.topic]).get(request.topic)
    if topic is None:
        raise NeedsPerson(f"Kafka has no topic {request.topic}: there is nothing to replay from.")
    if strangers := set(request.partitions) - set(topic.partitions):
        raise NeedsPerson(f"{request.topic} has the partitions {topic.partitions}, not {sorted(strangers)}.")
    partitions = [Partition(topic.name, n) for n in request.partitions or topic.partitions]
    bounds = kafka.bounds(partitions)
    if unknown := set(partitions) - bounds.keys():
        raise KafkaUnavailable(f"Kafka does not say which offsets it has of {', '.join(map(str, unknown))}: try again.")
    loaded = _loaded(partitions, target, warehouse)
    nothing: dict[Partition, int | None] = {}
    at_from = kafka.offsets_at(partitions, request.from_time) if request.from_time else nothing
    at_to = kafka.offsets_at(partitions, request.to_time) if request.to_time else nothing
    return ranges(request, {p: Known(bounds[p][0], loaded[p], at_from.get(p), at_to.get(p)) for p in partitions})


def count(found: OffsetRange, target: Target, warehouse: LoaderWarehouse) -> int:
    """How many rows raw has of a range."""
    with warehouse.transaction(f"count rows of {found.partition}") as cursor:
        return _count(cursor, target, found, None)[0]


def replay(
    found: OffsetRange, target: Target, kafka: Kafka, warehouse: LoaderWarehouse, report: Callable[[Replayed], None]
) -> Replayed:
    """Replay a range, slice by slice; each slice is `report`ed when it is committed. Idempotent."""
    before = after = rejected = 0
    for part, batch in _slices(found, kafka):
        done = by_line_if_refused(partial(_replace, part, batch, target, warehouse), str(part))
        report(done)
        before, after, rejected = before + done.before, after + done.after, rejected + done.rejected
    return Replayed(found, before, after, rejected)


def _slices(found: OffsetRange, kafka: Kafka) -> Iterator[tuple[OffsetRange, KafkaBatch]]:
    """The records of a range, with the part of it that they are all of."""
    start, batch = found.start, KafkaBatch()
    for reached, records in read(kafka, found):
        batch.add(found.partition, records)
        if batch.rows >= SLICE_ROWS or batch.size >= SLICE_BYTES:
            yield OffsetRange(found.partition, start, reached), batch
            start, batch = reached, KafkaBatch()
    if start < found.end:
        yield OffsetRange(found.partition, start, found.end), batch


def read(kafka: Kafka, found: OffsetRange) -> Iterator[tuple[int, list[Record]]]:
    """A range's records as Kafka gives them, each time with the offset before which all have been given."""
    kafka.assign({found.partition: found.start})
    reached, moved_at = found.start, time.monotonic()
    while reached < found.end:
        records = kafka.poll(1.0).get(found.partition, [])
        position = min(kafka.position(found.partition), found.end)
        if position > reached:
            reached, moved_at = position, time.monotonic()
            yield reached, [record for record in records if record.offset < found.end]
        elif time.monotonic() - moved_at > STALL_SECONDS:
            raise KafkaUnavailable(
                f"Kafka gave nothing of {found.partition} after offset {reached} for {STALL_SECONDS:.0f} s: try again."
            )


def _replace(
    part: OffsetRange, batch: KafkaBatch, target: Target, warehouse: LoaderWarehouse, write: Write
) -> Replayed:
    at = datetime.now(UTC)
    number, start, end = part.partition.number, part.start, part.end
    with warehouse.transaction(f"replay {part}") as cursor:
        before, _ = _count(cursor, target, part, None)
        for condition in (_OURS, _SINKS):
            cursor.execute(f"DELETE FROM {target.table} WHERE {condition}", (number, start, end))
        cursor.execute(
            f"DELETE FROM {REJECTS} WHERE FILE = ? AND ROW_NUMBER >= ? AND ROW_NUMBER < ?",
            (f"kafka://{part.partition}", start, end),
        )
        refused = write(Writer(cursor, {target.topic: target}, warehouse.folder, at), batch.topics, batch.rejects)
        cursor.execute(
            f"UPDATE {WATERMARKS} SET NEXT_OFFSET = ? WHERE TOPIC = ? AND KAFKA_PARTITION = ? AND NEXT_OFFSET > ?",
            (start, target.topic, number, start),
        )
        after, ours = _count(cursor, target, part, at)
        if after != ours or not batch.rows - len(refused) <= after <= batch.rows:  # a refused row may leave its key
            raise WarehouseUnavailable(
                f"The transaction that replays {part} was ended by someone else: nothing of it counts; try again."
            )
    return Replayed(part, before, after, len(batch.rejects) + len(refused))


def _count(cursor: Cursor, target: Target, part: OffsetRange, at: datetime | None) -> tuple[int, int]:
    """The rows that raw has of a range, and those of them that were loaded at `at`."""
    place = (part.partition.number, part.start, part.end)
    cursor.execute(
        f"SELECT COUNT(*), COUNT_IF(LOADED_AT = CAST(? AS TIMESTAMP_NTZ)) FROM {target.table} WHERE {_OURS}",
        (sql_time(at), *place),
    )
    ((ours, now),) = cursor.fetchall()
    cursor.execute(f"SELECT COUNT(*) FROM {target.table} WHERE {_SINKS}", place)
    ((sinks,),) = cursor.fetchall()
    return int(ours) + int(sinks), int(now or 0)


def _loaded(partitions: list[Partition], target: Target, warehouse: LoaderWarehouse) -> dict[Partition, int]:
    """The next offset that is not loaded: the loader's, or what follows the newest row where the sink loads."""
    ledger = warehouse.ledger()
    with warehouse.transaction("ask for the newest rows") as cursor:
        cursor.execute(f"SELECT {KAFKA_PARTITION}, MAX({KAFKA_OFFSET}) FROM {target.table} GROUP BY 1")
        newest = {int(number): int(offset) for number, offset in cursor.fetchall()}
    return {p: ledger[p].next_offset if p in ledger else newest.get(p.number, -1) + 1 for p in partitions}
