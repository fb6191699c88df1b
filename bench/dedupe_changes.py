"""A local warehouse for the dedupe bench, and changes of `events` put into its raw table as the loader would."""

# ruff: noqa: S608 (names of tables are declared names)
from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

import snowflake.connector

from catchment.sources import SOURCES
from catchment.warehouse.provision import Settings, apply, render
from local.cdc.stack import free_ports

ROOT = Path(__file__).parents[1]
TABLE = "RAW.APPLICATION.S0_EVENTS"
STEPS = ("databases", "schemas", "ledger", "cdc_ledger", "cdc_raw_tables", "cdc_watermarks")
PARTITIONS = 3
AT_A_TIME = 245_760  # changes in one statement: whole row groups of DuckDB
MOMENT = "2026-11-20T00:00:00.000000Z"


class LocalWarehouse:
    """The server on a data directory, with the objects that the model needs."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_ports().warehouse

    def __enter__(self) -> Self:
        python = ROOT / ".venv-warehouse" / "bin" / "python"
        command = [str(python), "-m", "local.warehouse", "--port", str(self.port), "--data", str(self.data)]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2).close()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(
                        "the local warehouse does not answer; run `make install`, then try again"
                    ) from None
                time.sleep(0.2)
        with self.connect() as connection:
            apply(connection, [s for s in render(Settings(), SOURCES.values()) if s.step in STEPS])
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(120)

    def connect(self) -> snowflake.connector.SnowflakeConnection:
        return snowflake.connector.connect(
            user="bench",
            password="bench",
            account="local",
            host="127.0.0.1",
            port=self.port,
            protocol="http",
            session_parameters={"CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False},
        )

    def run(self, sql: str) -> None:
        with self.connect() as connection:
            connection.cursor().execute(sql)

    def environment(self) -> dict[str, str]:
        """What dbt's profile reads."""
        return {
            "SNOWFLAKE_ACCOUNT": "local",
            "SNOWFLAKE_USER": "bench",
            "SNOWFLAKE_PASSWORD": "bench",
            "SNOWFLAKE_HOST": "127.0.0.1",
            "SNOWFLAKE_PORT": str(self.port),
            "SNOWFLAKE_PROTOCOL": "http",
            "SNOWFLAKE_INSECURE_MODE": "true",
            "SNOWFLAKE_CONNECT_RETRIES": "0",
            "SNOWFLAKE_RETRY_ON_DATABASE_ERRORS": "false",
        }


def load_rows(warehouse: LocalWarehouse, rows: int, *, after: int) -> None:
    """A snapshot: every row of the table once, as offsets that follow `after` changes."""
    warehouse.run(_insert("r", rows, start=after, key=f"n - {after}"))


def load_history(warehouse: LocalWarehouse, changes: int, *, rows: int) -> None:
    """The changes before the snapshot, in their place: before it, on disk as well."""
    keep = f"{TABLE}_KEPT"
    warehouse.run(f"CREATE TABLE {keep} AS SELECT * FROM {TABLE}")
    warehouse.run(f"DELETE FROM {TABLE}")
    for start in range(0, changes, AT_A_TIME):
        warehouse.run(_insert("u", min(AT_A_TIME, changes - start), start=start, key=f"mod(n * 7919, {rows})"))
    warehouse.run(f"INSERT INTO {TABLE} SELECT * FROM {keep}")
    warehouse.run(f"DROP TABLE {keep}")


def load_batch(warehouse: LocalWarehouse, changes: int, *, rows: int, after: int) -> None:
    """New changes of keys all over the table."""
    warehouse.run(_insert("u", changes, start=after, key=f"mod(n * 104729, {rows})"))


def _insert(op: str, changes: int, *, start: int, key: str) -> str:
    """Changes number `start` and following: three partitions in turn, one transaction a change."""
    after = {"id": "@id", "account_id": 7, "user_id": None, "name": "page_viewed", "properties": '{"n": @n}'}
    after |= {"duration_ms": 1.5, "body": "x" * 60, "occurred_at": MOMENT, "received_at": MOMENT}
    source = {"ts_ms": 1795418453397, "snapshot": "false", "sequence": '["@n00","@n08"]', "txId": "@n", "lsn": "@n08"}
    metadata = {"topic": "s0.public.events", "partition": "@p", "offset": "@o", "key": {"id": "@id"}}
    return f"""
    INSERT INTO {TABLE} (RECORD_CONTENT, RECORD_METADATA, KAFKA_PARTITION, KAFKA_OFFSET, LOADED_AT)
    SELECT
        PARSE_JSON(REPLACE(REPLACE({_literal({"before": None, "after": after, "source": source, "op": op})},
            '@id', id::VARCHAR), '@n', (n + 1)::VARCHAR)),
        PARSE_JSON(REPLACE(REPLACE(REPLACE({_literal(metadata)}, '@id', id::VARCHAR),
            '@p', mod(n, {PARTITIONS})::VARCHAR), '@o', FLOOR(n / {PARTITIONS})::NUMBER::VARCHAR)),
        mod(n, {PARTITIONS}),
        FLOOR(n / {PARTITIONS})::NUMBER,
        '2026-11-23 12:00:00'::TIMESTAMP_NTZ
    FROM (
        SELECT n, {key} AS id
        FROM (SELECT ROW_NUMBER() OVER (ORDER BY NULL) - 1 + {start} AS n FROM TABLE(GENERATOR(ROWCOUNT => {changes})))
    )
    """


def _literal(record: dict[str, Any]) -> str:
    """A record as SQL text, with @id, @n, @p and @o where numbers will be."""
    text = json.dumps(record, separators=(",", ":"))
    for mark in ('"@id"', '"@n"', '"@n08"', '"@p"', '"@o"'):
        text = text.replace(f":{mark}", f":{mark[1:-1]}")
    return "'" + text.replace("\\", "\\\\") + "'"
