"""Facts of one shard: its slot, heartbeat, clock, signals, and its catalog. Cheap queries of a bounded time each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from catchment.cdc import shard as database
from catchment.cdc.declared import HEARTBEAT, SIGNALS, Shard
from catchment.cdc.health.facts import ShardFacts, Slot, SnapshotSignal, Unknown, known
from catchment.cdc.setup import catalog
from catchment.connection import Connection

T = TypeVar("T")
LATE = 60.0  # seconds after which a heartbeat of our own asks why Debezium's does not come

_SLOT = """
SELECT pg_wal_lsn_diff(w.now, '0/0')::bigint, s.slot_name, s.active, s.wal_status,
    pg_wal_lsn_diff(s.confirmed_flush_lsn, '0/0')::bigint,
    greatest(pg_wal_lsn_diff(w.now, coalesce(s.restart_lsn, s.confirmed_flush_lsn)), 0)::bigint, s.safe_wal_size,
    coalesce(c.total_txns, 0), concat_ws(' ', c.stats_reset, (SELECT stats_reset FROM pg_stat_bgwriter)),
    extract(epoch FROM clock_timestamp())::float
FROM (SELECT pg_current_wal_lsn() AS now) w
LEFT JOIN pg_replication_slots s ON s.slot_name = %s
LEFT JOIN pg_stat_replication_slots c ON c.slot_name = s.slot_name
"""
_PUBLISHED = """
SELECT p.pubname, t.schemaname || '.' || t.tablename
FROM pg_publication p LEFT JOIN pg_publication_tables t USING (pubname) WHERE p.pubname = %s
"""
_HEARTBEAT = f"SELECT extract(epoch FROM clock_timestamp() - ts)::float, n FROM {HEARTBEAT} WHERE id = 1"
_BEAT = f"UPDATE {HEARTBEAT} SET ts = ts WHERE id = 1"
# A sort that does not fit its memory writes a file of some 400 kB: where the disk is full that fails, long before
# heartbeats do, which need no new page. It changes nothing and is in no log.
_SPILL = (
    "SET work_mem = '64kB'",
    "SELECT count(*) FROM (SELECT md5(g::text) AS t FROM generate_series(1, 6000) AS g ORDER BY t) AS sorted",
)
_SIGNALS = f"SELECT id, data FROM {SIGNALS} WHERE type = 'execute-snapshot' ORDER BY id"


def shard_facts(shard: Shard, connection: Connection) -> ShardFacts:
    """What the database says. Without a session it raises; each question on the session may fail by itself."""
    with database.opened(connection) as opened:

        def asked(ask: Callable[[], T]) -> T | Unknown:
            return known(database.explained(connection)(ask))

        wal, slot, clock = _slot(opened, shard)
        beat = asked(lambda: _heartbeat(opened))
        heartbeat, beats = beat if isinstance(beat, tuple) else (beat, None)
        late = isinstance(heartbeat, float) and heartbeat > LATE
        refused = asked(lambda: [database.rows(opened, sql) for sql in (*_SPILL, *([_BEAT] if late else []))])
        return ShardFacts(
            wal=wal,
            slot=slot,
            unpublished=asked(lambda: _unpublished(opened, shard)),
            heartbeat=heartbeat,
            beats=beats,
            clock=clock,
            write_refused=refused.because if isinstance(refused, Unknown) else "",
            signals=asked(lambda: _signals(opened)),
            catalog=asked(lambda: catalog.read(opened, shard, shard.tables, role=connection.login)),
        )


def _slot(opened: Any, shard: Shard) -> tuple[int, Slot | None, float]:
    before = time.time()
    found = database.rows(opened, _SLOT, (shard.slot,))[0]
    wal, name, active, status, flush, held, safe, decoded, counted, now = found
    slot = None if name is None else Slot(active, status or "", flush or 0, held or 0, safe, decoded, counted)
    return wal, slot, now - (before + time.time()) / 2


def _unpublished(opened: Any, shard: Shard) -> tuple[str, ...] | None:
    published = database.rows(opened, _PUBLISHED, (shard.of.publication,))
    names = {table for _, table in published}
    wanted = [f"{shard.of.schema}.{table.name}" for table in shard.tables] + [HEARTBEAT, SIGNALS]
    return tuple(name for name in wanted if name not in names) if published else None


def _heartbeat(opened: Any) -> tuple[float, int] | None:
    found = database.rows(opened, _HEARTBEAT)
    return (float(found[0][0]), int(found[0][1])) if found and found[0][0] is not None else None


def _signals(opened: Any) -> tuple[SnapshotSignal, ...]:
    """Signals as people write them; one that is not JSON asks for nothing, and Debezium logs so."""
    found = []
    for id_, data in database.rows(opened, _SIGNALS):
        signal = SnapshotSignal(id_, ())
        with suppress(ValueError, AttributeError, TypeError):
            asked = json.loads(data or "{}")
            tables = tuple(map(str, asked.get("data-collections", ())))
            signal = SnapshotSignal(id_, tables, "additional-conditions" in asked)
        found.append(signal)
    return tuple(found)
