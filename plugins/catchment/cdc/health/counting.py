"""Count what snapshots brought, apart from the health check: counting a large table takes minutes, acting must not.

The check leaves its questions in the memory; this answers them one after another, each within a limit, and leaves the
answers there for the next check. A count that fails is an answer, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from catchment.cdc import shard as database
from catchment.cdc.declared import Shard, Table
from catchment.cdc.health.facts import SnapshotCount, Unknown, known
from catchment.cdc.health.memory import Memory, load_counts, load_questions, save_counts
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


def count(
    systems: Systems,
    memory: Memory,
    *,
    seconds: float = 600,
    limit: int = LIMIT,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[str]:
    """Answer the last check's questions, those that failed least first. One sentence for each.

    Args:
        seconds: after so long no further question is begun; the others are next time's.
        limit: seconds for one count.
    """
    questions = load_questions(memory)
    earlier = {_key(count): count for count in load_counts(memory)}
    wanted = {(q["shard"], q["table"], q["signal"]): q for q in questions}
    answers = {key: count for key, count in earlier.items() if key in wanted}
    deadline = time.monotonic() + seconds
    for key in sorted(wanted, key=lambda key: answers[key].failures if key in answers else 0):
        if time.monotonic() > deadline:
            break
        shard = systems.application.shard(key[0])
        table = shard.table(key[1])
        found = known(partial(_count, systems, shard, table, wanted[key]["since"], limit))
        if isinstance(found, Unknown):
            failures = 1 + (answers[key].failures if key in answers else 0)
            answers[key] = SnapshotCount(*key, at=clock(), error=found.because, failures=failures)
            yield f"{key[0]}.{key[1]}: not counted, {failures} times in a row: {found.because}"
        else:
            answers[key] = SnapshotCount(*key, *found, at=clock())
            yield f"{key[0]}.{key[1]}: {found[0]:,} rows; raw has seen {found[1]:,} since {key[2]} was asked for"
        save_counts(memory, answers.values())


def _key(count: SnapshotCount) -> tuple[str, str, str]:
    return count.shard, count.table, count.signal


def _count(systems: Systems, shard: Shard, table: Table, since: str, limit: int) -> tuple[int, int]:
    """Both counts; the shard's first, so that a row inserted in between is no shortage."""
    with systems.shard(shard, statement_seconds=limit) as opened:
        rows = int(database.rows(opened, f'SELECT count(*) FROM "{shard.of.schema}"."{table.name}"')[0][0])
    millis = int(datetime.fromisoformat(since).timestamp() * 1000)
    with systems.warehouse() as warehouse:
        cursor: Any = warehouse.cursor()
        cursor.execute(SEEN.format(table=shard.raw_table(table)), (millis,), timeout=limit)
        return rows, int(cursor.fetchone()[0])
