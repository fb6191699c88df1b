"""The real SQL on servers of its own: what a load sends, and what the models' own macros say is current."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pytest
from moto.server import ThreadedMotoServer

from catchment.batch import Batch
from catchment.connection import Connection
from catchment.cursor import CursorState
from catchment.landing import S3Store, read_manifest
from catchment.platform import LANDING_BUCKET, s3_client
from catchment.spec import Current, SourceSpec, Stream
from catchment.warehouse import ledger
from catchment.warehouse.load import Loaded, load
from catchment.warehouse.names import FILES, LEDGER, REJECTS, raw_table
from catchment.warehouse.provision import Settings, apply, render, select
from catchment.warehouse.session import Session, connect
from local.scratch_warehouse import ScratchWarehouse
from local.settings import ROOT
from tests.support.memory_warehouse import Key
from tests.support.store import MemoryStore

MACROS = ROOT / "include" / "dbt" / "macros"
STEPS = ("databases", "schemas", "file_format", "landing_stage", "ledger", "raw_tables")
AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
BOOKKEEPING = (LEDGER, REJECTS, FILES)


@dataclass(frozen=True)
class SqlStack:
    """A session with a warehouse of its own, and an S3 that both see."""

    session: Session
    client: Any
    tables: tuple[str, ...]

    def bucket(self, name: str = LANDING_BUCKET) -> S3Store:
        return S3Store(self.client, name)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        cursor = self.session.cursor()
        try:
            return list(cursor.execute(sql).fetchall())
        finally:
            cursor.close()

    def empty(self) -> None:
        for table in (*BOOKKEEPING, *self.tables):
            self.rows(f"DELETE FROM {table}")


@contextmanager
def sql_stack(folder: Path, spec: SourceSpec, *, more_steps: Collection[str] = ()) -> Iterator[SqlStack]:
    """S3 and a warehouse on free ports, with the tables of `spec`, while the block lasts."""
    s3 = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    s3.start()
    try:
        host, port = s3.get_host_and_port()
        url = f"http://{host}:{port}"
        client = s3_client(
            Connection(
                conn_id="aws_default",
                login=AWS["AWS_ACCESS_KEY_ID"],
                password=AWS["AWS_SECRET_ACCESS_KEY"],
                extra={"endpoint_url": url, "region_name": AWS["AWS_DEFAULT_REGION"]},
            )
        )
        client.create_bucket(Bucket=LANDING_BUCKET)
        with pytest.MonkeyPatch.context() as environment:
            for name, value in {**AWS, "AWS_ENDPOINT_URL": url}.items():
                environment.setenv(name, value)
            with ScratchWarehouse(folder / "warehouse", STEPS) as warehouse:
                with warehouse.connect() as connection:
                    apply(connection, select(render(Settings(), [spec]), (*STEPS, *more_steps)))
                session = connect(_connection(warehouse.port))
                try:
                    tables = tuple(raw_table(spec.name, stream.name) for stream in spec.streams)
                    yield SqlStack(session, client, tables)
                finally:
                    session.close()
    finally:
        s3.stop()


def _connection(port: int) -> Connection:
    extra = {"account": "local", "host": "127.0.0.1", "port": port, "protocol": "http"}
    return Connection(conn_id="snowflake_default", login="scratch", password="scratch", extra=extra)


class SqlWarehouse:
    """Keeps `Loads`: the landing is in memory, where a test can make it fail, and what a load names is copied to S3."""

    def __init__(self, stack: SqlStack, source: str, landing: MemoryStore) -> None:
        self._stack = stack
        self._source = source
        self._landing = landing
        self._current: Mapping[Key, Mapping[str, Any]] | None = None
        stack.empty()

    def load(self, key: str) -> Loaded:
        self._current = None
        manifest = read_manifest(self._landing, key)
        for name in (key, *(file.key for file in (*manifest.files, *manifest.rejects))):
            self._stack.bucket().put(name, self._landing.objects[name])
        return load(self._stack.session, self._stack.bucket(), key)

    def cursor_state(self, batch: Batch) -> CursorState:
        return ledger.cursor_state(self._stack.session.cursor(), batch)

    def current(self, stream: Stream) -> Mapping[Key, Mapping[str, Any]]:
        """What is current; asked for once after each load, for nothing else changes it."""
        if self._current is None:
            self._current = self._ask_current(stream)
        return self._current

    def _ask_current(self, stream: Stream) -> Mapping[Key, Mapping[str, Any]]:
        found: dict[Key, Mapping[str, Any]] = {}
        for content, metadata in self._stack.rows(current_sql(self._source, stream)):
            record, parent = json.loads(content), json.loads(metadata).get("parent", {})
            key = (*parent.values(), *(record[name] for name in stream.key))
            assert key not in found, f"{key} is there twice"
            found[key] = record
        return found


def current_sql(source: str, stream: Stream) -> str:
    """What is current of a stream, by the macro that its staging model would call."""
    macros = rendered_macros()
    read = stream.read
    key = [*([f"parent.{read.parent.param}"] if read.parent else []), *stream.key]
    match read.current:
        case Current.NEWEST_LIST:
            query = macros["current_snapshot"](source, stream.name, key)
        case Current.NEWEST_WINDOW:
            query = macros["current_window"](source, stream.name, key, read.window.cursor_field, stream.version)  # type: ignore[attr-defined]
        case Current.NEWEST_VERSION:
            query = macros["newest_version"](source, stream.name, key, stream.version)
    return f"SELECT RECORD_CONTENT, RECORD_METADATA FROM ({query})"


def rendered_macros() -> dict[str, Any]:
    """The project's macros by name. dbt lets every macro see every other, in any order of files; so does this."""
    text = "\n".join((MACROS / name).read_text() for name in ("fields.sql", "current.sql"))
    found: dict[str, Any] = {}
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    environment.globals["source"] = lambda source, table: LEDGER if table == "ledger" else raw_table(source, table)
    for name in re.findall(r"{%-? macro (\w+)\(", text):
        environment.globals[name] = lambda *args, name=name: found[name](*args)
    module = environment.from_string(text).module
    found |= {name: getattr(module, name) for name in re.findall(r"{%-? macro (\w+)\(", text)}
    return found
