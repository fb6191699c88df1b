"""Files that others write to S3 are loaded where they lie: on a real S3 API and the warehouse's own readers.

The files are written by Python's `csv` and `gzip` and by pyarrow, and read by the warehouse. The source is a literal in
this file: a new kind of read, or a source, touches no other.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catchment.batch import Batch, Kind, Mode
from catchment.errors import ContractBroken, NeedsPerson
from catchment.extract.run import Extraction
from catchment.landing import RecordFormat, S3Store, read_manifest
from catchment.reads.s3_files import S3Files
from catchment.spec import SourceSpec, Stream
from catchment.warehouse import ledger
from catchment.warehouse.load import Loaded, load
from tests.support.sql_warehouse import SqlStack, current_sql, sql_stack

BUCKET = "events-of-others"
EVENTS = SourceSpec(
    name="events",
    title="Events that a vendor writes to a bucket",
    streams=(
        Stream(
            name="clicks",
            key=("id",),
            version="at",
            read=S3Files(
                bucket=BUCKET, prefix="clicks/", pattern=r"\.json\.gz$", record_format=RecordFormat.GZIP_RECORDS
            ),
        ),
        Stream(
            name="payments",
            key=("id",),
            read=S3Files(
                bucket=BUCKET,
                prefix="payments/",
                pattern=r"\.csv$",
                record_format=RecordFormat.CSV,
                columns=("id", "payer", "note"),
            ),
        ),
        Stream(
            name="sessions",
            key=("id",),
            read=S3Files(bucket=BUCKET, prefix="sessions/", pattern=r"\.parquet$", record_format=RecordFormat.PARQUET),
        ),
    ),
)
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
pytestmark = pytest.mark.timeout(600)


class Bucket:
    """The bucket of others, and batches that load from it: one a day, `day` days from now."""

    def __init__(self, stack: SqlStack) -> None:
        self.stack = stack
        self.landing = stack.bucket()
        self.others = stack.bucket(BUCKET)
        for store in (self.landing, self.others):
            store.delete([entry.key for entry in store.entries("")])
        stack.empty()

    def batch(self, stream: str, day: int, **fields: Any) -> Batch:
        start = TODAY + timedelta(days=day)
        return Batch(source="events", stream=stream, start=start, end=start + timedelta(days=1), **fields)

    def extract(self, batch: Batch) -> str | None:
        cursor = self.stack.session.cursor()
        extraction = Extraction(
            source=EVENTS,
            client=None,
            store=self.landing,
            history_start=EVENTS.history_start,
            load=self.load,
            open_bucket=self.stack.bucket,
            files_loaded=lambda: ledger.files_loaded(cursor, "events", batch.stream),
        )
        return extraction.run(batch, ledger.cursor_state(cursor, batch)).key

    def load(self, key: str) -> Loaded:
        return load(self.stack.session, self.landing, key, open_bucket=self.stack.bucket)

    def run(self, stream: str, day: int = 0, **fields: Any) -> int | None:
        """Rows that the batch brought; None when there was nothing new."""
        key = self.extract(self.batch(stream, day, **fields))
        return self.load(key).rows if key else None

    def raw(self, stream: str) -> list[Any]:
        rows = self.stack.rows(
            f"SELECT RECORD_CONTENT FROM RAW.EVENTS.{stream.upper()} ORDER BY RECORD_CONTENT:id::VARCHAR"
        )
        return [json.loads(content) for (content,) in rows]

    def current(self, stream: str) -> list[Any]:
        rows = self.stack.rows(current_sql("events", EVENTS.stream(stream)))
        return sorted((json.loads(content) for content, _ in rows), key=lambda record: str(record["id"]))

    def clicks(self, name: str, *records: dict[str, Any]) -> None:
        body = "".join(json.dumps(record) + "\n" for record in records).encode()
        self.others.put(f"clicks/{name}.json.gz", gzip.compress(body))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStack]:
    with sql_stack(tmp_path_factory.mktemp("files"), EVENTS, more_steps=["source_stages"]) as stack:
        stack.client.create_bucket(Bucket=BUCKET)
        yield stack


@pytest.fixture
def bucket(stack: SqlStack) -> Bucket:
    return Bucket(stack)


def click(number: int, at: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": number, "at": at, **more}


def test_json_lines_are_loaded_unaltered_and_nothing_is_copied(bucket: Bucket) -> None:
    records = [click(1, big=2**60 + 1, text="O'Brien \\ 😀\n"), click(2, nested={"a": [None, 1.5]})]
    bucket.clicks("day=1/a", *records)
    assert bucket.run("clicks") == 2
    assert bucket.raw("clicks") == records
    assert [entry.key.rpartition("/")[2] for entry in bucket.landing.entries("")] == ["manifest.json"]


def test_csv_keeps_quotes_line_breaks_and_leading_zeros(bucket: Bucket) -> None:
    rows = [["007", 'the "big", one', "first line\nsecond line"], ["8", "Zoë", " kept "]]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["id", "payer", "note"], *rows])
    bucket.others.put("payments/march.csv", text.getvalue().encode())
    assert bucket.run("payments") == 2
    assert bucket.raw("payments") == [dict(zip(("id", "payer", "note"), row, strict=True)) for row in rows]


def test_parquet_is_loaded_with_its_types(bucket: Bucket) -> None:
    table = pa.table({"id": [1, 2], "pages": [2**53 + 1, None], "name": ["a", "ü"], "paid": [True, False]})
    written = io.BytesIO()
    pq.write_table(table, written)
    bucket.others.put("sessions/a.parquet", written.getvalue())
    assert bucket.run("sessions") == 2
    assert bucket.raw("sessions") == [
        {"id": 1, "pages": 2**53 + 1, "name": "a", "paid": True},
        {"id": 2, "pages": None, "name": "ü", "paid": False},
    ]


def test_a_file_is_loaded_once(bucket: Bucket) -> None:
    """olake PR 1220: of two files of one second the later was skipped for ever, for the saved time was compared with
    `>`; with `>=` the first would come twice. Right: each file once, whatever its time."""
    bucket.clicks("a", click(1))
    assert bucket.run("clicks", 0) == 1
    bucket.clicks("b", click(2))
    assert bucket.run("clicks", 1) == 1
    assert bucket.run("clicks", 2) is None
    assert bucket.raw("clicks") == [click(1), click(2)]


def test_a_file_that_shows_late_is_taken_though_newer_ones_were_loaded(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airbyte issue 5365: a large upload shows in the listing after smaller ones, with an earlier time of last change,
    and is skipped because the cursor has passed it. Right: it is loaded by the next batch."""
    bucket.clicks("large", click(1))
    bucket.clicks("small", click(2))
    entries = S3Store.entries
    with monkeypatch.context() as hidden:
        hidden.setattr(
            S3Store, "entries", lambda store, prefix: (e for e in entries(store, prefix) if "large" not in e.key)
        )
        assert bucket.run("clicks", 0) == 1
    assert bucket.run("clicks", 1) == 1
    assert bucket.raw("clicks") == [click(1), click(2)]


