"""Count what snapshots brought, apart from the health check: counting a large table takes minutes, acting must not.

The check leaves its questions in the memory; this answers them one after another, each within a limit, and leaves the
answers there for the next check. A count that fails is an answer, too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from catchment.cdc import shard as database
from catchment.cdc.health.facts import Question, SnapshotCount, Unknown, known
from catchment.cdc.health.memory import Memory, load, load_counts, save_counts
from catchment.cdc.systems import Systems

LIMIT = 120  # seconds for each of the two counts of a table
# Keys that raw has seen since a given time and that were not deleted after: a snapshot must have at least as many.
SEEN = """
SELECT COUNT(*) FROM (
    SELECT RECORD_CONTENT:op::VARCHAR AS OP
    FROM {table}
    WHERE RECORD_METADATA:CreateTime::NUMBER >= %s AND RECORD_METADATA:key IS NOT NULL
        AND RECORD_CONTENT:op IS NOT NULL
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY TO_JSON(RECORD_METADATA:key)
        ORDER BY COALESCE(KAFKA_OFFSET, RECORD_METADATA:offset::NUMBER) DESC
    ) = 1
) WHERE OP <> 'd'
"""


def count(systems: Systems, memory: Memory, *, seconds: float = 600) -> Iterator[str]:
    """Answer the last check's questions, those that failed least first. One sentence for each.

    Args:
        seconds: after so long no further question is begun; the others are next time's.
    """
    kept = load(memory)
    wanted = {_key(question): question for question in (kept.questions if kept else ())}
    answers = {_key(count): count for count in load_counts(memory) if _key(count) in wanted}
    failures = {key: answers[key].failures if key in answers else 0 for key in wanted}
    deadline = time.monotonic() + seconds
    for key in sorted(wanted, key=failures.__getitem__):
        if time.monotonic() > deadline:
            break
        shard, table, signal = key
        found = known(partial(_count, systems, wanted[key]))
        if isinstance(found, Unknown):
            times = failures[key] + 1
            answers[key] = SnapshotCount(*key, at=datetime.now(UTC), error=found.because, failures=times)
            yield f"{shard}.{table}: not counted, {times} times in a row: {found.because}"
        else:
            answers[key] = SnapshotCount(*key, *found, at=datetime.now(UTC))
            yield f"{shard}.{table}: {found[0]:,} rows; raw has seen {found[1]:,} since {signal} was asked for"
        save_counts(memory, answers.values())


def _key(of: Question | SnapshotCount) -> tuple[str, str, str]:
    return of.shard, of.table, of.signal


def _count(systems: Systems, asked: Question) -> tuple[int, int]:
    """Both counts; the shard's first, so that a row inserted in between is no shortage."""
    shard = systems.application.shard(asked.shard)
    table = shard.table(asked.table)
    with systems.shard(shard, statement_seconds=LIMIT) as opened:
        rows = int(database.rows(opened, f'SELECT count(*) FROM "{shard.of.schema}"."{table.name}"')[0][0])
    with systems.warehouse() as warehouse:
        cursor: Any = warehouse.cursor()
        millis = int(asked.since.timestamp() * 1000)
        cursor.execute(SEEN.format(table=shard.raw_table(table)), (millis,), timeout=LIMIT)
        return rows, int(cursor.fetchone()[0])
