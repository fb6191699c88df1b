"""RAW.CATCHMENT.OFFSETS: how far each partition is loaded. Changed in the transaction of the rows, by comparison.

Two loaders never duplicate rows: an advance names the offset that it starts from, and the second one finds another
offset. A loader that was frozen until its transaction was ended by someone else commits nothing: the last statement
before COMMIT checks its own advance, which was rolled back with the transaction (see `Advanced.verify`). If it was
ended after that, COMMIT has nothing to do, and the next advance, or the next check of the ledger, notices.

`OTHER_LOADER` is the other process that moved a partition last, and `OTHER_AT` when: of two that take turns, one would
else leave no trace for the health check.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from catchment.cdc.loader.batch import Advance, Partition
from catchment.errors import CatchmentError
from catchment.warehouse.ledger import sql_time
from catchment.warehouse.names import OFFSETS
from catchment.warehouse.session import Cursor

_READ = f"SELECT TOPIC, KAFKA_PARTITION, NEXT_OFFSET, TOPIC_ID FROM {OFFSETS}"

_ADVANCE = f"""
MERGE INTO {OFFSETS} AS o
USING (
    SELECT
        VALUE:topic::VARCHAR AS TOPIC,
        VALUE:partition::NUMBER AS KAFKA_PARTITION,
        VALUE:before::NUMBER AS OFFSET_BEFORE,
        VALUE:after::NUMBER AS OFFSET_AFTER,
        VALUE:id::VARCHAR AS TOPIC_ID
    FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?)))
) AS a
ON o.TOPIC = a.TOPIC AND o.KAFKA_PARTITION = a.KAFKA_PARTITION
WHEN MATCHED AND o.NEXT_OFFSET = a.OFFSET_BEFORE THEN
    UPDATE SET
        NEXT_OFFSET = a.OFFSET_AFTER,
        OTHER_LOADER = IFF(STARTSWITH(o.LOADER, ?), o.OTHER_LOADER, o.LOADER),
        OTHER_AT = IFF(STARTSWITH(o.LOADER, ?), o.OTHER_AT, o.UPDATED_AT),
        LOADER = ?,
        UPDATED_AT = CAST(? AS TIMESTAMP_NTZ)
WHEN NOT MATCHED AND a.OFFSET_BEFORE IS NULL THEN
    INSERT (TOPIC, KAFKA_PARTITION, NEXT_OFFSET, LOADER, UPDATED_AT, TOPIC_ID)
    VALUES (a.TOPIC, a.KAFKA_PARTITION, a.OFFSET_AFTER, ?, CAST(? AS TIMESTAMP_NTZ), a.TOPIC_ID)
"""

_MINE = f"SELECT COUNT(*) FROM {OFFSETS} WHERE LOADER = ?"


class LostRace(CatchmentError):
    """Another loader moved the offsets first, or this one's transaction was ended. Nothing of it was committed."""


@dataclass(frozen=True)
class Position:
    """A partition's place in the ledger; `topic_id` is Kafka's id of the topic that it was read from."""

    next_offset: int
    topic_id: str | None


def read(cursor: Cursor) -> dict[Partition, Position]:
    """The ledger."""
    cursor.execute(_READ)
    return {
        Partition(topic, int(partition)): Position(int(offset), topic_id)
        for topic, partition, offset, topic_id in cursor.fetchall()
    }


@dataclass(frozen=True)
class Advanced:
    """An advance of some partitions inside a transaction, under a name that no other has."""

    cursor: Cursor
    name: str
    count: int

    def verify(self) -> None:
        """Raise `LostRace` unless the advance is still in this transaction."""
        self.cursor.execute(_MINE, (self.name,))
        ((found,),) = self.cursor.fetchall()
        if int(found) != self.count:
            raise LostRace("the transaction was ended by someone else while it ran")


def advance(
    cursor: Cursor, advances: Sequence[Advance], topic_ids: dict[str, str], name: str, at: datetime
) -> Advanced:
    """Move the partitions on, all or none. `name` is a process and what is new with every call. Raises `LostRace`."""
    changes = [
        {
            "topic": a.partition.topic,
            "partition": a.partition.number,
            "after": a.after,
            **({} if a.before is None else {"before": a.before}),
            **({"id": topic_ids[a.partition.topic]} if a.partition.topic in topic_ids else {}),
        }
        for a in advances
    ]
    updated_at, process = sql_time(at), f"{name.rpartition(' ')[0]} "
    cursor.execute(_ADVANCE, (json.dumps(changes), process, process, name, updated_at, name, updated_at))
    ((inserted, updated),) = cursor.fetchall()
    if int(inserted) + int(updated) != len(advances):
        raise LostRace(
            f"{len(advances) - int(inserted) - int(updated)} of {len(advances)} partitions were moved by another loader"
        )
    return Advanced(cursor, name, len(advances))