def test_a_file_that_was_written_again_is_taken_and_its_newer_records_are_current(bucket: Bucket) -> None:
    """aws-lambda-redshift-loader issue 228: a file that was updated under its own name counted as processed, and its
    new rows never came. Right: other content is another file."""
    bucket.clicks("a", click(1, at=1), click(2, at=1))
    assert bucket.run("clicks", 0) == 2
    bucket.clicks("a", click(1, at=5), click(3, at=5))
    assert bucket.run("clicks", 1) == 2
    assert bucket.current("clicks") == [click(1, at=5), click(2, at=1), click(3, at=5)]


def test_a_batch_that_is_run_again_keeps_its_rows(bucket: Bucket) -> None:
    bucket.clicks("a", click(1))
    assert bucket.run("clicks") == 1
    assert bucket.run("clicks") is None
    key = bucket.extract(bucket.batch("clicks", 0, mode=Mode.FULL))
    assert key
    for _ in range(3):
        bucket.load(key)
    assert bucket.raw("clicks") == [click(1)]


def test_a_batch_that_is_run_again_for_a_file_that_came_meanwhile_keeps_both(bucket: Bucket) -> None:
    bucket.clicks("a", click(1))
    bucket.run("clicks")
    bucket.clicks("b", click(2))
    bucket.run("clicks")
    assert bucket.raw("clicks") == [click(1), click(2)]
    assert bucket.run("clicks", 1) is None


def test_a_batch_that_is_run_again_for_another_file_keeps_the_rejects_of_the_first(bucket: Bucket) -> None:
    bucket.others.put("clicks/bad.json.gz", gzip.compress(b"not json\n"))
    bucket.run("clicks")
    bucket.clicks("b", click(2))
    bucket.run("clicks")
    assert bucket.stack.rows("SELECT FILE FROM RAW.CATCHMENT.REJECTS") == [("clicks/bad.json.gz",)]


def test_a_backfill_takes_the_files_of_its_window_alone(bucket: Bucket) -> None:
    bucket.clicks("a", click(1))
    assert bucket.run("clicks", 0, kind=Kind.BACKFILL) == 1
    assert bucket.run("clicks", -9, kind=Kind.BACKFILL) is None


def test_an_object_that_changed_after_it_was_listed_is_refused_and_loaded_by_the_next_run(bucket: Bucket) -> None:
    bucket.clicks("a", click(1))
    key = bucket.extract(bucket.batch("clicks", 0))
    assert key
    bucket.clicks("a", click(2))
    with pytest.raises(ContractBroken, match=rf"s3://{BUCKET}/clicks/a\.json\.gz is not what its manifest says"):
        bucket.load(key)
    assert bucket.raw("clicks") == []
    assert bucket.run("clicks", 0) == 1
    assert bucket.raw("clicks") == [click(2)]


@pytest.mark.parametrize("name", ["a b", "day=1/ü 50%", "a+b&c", "(copy) #2", "semi;colon, comma"])
def test_a_key_with_odd_characters_is_loaded(bucket: Bucket, name: str) -> None:
    bucket.clicks(name, click(1))
    assert bucket.run("clicks") == 1
    (file,) = read_manifest(bucket.landing, _only(bucket)).files
    assert file.key == f"clicks/{name}.json.gz"


@pytest.mark.parametrize("name", ["it's", "back\\slash"])
def test_a_key_that_could_end_its_quotes_is_refused_with_a_sentence(bucket: Bucket, name: str) -> None:
    bucket.clicks(name, click(1))
    with pytest.raises(NeedsPerson, match="can't stand in a COPY statement: rename the object"):
        bucket.run("clicks")


def test_a_line_that_is_no_json_is_counted_as_a_reject_and_the_others_are_loaded(bucket: Bucket) -> None:
    body = b'{"id":1,"at":1}\nnot json\n{"id":2,"at":1}\n'
    bucket.others.put("clicks/a.json.gz", gzip.compress(body))
    key = bucket.extract(bucket.batch("clicks", 0))
    assert key
    assert replace(bucket.load(key), gaps=()) == Loaded(rows=2, rejected=1, new_rejects=1)
    assert [record["id"] for record in bucket.raw("clicks")] == [1, 2]
    ((reason,),) = bucket.stack.rows("SELECT REASON FROM RAW.CATCHMENT.REJECTS")
    assert "could not read it" in reason


def _only(bucket: Bucket) -> str:
    (entry,) = bucket.landing.entries("")
    return entry.key
