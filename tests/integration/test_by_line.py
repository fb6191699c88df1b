"""A file with a line that is no JSON loses no other line, whether the warehouse skips the rest of it or goes on.

Snowflake's reference (COPY INTO <table>, ON_ERROR): in JSON, records up to the one with a parsing error are loaded and
the remainder of the file is skipped, with CONTINUE too; databend's authors (pull request 9312) saw just that. Newer
pages of Snowflake's ("Error logging for COPY INTO") speak of rejected rows, as if it went on. Right either way: every
line is in raw or in the rejects, once. The load took the first for a changed landing, and failed every night.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from catchment.landing import (
    LandedFile,
    Manifest,
    Parts,
    RecordFormat,
    checkpoint_prefix,
    read_manifest,
    write_manifest,
)
from catchment.spec import Current, SourceSpec
from catchment.warehouse.load import Loaded, load
from catchment.warehouse.names import REJECTS, raw_table
from tests.support.make import batch, source, stream
from tests.support.sql_warehouse import SqlStack, SqlWarehouse, sql_stack
from tests.unit.test_session import landed

SPEC: SourceSpec = source(stream("tickets"))
TABLE = raw_table(SPEC.name, "tickets")
BATCH = batch("tickets", source=SPEC.name)
LIMIT = 200_000
GOOD = (
    '{"id":1,"text":"O\'Brien \\\\N \\"x\\", 100 %"}',
    '{"id":12345678901234567890,"price":1.10}',
    ' { "spaces" : [ 1 , null ] } ',
    '{"comma":"a,b|c\\td"}',
)
BAD = ("{", "not json", '{"id":1,"id":2}', '{"a":{"k":1,"\\u006b":2}}', '"open', '{"id":1}{"id":2}', '{"x":\\N}')
TOO_LARGE = '{"x":"' + "y" * LIMIT + '"}'


@pytest.fixture(scope="module", params=["skip", "continue"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStack]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CATCHMENT_WAREHOUSE_JSON_AFTER_ERROR", request.param)
        environment.setenv("CATCHMENT_WAREHOUSE_VARIANT_BYTES", str(LIMIT))
        with sql_stack(tmp_path_factory.mktemp("lines"), SPEC) as stack:
            yield stack


class Files:
    """Loads files of lines as one batch."""

    def __init__(self, stack: SqlStack) -> None:
        self.stack = stack
        self._store, key = landed()
        self._like = read_manifest(self._store, key)
        self._warehouse = SqlWarehouse(stack, SPEC.name, self._store)

    def load(self, *files: Sequence[str], **fields: Any) -> Loaded:
        prefix, landed_files = checkpoint_prefix(BATCH, 0), []
        for lines in files:
            with Parts(self._store, prefix) as parts:
                for line in lines:
                    parts.add(line.encode() + b"\n", 1)
            landed_files += parts.files
        return self._warehouse.load(write_manifest(self._store, self.manifest(landed_files, **fields), prefix))

    def manifest(self, files: Sequence[LandedFile], **fields: Any) -> Manifest:
        """A manifest of `files`, as of a list; `fields` say what differs."""
        ids: dict[str, Any] = {"batch_id": BATCH.id, "batch": BATCH.id, "source": SPEC.name, "stream": "tickets"}
        ids |= {"files": tuple(files), "rows": sum(file.rows for file in files), "current": Current.NEWEST_LIST}
        return replace(self._like, **{**ids, **fields})

    def raw(self) -> list[tuple[str, int]]:
        return sorted(self.stack.rows(f"SELECT RECORD_CONTENT, RECORD_METADATA:row::NUMBER FROM {TABLE}"))

    def rejects(self) -> list[tuple[str, int]]:
        return sorted(self.stack.rows(f"SELECT RECORD, ROW_NUMBER FROM {REJECTS}"))


def numbered(lines: Sequence[str], kept: Sequence[str]) -> list[tuple[str, int]]:
    return sorted((line.strip() if line in GOOD else line, n) for n, line in enumerate(lines, 1) if line in kept)


@given(lines=st.lists(st.sampled_from((*GOOD, *GOOD, *BAD)), min_size=1, max_size=8))
@settings(max_examples=15, deadline=None)
def test_each_line_is_in_raw_or_in_the_rejects_with_its_number(stack: SqlStack, lines: list[str]) -> None:
    files = Files(stack)
    loaded = files.load(lines)
    raw, rejects = numbered(lines, GOOD), numbered(lines, BAD)
    assert [(text.strip(), row) for text, row in files.raw()] == raw
    assert files.rejects() == rejects
    assert (loaded.rows, loaded.rejected) == (len(raw), len(rejects))


def test_only_the_file_with_the_error_is_loaded_again_and_each_has_its_own_reason(stack: SqlStack) -> None:
    files = Files(stack)
    good, cut, twice = [GOOD[0]] * 3, [GOOD[0], "{", GOOD[1]], [BAD[2], GOOD[0], GOOD[1]]
    for _ in range(2):
        assert files.load(good, cut, twice) == Loaded(rows=7, rejected=2, new_rejects=2)
        assert len(files.raw()) == 7
        where = f"SELECT BATCH_ID, RECORD, REASON FROM {REJECTS} ORDER BY RECORD"
        (first, second) = files.stack.rows(where)
        assert [row[0] for row in (first, second)] == [BATCH.id] * 2
        assert first[1:] == ("{", first[2])
        assert "could not read it: Error parsing JSON: Expecting property name" in first[2]
        assert 'could not read it: Error parsing JSON: duplicate object attribute "id"' in second[2]


def test_a_rows_metadata_is_as_the_copy_would_have_made_it(stack: SqlStack) -> None:
    files = Files(stack)
    metadata = f"SELECT OBJECT_DELETE(RECORD_METADATA, 'file', 'row'), LOADED_AT IS NULL FROM {TABLE}"
    files.load([GOOD[0]])
    (plain,) = files.stack.rows(metadata)
    files.load([GOOD[0], "{"])
    assert files.stack.rows(metadata) == [plain]
    (name,) = files.stack.rows(f"SELECT RECORD_METADATA:file::VARCHAR FROM {TABLE}")
    assert name == files.stack.rows(f"SELECT FILE FROM {REJECTS}")[0]


def test_a_childs_envelope_is_opened(stack: SqlStack) -> None:
    files = Files(stack)
    line = '{"record":{"id":1},"parent":{"customer":"c1"}}'
    loaded = files.load(["{", line], record_format=RecordFormat.ENVELOPES)
    assert (loaded.rows, loaded.rejected) == (1, 1)
    (row,) = files.stack.rows(f"SELECT RECORD_CONTENT, RECORD_METADATA:parent FROM {TABLE}")
    assert [json.loads(text) for text in row] == [{"id": 1}, {"customer": "c1"}]


def test_a_line_that_no_cell_can_hold_is_a_reject_and_the_others_are_loaded(stack: SqlStack) -> None:
    """Snowflake's data types reference: a VARIANT and a VARCHAR hold 16 MB (128 MB in tables of newer accounts)."""
    files = Files(stack)
    loaded = files.load([GOOD[0], TOO_LARGE, "{", GOOD[1]])
    assert (loaded.rows, loaded.rejected) == (2, 2)
    assert files.rejects() == [("{", 3), (TOO_LARGE, 2)]


