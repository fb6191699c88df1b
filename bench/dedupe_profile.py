"""Runs in the local warehouse's environment: dbt's statements for one model, and the peer's, under DuckDB's profiler.

python -m bench.dedupe_profile <data> <raw table> <compiled model> <what dbt ran>
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fakesnow.dialect import parse_one

from local.warehouse import patches
from local.warehouse.storage import open_storage

TARGET = "ANALYTICS.STAGING.STG_APPLICATION__EVENTS"
TIMES = 5
NAIVE = """
CREATE OR REPLACE TABLE ANALYTICS.STAGING.PEER AS
SELECT RECORD_METADATA:"key":"id"::NUMBER AS ID, RECORD_CONTENT:"after" AS NOW
FROM {raw}
WHERE RECORD_CONTENT IS NOT NULL
QUALIFY ROW_NUMBER() OVER (
    PARTITION BY RECORD_METADATA:"key":"id"::NUMBER
    ORDER BY RECORD_CONTENT:"source":"lsn"::NUMBER DESC, KAFKA_OFFSET DESC
) = 1
"""


def main() -> None:
    data, raw, compiled, ran = sys.argv[1:]
    patches.apply_all()
    warehouse = open_storage(Path(data))
    cursor = warehouse.connect().cursor()
    duck = cursor._duck_conn
    batch = f"CREATE OR REPLACE TABLE {TARGET}__DBT_TMP AS (\n{Path(compiled).read_text()}\n)"
    merge = re.search(r"merge into.*?(?=;\s*commit|\Z)", Path(ran).read_text(), re.S | re.I)
    if merge is None:
        raise SystemExit(f"{ran} has no MERGE: the model was built in full, not added to")
    ours = [_translated(cursor, sql) for sql in (batch, merge[0])]
    peer = [_translated(cursor, NAIVE.format(raw=raw))]
    mine = [_profile(duck, ours) for _ in range(TIMES)]
    theirs = [_profile(duck, peer) for _ in range(TIMES)]
    print(
        json.dumps(
            {
                "rows_scanned": mine[0][0],
                "seconds": round(min(seconds for _, seconds, _ in mine), 4),
                "cpu_seconds": round(min(cpu for _, _, cpu in mine), 4),
                "peer_rows_scanned": theirs[0][0],
                "peer_seconds": round(min(seconds for _, seconds, _ in theirs), 4),
                "peer_cpu_seconds": round(min(cpu for _, _, cpu in theirs), 4),
            }
        )
    )
    warehouse.close()


def _translated(cursor: Any, sql: str) -> str:
    """A Snowflake statement as the local warehouse gives it to DuckDB."""
    translated: str = cursor._transform(parse_one(sql), None).sql(dialect="duckdb")
    return translated


def _profile(duck: Any, statements: list[str]) -> tuple[int, float, float]:
    """Rows scanned, seconds and seconds of CPU, over all statements."""
    rows, seconds, cpu = 0, 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "profile.json"
        duck.execute("PRAGMA enable_profiling='json'")
        duck.execute(f"SET profiling_output='{output}'")
        for sql in statements:
            started = time.process_time()
            duck.execute(sql)
            cpu += time.process_time() - started
            query = json.loads(output.read_text())["query"]
            rows += query["total_rows_scanned"]
            seconds += query["total_time"]
        duck.execute("PRAGMA disable_profiling")
    return rows, seconds, cpu


if __name__ == "__main__":
    main()
