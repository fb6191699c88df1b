"""A mark in every place where a vendor's record can name a person is nowhere behind the extraction.

Why: senders, ratings' comments and IP addresses below the first level once landed in the clear, and no test could see
it (as PostHog PR 28446 and Airbyte issue 1758 tell of other pipelines). The records are written after the vendors'
references (`tests/support/people.py`), and go the real way: tasks that Airflow runs, HTTP, S3, warehouse, dbt's
staging. What tasks return is kept in Airflow's database in the clear, where every user may see it (apache/airflow
#21827), so all of that database is searched.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zstandard

from bench.chaos.stack import ROOT, Stack, running
from catchment.connection import Connection
from catchment.platform import LANDING_BUCKET, Platform
from catchment.reads.http_export import CursorExport, TimeExport
from catchment.reads.http_list import HttpList
from catchment.sources import SOURCES
from catchment.spec import Stream
from tests.dbt.project import Dbt
from tests.support.people import PERSON, RECORDS, Marks
from tests.support.vendor import Reply, Request, Scripted

START = datetime(2026, 3, 1, 2, tzinfo=UTC)
END = START + timedelta(days=1)
AIRFLOW_DATABASE = "airflow.db"
REFUSED = "zendesk.groups"
"""A stream whose vendor answers with an error that names a person."""
SOURCES_OF_PEOPLE = sorted({name.partition(".")[0] for name in RECORDS})
THE_WAREHOUSES_OWN = ("INFORMATION_SCHEMA", "_FS_INFORMATION_SCHEMA")
DBT = {
    "SNOWFLAKE_ACCOUNT": "local",
    "SNOWFLAKE_USER": "scratch",
    "SNOWFLAKE_PASSWORD": "scratch",
    "SNOWFLAKE_HOST": "127.0.0.1",
    "SNOWFLAKE_PROTOCOL": "http",
    "SNOWFLAKE_INSECURE_MODE": "true",
}
KEY = b"chaos"  # as the stack's connections have it
COPIES = 4
pytestmark = pytest.mark.timeout(900)  # on a busy machine; two minutes on a quiet one


@dataclass(frozen=True)
class Found:
    """What is left of the marks: every text behind the extraction, by where it is."""

    marks: Marks
    texts: dict[str, str]

    def where(self, mark: str) -> list[str]:
        return [place for place, text in self.texts.items() if mark in text]


class Vendor:
    """Both vendors: for each stream some good records, one whose names all stand twice, and two that are rejected.

    One stream is refused, with an error that names a person without quotes, and as its code.
    """

    def __init__(self) -> None:
        self.marks = Marks()

    def reply(self, request: Request) -> Reply:
        name, _, path = request.path.lstrip("/").partition("/")
        stream, read = _asked(name, path)
        if f"{name}.{stream.name}" == REFUSED:
            person = self.marks.fill(PERSON)
            return Reply.json({"error": {"message": f"User {person} not found", "code": person}}, status=422)
        records = ",".join(self._records(f"{name}.{stream.name}", stream))
        ends = (
            '"has_more":false,"meta":{"has_more":false},"after_cursor":"c","end_of_stream":true,"end_time":1772500000'
        )
        return Reply(f'{{"{read.records}":[{records}],{ends}}}'.encode())

    def _records(self, name: str, stream: Stream) -> Iterator[str]:
        def record(number: int) -> str:
            return self.marks.record(name, **dict.fromkeys(stream.key, f"key-{number}"))

        yield from map(record, range(COPIES))
        yield record(COPIES)[:-1] + "," + record(COPIES)[1:]
        yield self.marks.record(name, id=None, uuid=None, task_uuid=None)
        yield record(COPIES + 1)[:-1] + ',"cut":"\\ud83d"}'


def _asked(source: str, path: str) -> tuple[Stream, HttpList | CursorExport | TimeExport]:
    """The stream that is read at a path of a vendor."""
    for stream in SOURCES[source].streams:
        read = stream.read
        if not isinstance(read, HttpList | CursorExport | TimeExport):
            continue
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", read.path), path):
            return stream, read
    raise LookupError(f"No stream of {source} is read at {path}.")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Found]:
    folder = tmp_path_factory.mktemp("people")
    vendor = Vendor()
    with Scripted(vendor.reply).running() as server, running(folder, seed=1, scale=0.1, first_port=0) as stack:
        connections = {
            name: replace(connection, host=f"{server.url}/{name}") if name in SOURCES else connection
            for name, connection in stack.connections.items()
        }
        _run_tasks(folder, connections)
        _build_staging(folder, stack)
        platform = Platform.from_connections(connections.__getitem__, bucket=LANDING_BUCKET)
        rows, objects, logs = dict(_rows(platform)), dict(_objects(platform)), dict(_logs(folder))
        yield Found(vendor.marks, {**rows, **objects, **logs, **dict(_airflow(folder))})


def _run_tasks(folder: Path, connections: Mapping[str, Connection]) -> None:
    """Extract and load each stream once, by the operators, in an Airflow of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "CATCHMENT"))}
    environment = kept | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / AIRFLOW_DATABASE}",
        "CATCHMENT_BUDGET_DIR": os.environ["CATCHMENT_BUDGET_DIR"],
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}",
        **{f"AIRFLOW_CONN_{conn_id.upper()}": _as_json(connection) for conn_id, connection in connections.items()},
    }
    command = [sys.executable, "-m", "tests.support.airflow_run", START.isoformat(), END.isoformat(), *RECORDS, REFUSED]
    with (folder / "tasks.log").open("w") as log:
        subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, check=True)


