"""Facts of the warehouse: pauses, how far raw is and by whom, epochs.

The statements are always the same text, so that Snowflake answers them from its result cache while nothing has changed:
then a run wakes no warehouse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from catchment.cdc.connectors import pauses
from catchment.cdc.connectors.pauses import Pause
from catchment.cdc.health import records
from catchment.cdc.health.history import History
from catchment.cdc.loader.batch import Partition
from catchment.cdc.systems import warehouse_session
from catchment.connection import Connection
from catchment.warehouse import session
from catchment.warehouse.names import EPOCHS, OFFSETS

_LEDGER = f"""
SELECT TOPIC, KAFKA_PARTITION, NEXT_OFFSET, TOPIC_ID, LOADER, UPDATED_AT, OTHER_LOADER, OTHER_AT FROM {OFFSETS}
"""
_EPOCHS = f"SELECT SHARD, MAX(STARTED_AT) FROM {EPOCHS} GROUP BY SHARD"


@dataclass(frozen=True)
class WarehouseFacts:
    """`history` only where it was asked for."""

    pauses: Mapping[str, Pause]
    loaded: Mapping[Partition, int]
    topic_ids: Mapping[str, str]
    loaders: Mapping[str, datetime]
    epochs: Mapping[str, datetime]
    history: History | None = None


def warehouse_facts(connection: Connection, *, query_tag: str, with_history: bool) -> WarehouseFacts:
    with warehouse_session(connection, query_tag=query_tag, doing="read pauses, ledger and epochs") as opened:
        return _read(opened.cursor(), with_history)


def _read(cursor: session.Cursor, with_history: bool) -> WarehouseFacts:
    history = records.read(cursor) if with_history else None
    paused = pauses.newest(cursor)
    cursor.execute(_LEDGER)
    ledger = list(cursor.fetchall())
    cursor.execute(_EPOCHS)
    epochs = {shard: at.replace(tzinfo=UTC) for shard, at in cursor.fetchall()}
    loaders: dict[str, datetime] = {}
    for *_, loader, at, other, other_at in ledger:
        for token, moved_at in ((loader, at), (other, other_at)):
            if token:
                name = str(token).rpartition(" ")[0]  # the process, without its session and transaction
                moved_at = moved_at.replace(tzinfo=UTC)
                loaders[name] = max(loaders.get(name, moved_at), moved_at)
    return WarehouseFacts(
        pauses=paused,
        loaded={Partition(topic, int(number)): int(offset) for topic, number, offset, *_ in ledger},
        topic_ids={topic: str(id_) for topic, _, _, id_, *_ in ledger if id_},
        loaders=loaders,
        epochs=epochs,
        history=history,
    )
