"""A warehouse server and an S3 server for these tests, each in its own process; every test has its own schema.

Run by the warehouse's environment: `.venv-warehouse/bin/python -m pytest tests/warehouse`. S3 is moto, from `.venv`.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
import snowflake.connector

from tests.warehouse.servers import BUCKET, REPOSITORY, Warehouse, free_port, wait_for


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    port = free_port()
    command = [str(REPOSITORY / ".venv/bin/moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/moto-api/", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def s3(s3_endpoint: str) -> Any:
    client = boto3.client(
        "s3",
        endpoint_url=s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> Iterator[Warehouse]:
    server = Warehouse(tmp_path_factory.mktemp("warehouse"), s3_endpoint)
    server.start()
    with server.connect() as connection:
        connection.cursor().execute("CREATE DATABASE IF NOT EXISTS RAW")
    yield server
    server.stop()


_SCHEMAS = itertools.count(1)


@pytest.fixture
def schema(warehouse: Warehouse) -> str:
    name = f"T{next(_SCHEMAS)}"
    with warehouse.connect(database="RAW") as connection:
        connection.cursor().execute(f"CREATE SCHEMA RAW.{name}")
    return name


@pytest.fixture
def connect(warehouse: Warehouse, schema: str) -> Iterator[Callable[..., snowflake.connector.SnowflakeConnection]]:
    """Opens connections to the test's schema; they are closed after the test."""
    opened = []

    def open_connection(**options: Any) -> snowflake.connector.SnowflakeConnection:
        opened.append(warehouse.connect(**({"database": "RAW", "schema": schema} | options)))
        return opened[-1]

    yield open_connection
    for connection in opened:
        connection.close()


@pytest.fixture
def sql(connect: Callable[..., snowflake.connector.SnowflakeConnection]) -> Callable[..., list[Any]]:
    """Runs one statement on one connection of the test and returns its rows."""
    cursor = connect().cursor()

    def run(statement: str, params: Any = None) -> list[Any]:
        return cursor.execute(statement, params).fetchall()

    return run


@pytest.fixture
def stage(sql: Callable[..., list[Any]], s3: Any, schema: str) -> Callable[[str, bytes], None]:
    """An external stage LANDING with the file format JSON_LINES; call it to put a file there."""
    sql(f"CREATE STAGE LANDING URL='s3://{BUCKET}/{schema}/'")
    sql("CREATE FILE FORMAT JSON_LINES TYPE=JSON")
    sql("CREATE TABLE LOADED (RECORD_CONTENT VARIANT)")

    def put(name: str, body: bytes) -> None:
        s3.put_object(Bucket=BUCKET, Key=f"{schema}/{name}", Body=body)

    return put
