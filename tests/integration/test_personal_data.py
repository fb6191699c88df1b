"""A mark in every place where a vendor's record can name a person is nowhere behind the extraction.

Why: senders, ratings' comments and IP addresses below the first level once landed in the clear, and no test could see
it (as PostHog PR 28446 and Airbyte issue 1758 tell of other pipelines). The records are written after the vendors'
references (`tests/support/people.py`), and go the real way: HTTP, S3, warehouse.
"""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zstandard

from bench.chaos.stack import running
from catchment.batch import Batch
from catchment.connection import Connection, NoConnection
from catchment.platform import LANDING_BUCKET, Platform
from catchment.reads.http_export import CursorExport, TimeExport
from catchment.reads.http_list import HttpList
from catchment.sources import SOURCES
from catchment.spec import Stream
from tests.support.people import RECORDS, Marks
from tests.support.vendor import Reply, Request, Scripted

START = datetime(2026, 3, 1, 2, tzinfo=UTC)
KEY = b"chaos"  # as the stack's connections have it
COPIES = 4
pytestmark = pytest.mark.timeout(600)  # on a busy machine; a minute on a quiet one


@dataclass(frozen=True)
class Found:
    """What is left of the marks: every text behind the extraction, by where it is."""

    marks: Marks
    texts: dict[str, str]

    def where(self, mark: str) -> list[str]:
        return [place for place, text in self.texts.items() if mark in text]


class Vendor:
    """Both vendors: for each stream some good records, one whose names all stand twice, and two that are rejected."""

    def __init__(self) -> None:
        self.marks = Marks()

    def reply(self, request: Request) -> Reply:
        name, _, path = request.path.lstrip("/").partition("/")
        stream, read = _asked(name, path)
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
    log = folder / "python.log"
    handler = logging.FileHandler(log)
    logging.getLogger().addHandler(handler)
    try:
        with Scripted(vendor.reply).running() as server, running(folder, seed=1, scale=0.1, first_port=0) as stack:
            connections = {
                name: replace(connection, host=f"{server.url}/{name}") if name in SOURCES else connection
                for name, connection in stack.connections.items()
            }

            def look_up(conn_id: str) -> Connection:
                if conn_id not in connections:
                    raise NoConnection(conn_id)
                return connections[conn_id]

            platform = Platform.from_connections(look_up, bucket=LANDING_BUCKET)
            _load_all(platform)
            texts = {**dict(_objects(platform)), **dict(_rows(platform)), **dict(_logs(folder))}
            yield Found(vendor.marks, texts)
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def _load_all(platform: Platform) -> None:
    for name in RECORDS:
        of, _, stream = name.partition(".")
        key = platform.extract(Batch(source=of, stream=stream, start=START, end=START + timedelta(days=1))).key
        assert key is not None
        assert platform.load(key).rows >= COPIES


def _objects(platform: Platform) -> Iterator[tuple[str, str]]:
    for key in (entry.key for entry in platform.store.entries("")):
        data = platform.store.get(key) or b""
        data = zstandard.ZstdDecompressor().stream_reader(data).read() if key.endswith(".zst") else data
        yield f"s3: {key}", data.decode()


def _rows(platform: Platform) -> Iterator[tuple[str, str]]:
    tables = [f"RAW.{name.upper()}" for name in RECORDS] + ["RAW.CATCHMENT.REJECTS", "RAW.CATCHMENT.LEDGER"]
    with closing(platform.open_session("test")) as session, closing(session.cursor()) as cursor:
        for table in tables:
            cursor.execute(f"SELECT * FROM {table}")
            yield table, repr(cursor.fetchall())


def _logs(folder: Path) -> Iterator[tuple[str, str]]:
    for log in folder.glob("*.log"):
        yield f"log: {log.name}", log.read_text(errors="replace")


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


def test_people_are_known_by_their_hashes(found: Found) -> None:
    hashes = (hmac.new(KEY, mark.encode(), "sha256").hexdigest() for mark in found.marks.people)
    known = sum(any(place.startswith("RAW.") for place in found.where(digest)) for digest in hashes)
    assert known > len(found.marks.people) * 0.7


def test_rejects_are_hidden_as_records_are(found: Found) -> None:
    rejects = found.texts["RAW.CATCHMENT.REJECTS"]
    assert rejects.count("withheld") >= len(RECORDS)
    assert rejects.count("hmac-sha256:") >= len(RECORDS)
