"""Which of the files that others write a batch takes, and what it says of them.

`tests/integration/test_files_by_reference.py` loads such files, on a real S3 API.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from catchment.batch import Batch, Kind, Mode
from catchment.cursor import CursorState, Unfinished
from catchment.errors import NeedsPerson
from catchment.extract.run import Extraction
from catchment.landing import LandedFile, Manifest, RecordFormat, read_manifest
from catchment.reads.s3_files import FILES_PER_PIECE, S3Files, safe_key
from catchment.spec import Current, SourceSpec
from tests.support.make import batch, moment, stream
from tests.support.store import MemoryStore
from tests.unit.test_windows import task

READ = S3Files(prefix="clicks/", pattern=r"\.gz$", record_format=RecordFormat.GZIP_RECORDS, bucket="theirs")
OF = stream("things", READ, version="at")
MIDNIGHT = moment(1, 0)


@dataclass
class Others:
    """The bucket of others, and the files of it that were loaded before."""

    bucket: MemoryStore = field(default_factory=MemoryStore)
    loaded: set[tuple[str, str]] = field(default_factory=set)
    opened: list[str] = field(default_factory=list)

    def write(self, key: str, modified: datetime = MIDNIGHT, data: bytes = b"data") -> None:
        self.bucket.objects[key], self.bucket.modified[key] = data, modified

    def extract(self, of: Batch | None = None, state: CursorState | None = None, **fields: Any) -> Manifest | None:
        landing = MemoryStore()
        extraction = Extraction(
            source=SourceSpec(name="vendor", title="Others", streams=(replace(OF, read=replace(READ, **fields)),)),
            client=None,
            store=landing,
            history_start=moment(1, month=1),
            load=lambda key: None,
            now=lambda: moment(9),
            open_bucket=self._open,
            files_loaded=lambda: frozenset(self.loaded),
        )
        extracted = extraction.run(of or batch(), state or CursorState())
        assert extracted.complete
        return read_manifest(landing, extracted.key) if extracted.key else None

    def _open(self, name: str) -> MemoryStore:
        self.opened.append(name)
        return self.bucket


def keys(manifest: Manifest | None) -> list[str]:
    return [file.key for file in manifest.files] if manifest else []


def remembered(files: Iterable[LandedFile]) -> set[tuple[str, str]]:
    return {(file.uri, file.etag) for file in files}


def test_files_are_taken_by_prefix_and_pattern_in_the_order_in_which_they_were_written() -> None:
    others = Others()
    for key, hour in (("clicks/c.gz", 1), ("clicks/b.gz", 3), ("clicks/a.gz", 3), ("views/d.gz", 1), ("clicks/x", 1)):
        others.write(key, moment(1, hour))
    others.write("clicks/marker.gz", data=b"")
    manifest = others.extract()
    assert manifest is not None
    assert keys(manifest) == ["clicks/c.gz", "clicks/a.gz", "clicks/b.gz"]
    assert others.opened == ["theirs"]


def test_a_file_is_named_by_its_address_size_and_etag_and_nothing_of_it_is_copied() -> None:
    others = Others()
    others.write("clicks/a.gz", moment(1, 3))
    manifest = others.extract(state=CursorState("before", ever_loaded=True))
    assert manifest is not None
    listed = others.bucket.head("clicks/a.gz")
    assert listed is not None
    assert manifest.files == (LandedFile(key="clicks/a.gz", uri="s3://memory/clicks/a.gz", bytes=4, etag=listed.etag),)
    assert (manifest.rows, manifest.rejects) == (0, ())
    assert (manifest.cursor_from, manifest.cursor_to) == ("before", moment(1, 3).isoformat())
    assert manifest.as_of == manifest.extracted_at == moment(9)
    assert (manifest.current, manifest.record_format) == (Current.NEWEST_VERSION, RecordFormat.GZIP_RECORDS)


def test_without_a_pattern_every_file_is_taken_and_there_may_be_columns() -> None:
    others = Others()
    others.write("clicks/a")
    csv: dict[str, Any] = {
        "pattern": S3Files(prefix="p").pattern,
        "record_format": RecordFormat.CSV,
        "columns": ("id", "at"),
    }
    manifest = others.extract(**csv)
    assert keys(manifest) == ["clicks/a"]
    assert manifest is not None
    assert manifest.columns == ("id", "at")


def test_a_file_is_taken_once_and_again_when_it_was_written_again() -> None:
    """aws-lambda-redshift-loader issue 228: a file that was updated under its own name counted as processed."""
    others = Others()
    others.write("clicks/a.gz")
    first = others.extract()
    assert first is not None
    others.loaded = remembered(first.files)
    assert others.extract() is None
    others.write("clicks/b.gz")
    assert keys(others.extract()) == ["clicks/b.gz"]
    others.write("clicks/a.gz", data=b"else")
    assert keys(others.extract()) == ["clicks/a.gz", "clicks/b.gz"]


def test_a_backfill_takes_the_files_that_were_written_in_its_window_loaded_or_not() -> None:
    others = Others()
    for name, at in (("before", -1), ("start", 0), ("last", 86399), ("end", 86400)):
        others.write(f"clicks/{name}.gz", moment(1) + timedelta(seconds=at))
    everything = others.extract()
    assert everything is not None
    others.loaded = remembered(everything.files)
    assert keys(others.extract(batch(kind=Kind.BACKFILL))) == ["clicks/start.gz", "clicks/last.gz"]


def test_a_full_refresh_takes_all_files_and_goes_on_with_those_that_it_has_not_loaded() -> None:
    others = Others()
    others.write("clicks/a.gz")
    first = others.extract()
    assert first is not None
    others.loaded = remembered(first.files)
    others.write("clicks/b.gz", moment(1, 1))
    full = batch(mode=Mode.FULL)
    assert keys(others.extract(full)) == ["clicks/a.gz", "clicks/b.gz"]
    state = CursorState(unfinished=Unfinished("full-1", None, 1))
    assert keys(others.extract(full, state)) == ["clicks/b.gz"]


@pytest.mark.parametrize(("fields", "checkpoint"), [({}, 3), ({"mode": Mode.FULL}, 0), ({"kind": Kind.BACKFILL}, 0)])
def test_only_a_scheduled_batch_of_new_files_adds_to_what_its_earlier_attempts_brought(
    fields: dict[str, Any], checkpoint: int
) -> None:
    others = Others()
    others.write("clicks/a.gz", moment(1, 3))
    manifest = others.extract(batch(**fields), CursorState(next_checkpoint=3))
    assert manifest is not None
    assert manifest.checkpoint == checkpoint


@pytest.mark.parametrize("name", ["it's", "back\\slash", "tab\t", "line\n", "del\x7f"])
def test_a_name_that_could_end_its_quotes_is_refused_unless_it_is_not_wanted(name: str) -> None:
    others = Others()
    others.write("clicks/a.gz")
    others.write(f"clicks/{name}.gz")
    assert not safe_key(name)
    with pytest.raises(NeedsPerson, match=r"s3://memory/.*rename the object, or leave it out by the stream's pattern"):
        others.extract()
    assert keys(others.extract(pattern="a.gz")) == ["clicks/a.gz"]


def test_many_files_are_some_at_a_time_each_with_the_time_of_its_last() -> None:
    others = Others()
    for number in range(2 * FILES_PER_PIECE + 1):
        others.write(f"clicks/{number}.gz", moment(1) + timedelta(seconds=number))
    plan = READ.plan(task(batch(), CursorState(), open_bucket=lambda name: others.bucket))
    assert plan is not None
    (pieces,) = plan.streams
    found = [(len(piece.files), piece.mark.cursor if piece.mark else "") for piece in pieces()]
    ends = [
        moment(1) + timedelta(seconds=n) for n in (FILES_PER_PIECE - 1, 2 * FILES_PER_PIECE - 1, 2 * FILES_PER_PIECE)
    ]
    assert found == [
        (size, end.isoformat()) for size, end in zip((FILES_PER_PIECE, FILES_PER_PIECE, 1), ends, strict=True)
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"columns": ("id",)},
        {"record_format": RecordFormat.CSV},
        {"record_format": RecordFormat.PARQUET, "columns": ("id",)},
    ],
)
def test_columns_are_named_for_csv_and_for_nothing_else(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="p/: `columns` names the columns of CSV files"):
        S3Files(prefix="p/", **fields)