def _as_json(connection: Connection) -> str:
    fields = {name: getattr(connection, name) for name in ("host", "login", "password", "port")}
    return json.dumps({"conn_type": "generic", **fields, "extra": dict(connection.extra)})


def _build_staging(folder: Path, stack: Stack) -> None:
    """Every staging model of the vendors, by dbt."""
    port = stack.warehouse.rpartition(":")[2]
    dbt = Dbt(folder / "dbt", {**DBT, "SNOWFLAKE_PORT": port})
    done = dbt.run("run", "--select", *(f"staging.{source}" for source in SOURCES_OF_PEOPLE))
    assert done.returncode == 0, done.stdout[-6000:]


def _objects(platform: Platform) -> Iterator[tuple[str, str]]:
    for key in (entry.key for entry in platform.store.entries("")):
        data = platform.store.get(key) or b""
        data = zstandard.ZstdDecompressor().stream_reader(data).read() if key.endswith(".zst") else data
        yield f"s3: {key}", data.decode()


def _rows(platform: Platform) -> Iterator[tuple[str, str]]:
    """Every table and view of the warehouse, with its rows."""
    with closing(platform.open_session("test")) as session, closing(session.cursor()) as cursor:
        tables = []
        for database in ("RAW", "ANALYTICS"):
            cursor.execute(f"SELECT TABLE_SCHEMA, TABLE_NAME FROM {database}.INFORMATION_SCHEMA.TABLES")
            tables += [f"{database}.{s}.{t}" for s, t in cursor.fetchall() if s.upper() not in THE_WAREHOUSES_OWN]
        for table in tables:
            cursor.execute(f"SELECT * FROM {table}")
            yield table, repr(cursor.fetchall())


def _logs(folder: Path) -> Iterator[tuple[str, str]]:
    """What servers, tasks and dbt wrote, and the SQL that dbt made."""
    for log in (*folder.glob("*.log"), *folder.glob("airflow/**/*.log"), *folder.glob("dbt/**/*.*")):
        yield f"log: {log.relative_to(folder)}", log.read_text(errors="replace")


def _airflow(folder: Path) -> Iterator[tuple[str, str]]:
    """Each table of Airflow's database: XComs, links, rendered fields, events, states."""
    with closing(sqlite3.connect(folder / AIRFLOW_DATABASE)) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            yield f"airflow: {table}", repr(database.execute(f'SELECT * FROM "{table}"').fetchall())


def test_every_stream_with_personal_or_secret_fields_has_a_record_here() -> None:
    streams = {f"{spec.name}.{stream.name}": stream for spec in SOURCES.values() for stream in spec.streams}
    assert RECORDS.keys() == {name for name, stream in streams.items() if stream.personal or stream.secret}


def test_no_mark_of_a_person_is_anywhere(found: Found) -> None:
    marks = [*found.marks.people, *found.marks.urls]
    assert len(marks) > 500
    assert {mark: found.where(mark) for mark in marks if found.where(mark)} == {}


def test_what_may_stay_is_landed_and_loaded_as_it_came(found: Found) -> None:
    """The search above would see a mark if there was one."""
    places = [found.where(mark) for mark in found.marks.content]
    assert sum(any(place.startswith("s3:") for place in of) for of in places) > len(places) / 2
    assert sum(any(place.startswith("RAW.") for place in of) for of in places) > len(places) / 2


def test_what_is_searched_has_seen_what_it_should(found: Found) -> None:
    """Each stream's XComs and staging model, and the error that named somebody."""
    for name in RECORDS:
        assert f"landing/{name.replace('.', '/')}/" in found.texts["airflow: xcom"]
        assert len(found.texts[f"ANALYTICS.STAGING.STG_{name.replace('.', '__').upper()}"]) > 100
    assert "422 from GET" in found.texts["log: tasks.log"]


def test_people_are_known_by_their_hashes(found: Found) -> None:
    hashes = (hmac.new(KEY, mark.encode(), "sha256").hexdigest() for mark in found.marks.people)
    known = sum(any(place.startswith("RAW.") for place in found.where(digest)) for digest in hashes)
    assert known > len(found.marks.people) * 0.7


def test_rejects_are_hidden_as_records_are(found: Found) -> None:
    rejects = found.texts["RAW.CATCHMENT.REJECTS"]
    assert rejects.count("withheld") >= len(RECORDS)
    assert rejects.count("hmac-sha256:") >= len(RECORDS)
