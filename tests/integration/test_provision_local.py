"""Provisioning on the local warehouse: applied twice, after a restart, and with a new stream."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import snowflake.connector
import zstandard
from moto.server import ThreadedMotoServer

from catchment.spec import SourceSpec
from catchment.warehouse.provision import Settings, apply, render
from tests.support.make import stream

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-warehouse" / "bin" / "python"
RECORD = r'{"id": 12345678901234567890, "note": "\\N", "none": null, "space": " x "}'
COPY = """COPY INTO RAW.ZENDESK.TICKETS FROM (
    SELECT $1, OBJECT_CONSTRUCT('file', METADATA$FILENAME), 'b1', '2026-01-01'::TIMESTAMP_NTZ
    FROM @RAW.CATCHMENT.LANDING/landing/zendesk/tickets/b1/
) FILES = ('part-0.jsonl.zst')
FILE_FORMAT = (FORMAT_NAME = 'RAW.CATCHMENT.JSON_LINES') ON_ERROR = CONTINUE FORCE = TRUE"""


def zendesk(*streams: str) -> SourceSpec:
    return SourceSpec(name="zendesk", title="Zendesk", streams=tuple(map(stream, streams)))


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    port = free_port()
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@contextmanager
def warehouse(data: Path, s3: str) -> Iterator[int]:
    """The local warehouse as its own process, until the block ends; yields its port."""
    port = free_port()
    secrets = {"AWS_ENDPOINT_URL": s3, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    process = subprocess.Popen(
        [PYTHON, "-m", "local.warehouse", "--port", str(port), "--data", str(data), "--log-level", "error"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **secrets},
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            assert process.poll() is None, "the local warehouse ended while it started"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def session(port: int) -> Iterator[Any]:
    connection = snowflake.connector.connect(
        user="admin",
        password="any",
        account="local",
        host="127.0.0.1",
        port=port,
        protocol="http",
        session_parameters={"CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False},
    )
    with closing(connection):
        yield connection


def provision(connection: Any, *streams: str, settings: Settings | None = None) -> None:
    apply(connection, render(settings or Settings(), [zendesk(*streams)]))


def rows(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    return list(connection.cursor().execute(sql).fetchall())


def contents(connection: Any) -> dict[str, list[tuple[Any, ...]]]:
    """All that a load could see: columns, stages, formats and rows."""
    columns = (
        "SELECT table_schema, table_name, column_name, data_type, is_nullable FROM RAW.INFORMATION_SCHEMA.COLUMNS"
        " WHERE table_schema IN ('CATCHMENT', 'ZENDESK') ORDER BY table_schema, table_name, ordinal_position"
    )
    return {
        "columns": rows(connection, columns),
        "tickets": rows(connection, "SELECT * FROM RAW.ZENDESK.TICKETS"),
        "rejects": rows(connection, "SELECT * FROM RAW.CATCHMENT.REJECTS"),
    }


def test_applying_twice_changes_nothing(tmp_path: Path, s3: str) -> None:
    with warehouse(tmp_path, s3) as port, session(port) as connection:
        provision(connection, "tickets", "users")
        connection.cursor().execute(
            "INSERT INTO RAW.CATCHMENT.REJECTS SELECT 'b', 'zendesk', 'tickets', 'f', 1, 'bad', '{', '2026-01-01'"
        )
        before = contents(connection)
        provision(connection, "tickets", "users")

        assert contents(connection) == before
        assert len(before["rejects"]) == 1
        assert {"LEDGER", "REJECTS", "TICKETS", "USERS"} <= {row[1] for row in before["columns"]}


def test_an_account_with_everything_set_is_accepted(tmp_path: Path, s3: str) -> None:
    full = Settings(
        storage_integration="CATCHMENT_S3",
        storage_role_arn="arn:aws:iam::123456789012:role/landing",
        service_public_key="MIIB" + "A" * 388,
    )
    with warehouse(tmp_path, s3) as port, session(port) as connection:
        provision(connection, "tickets", settings=full)
        provision(connection, "tickets", settings=full)

        assert rows(connection, "SELECT COUNT(*) FROM RAW.ZENDESK.TICKETS") == [(0,)]


def test_a_new_stream_adds_its_table_and_leaves_the_others(tmp_path: Path, s3: str) -> None:
    with warehouse(tmp_path, s3) as port, session(port) as connection:
        provision(connection, "tickets")
        before = contents(connection)["columns"]
        provision(connection, "tickets", "brands")
        after = contents(connection)["columns"]

        assert set(before) < set(after)
        assert {row[1] for row in set(after) - set(before)} == {"BRANDS"}


def test_after_a_restart_the_landed_files_load_and_keep_every_character(tmp_path: Path, s3: str) -> None:
    bucket = boto3.client(
        "s3", endpoint_url=s3, aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1"
    )
    bucket.create_bucket(Bucket="catchment-landing")
    part = zstandard.compress(f"{RECORD}\n".encode())
    bucket.put_object(Bucket="catchment-landing", Key="landing/zendesk/tickets/b1/part-0.jsonl.zst", Body=part)
    with warehouse(tmp_path, s3) as port, session(port) as connection:
        provision(connection, "tickets")
    with warehouse(tmp_path, s3) as port, session(port) as connection:
        provision(connection, "tickets")
        connection.cursor().execute(COPY)

        values = "record_content:id::VARCHAR, record_content:note::VARCHAR, record_content:space::VARCHAR"
        nulls = "IS_NULL_VALUE(record_content:none), record_metadata:file::VARCHAR"
        assert rows(connection, f"SELECT {values}, {nulls} FROM RAW.ZENDESK.TICKETS") == [
            ("12345678901234567890", "\\N", " x ", True, "landing/zendesk/tickets/b1/part-0.jsonl.zst")
        ]