def test_a_version_that_was_there_stays_beside_the_rejects(stack: SqlStack) -> None:
    files = Files(stack)
    export = {"current": Current.NEWEST_VERSION}
    files.load(['{"id":1}', '{"id":2}'], **export)
    assert files.load(["{", '{"id":2}'], **export) == Loaded(rows=2, rejected=1, new_rejects=1)
    assert [text for text, _ in files.raw()] == ['{"id":1}', '{"id":2}']


def test_lines_of_others_files_are_looked_for_too(stack: SqlStack) -> None:
    files = Files(stack)
    theirs = stack.bucket("theirs")
    stack.client.create_bucket(Bucket="theirs")
    lines = [GOOD[0], "", "not json", GOOD[1], GOOD[3]]
    theirs.put("logs/a.json.gz", gzip.compress("\r\n".join(lines).encode()))
    listed = theirs.head("logs/a.json.gz")
    assert listed
    file = LandedFile(key=listed.key, bytes=listed.bytes, etag=listed.etag, uri=f"s3://theirs/{listed.key}")
    stack.rows("CREATE STAGE IF NOT EXISTS RAW.VENDOR.FILES URL = 's3://theirs/'")
    prefix = checkpoint_prefix(BATCH, 0)
    manifest = files.manifest([file], record_format=RecordFormat.GZIP_RECORDS)
    landing = stack.bucket()
    loaded = load(stack.session, landing, write_manifest(landing, manifest, prefix), open_bucket=stack.bucket)
    assert (loaded.rows, loaded.rejected) == (3, 1)
    assert [record for record, _ in files.rejects()] == ["not json"]
