"""Parts and the manifest: what was landed is a batch when, and only when, the manifest says so."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import threading
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.errors import ContractBroken, LandingUnavailable
from catchment.landing import (
    MANIFEST,
    PART_BYTES,
    LandedFile,
    Listed,
    Manifest,
    Parts,
    RecordFormat,
    checkpoint_id,
    checkpoint_prefix,
    manifest_key,
    new_attempt,
    read_lines,
    read_manifest,
    verify,
    write_manifest,
)
from catchment.spec import Current
from tests.support.make import batch
from tests.support.store import MemoryStore

PREFIX = checkpoint_prefix(batch(), 0)
PAGES = st.lists(st.lists(st.binary(max_size=40).map(lambda data: data.replace(b"\n", b" ")), max_size=6), max_size=12)


def land(store: MemoryStore, pages: list[list[bytes]], part_bytes: int = 1) -> list[LandedFile]:
    with Parts(store, PREFIX, part_bytes=part_bytes) as parts:
        for lines in pages:
            parts.add(b"".join(line + b"\n" for line in lines), len(lines))
    return parts.files


@given(pages=PAGES)
def test_the_same_lines_have_the_same_digest_however_they_came(pages: list[list[bytes]]) -> None:
    lines = [line for page in pages for line in page]
    one_by_one = [land(MemoryStore(), [[line] for line in lines], part_bytes=10**6)]
    at_once = [land(MemoryStore(), [lines], part_bytes=10**6)]
    assert digests(one_by_one) == digests(at_once)


def digests(landings: list[list[LandedFile]]) -> list[list[tuple[int, str]]]:
    return [[(file.rows, file.sha256) for file in files] for files in landings]


def noise(pages: int) -> list[list[bytes]]:
    """Pages of a thousand lines that no compression makes smaller than a part."""
    lines = [hashlib.sha512(str(number).encode()).hexdigest().encode() for number in range(pages * 1000)]
    return [lines[at : at + 1000] for at in range(0, len(lines), 1000)]


def manifest(files: list[LandedFile], **fields: Any) -> Manifest:
    now = datetime(2026, 3, 2, 2, tzinfo=UTC)
    whole = {"batch_id": batch().id, "source": "vendor", "stream": "things", "kind": "scheduled", "mode": "incremental"}
    whole |= {"batch": batch().id, "checkpoint": 0, "complete": True, "attempt": "incremental-1"}
    whole |= {"current": Current.NEWEST_LIST, "key": ("id",), "record_format": RecordFormat.RECORDS}
    times = {"interval_start": now, "interval_end": now, "extracted_at": now, "as_of": now}
    return Manifest(**{**whole, **times, "files": tuple(files), **fields})


@given(pages=PAGES, part_bytes=st.sampled_from([1, 30, 10_000]))
def test_lines_come_back_in_order_and_every_part_is_what_its_entry_says(
    pages: list[list[bytes]], part_bytes: int
) -> None:
    store = MemoryStore()
    files = land(store, pages, part_bytes)
    assert store.lines(files) == [line for lines in pages for line in lines]
    assert [file.key.rpartition("-part-")[2] for file in files] == [f"{n}.jsonl.zst" for n in range(len(files))]
    for file in files:
        data = store.objects[file.key]
        assert file.bytes == len(data)
        assert file.sha256 == hashlib.sha256(data).hexdigest()
        assert file.rows == len(store.lines([file])) > 0


def test_a_part_ends_when_it_is_large_enough() -> None:
    store = MemoryStore()
    pages = noise(30)
    files = land(store, pages, part_bytes=300_000)
    assert len(files) > 3
    assert all(file.bytes >= 300_000 for file in files[:-1])
    assert store.lines(files) == [line for lines in pages for line in lines]


def test_nothing_to_land_is_no_part() -> None:
    store = MemoryStore()
    assert land(store, [[], []]) == []
    assert store.objects == {}


def test_a_manifest_comes_back_as_it_was_written() -> None:
    store = MemoryStore()
    written = manifest(land(store, [[b"1"], [b"2"]]), rows=2, cursor_to="c", window_to=datetime(2026, 3, 2, tzinfo=UTC))
    key = write_manifest(store, written, PREFIX)
    assert key == manifest_key(batch())
    assert read_manifest(store, key) == written


def test_parts_of_an_earlier_attempt_are_removed_and_other_batches_stay() -> None:
    store = MemoryStore()
    write_manifest(store, manifest(land(store, noise(12), part_bytes=100_000)), PREFIX)
    other = checkpoint_prefix(batch(day=2), 0) + "part-0.jsonl.zst"
    store.put(other, b"another batch")
    files = land(store, [[b"4"]])
    write_manifest(store, manifest(files), PREFIX)
    assert sorted(store.objects) == sorted([files[0].key, PREFIX + MANIFEST, other])


def test_leftovers_are_removed_only_when_the_manifest_is_there() -> None:
    store = MemoryStore()
    store.put(PREFIX + "part-9.jsonl.zst", b"left")
    write_manifest(store, manifest(land(store, [[b"1"]])), PREFIX)
    verbs = [verb for verb, key in store.log if key.endswith((MANIFEST, "part-9.jsonl.zst"))]
    assert verbs == ["put", "put", "delete"]


def test_what_a_younger_attempt_writes_is_left_alone() -> None:
    """Attempt A was stopped; B is at work beside it when A goes on and ends."""
    store = MemoryStore()
    files = land(store, [[b"A"]])
    younger = land(store, [[b"B"]])
    store.modified[younger[0].key] = datetime(2026, 3, 3, tzinfo=UTC)
    write_manifest(store, manifest(files), PREFIX)
    assert younger[0].key in store.objects


def test_two_attempts_never_write_the_same_object() -> None:
    """Found by reading (main path, "Landing"): A is stopped, B ends, A goes on and writes its first part.

    Right: what B's manifest names is still what B wrote.
    """
    store = MemoryStore()
    first, second = land(store, [[b"A"]]), land(store, [[b"B"]])
    assert first[0].key != second[0].key
    assert store.lines(second) == [b"B"]


def test_an_object_is_verified_by_size_and_digest_others_by_etag() -> None:
    store = MemoryStore()
    (file,) = land(store, [[b"1"]])
    verify(store, file)
    listed = store.head(file.key)
    assert listed is not None
    foreign = LandedFile(key=file.key, bytes=file.bytes, etag=listed.etag, uri="s3://theirs/x")
    verify(store, foreign)
    store.objects[file.key] = b"x" * file.bytes
    for changed in (file, foreign):
        with pytest.raises(ContractBroken, match="is not what its manifest says"):
            verify(store, changed)


def test_an_outage_while_a_part_is_on_its_way_ends_the_batch() -> None:
    store = MemoryStore(fails=lambda verb, key: key.endswith("part-1.jsonl.zst"))
    with pytest.raises(LandingUnavailable):
        land(store, noise(12), part_bytes=100_000)


def test_an_outage_of_the_last_part_is_not_overlooked() -> None:
    store = MemoryStore(fails=lambda verb, key: True)
    with pytest.raises(LandingUnavailable):
        land(store, [[b"1"]], part_bytes=1_000_000)


def test_a_file_that_somebody_changed_is_not_read() -> None:
    store = MemoryStore()
    (file,) = land(store, [[b"1"]])
    store.objects[file.key] += b"x"
    with pytest.raises(ContractBroken, match="is not what its manifest says"):
        list(read_lines(store, file))
    del store.objects[file.key]
    with pytest.raises(ContractBroken, match="is not what its manifest says"):
        list(read_lines(store, file))


@pytest.mark.parametrize("data", [b"", b"{", b'{"batch_id": 1}', b'{"batch_id": "\xff"}', b'{"a":' + b"[" * 3000])
def test_what_is_no_manifest_is_said_to_be_none(data: bytes) -> None:
    store = MemoryStore()
    store.put("manifest", data)
    with pytest.raises(ContractBroken, match="is not a manifest"):
        read_manifest(store, "manifest")


def test_a_batch_that_is_not_there_is_to_be_extracted_first() -> None:
    with pytest.raises(ContractBroken, match="extract it first"):
        read_manifest(MemoryStore(), "manifest")


def test_a_manifest_holds_no_secret_field() -> None:
    names = {field.name for field in msgspec.structs.fields(Manifest)}
    assert not {name for name in names if "password" in name or "token" in name or "secret" in name}


def test_an_object_is_verified_by_reading_it_where_the_store_keeps_no_digest() -> None:
    class WithoutDigests(MemoryStore):
        def head(self, key: str) -> Listed | None:
            found = super().head(key)
            return dataclasses.replace(found, sha256="") if found else None

    store = WithoutDigests()
    (file,) = land(store, [[b"1"]])
    verify(store, file)
    store.objects[file.key] = b"x" * file.bytes
    with pytest.raises(ContractBroken):
        verify(store, file)
    store.objects[file.key] += b"x"
    with pytest.raises(ContractBroken):
        verify(store, file)


def test_the_content_of_a_manifest_is_its_lines_and_how_they_were_read() -> None:
    """A list whose content is as before is not loaded again, so everything that changes the rows must change it."""
    one, two = (LandedFile(key=f"{n}", bytes=n, rows=1, sha256=f"{n}" * 64) for n in (1, 2))
    said = manifest([one, two])
    assert said.bytes == 3
    same = msgspec.structs.replace(said, files=(msgspec.structs.replace(one, key="9", bytes=9), two), rows=7)
    assert same.content == said.content
    others = [
        msgspec.structs.replace(said, **change)
        for change in ({"files": (two, one)}, {"files": (one,)}, {"source": "x"}, {"stream": "x"}, {"spec_version": 2})
    ]
    assert len({other.content for other in [said, *others]}) == 6


def test_ids_and_prefixes_of_checkpoints() -> None:
    """Rows in raw carry these ids, and production has the first of a batch by the batch's own."""
    one = batch()
    assert [checkpoint_id(one, n) for n in (0, 1, 12)] == [one.id, f"{one.id}.1", f"{one.id}.12"]
    assert manifest_key(one, 12) == f"{one.prefix}0012/manifest.json"


def test_an_attempt_is_named_by_mode_and_second_and_is_like_no_other() -> None:
    at = datetime(2026, 3, 2, 2, 0, 1, 999_999, tzinfo=UTC)
    names = {new_attempt("full", at) for _ in range(50)}
    assert len(names) == 50
    assert all(re.fullmatch(r"full-20260302T020001Z-[0-9a-f]{8}", name) for name in names)


def test_a_leftover_of_the_same_moment_stays() -> None:
    store = MemoryStore()
    files = land(store, [[b"1"]])
    said = manifest(files)
    store.put(PREFIX + "beside", b"")
    store.modified[PREFIX + "beside"] = said.extracted_at
    write_manifest(store, said, PREFIX)
    assert PREFIX + "beside" in store.objects


def test_a_file_of_others_with_another_size_is_not_theirs() -> None:
    store = MemoryStore()
    (file,) = land(store, [[b"1"]])
    listed = store.head(file.key)
    assert listed is not None
    with pytest.raises(ContractBroken):
        verify(store, LandedFile(key=file.key, bytes=file.bytes + 1, etag=listed.etag, uri="s3://theirs/x"))


def test_the_rows_of_all_parts_are_counted() -> None:
    with Parts(MemoryStore(), PREFIX, part_bytes=1) as parts:
        for line in range(3):
            parts.add(b"%d\n" % line, 1)
    assert parts.rows == 3


def test_no_thread_is_left_when_parts_are_written() -> None:
    with Parts(MemoryStore(), PREFIX, part_bytes=1) as parts:
        parts.add(b"1\n", 1)
    assert parts.rows == 1
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("upload")] == []


def test_nothing_is_uploaded_any_more_once_an_error_has_ended_the_batch() -> None:
    class Slow(MemoryStore):
        def put(self, key: str, data: bytes) -> str:
            time.sleep(0.1)
            return super().put(key, data)

    def interrupted() -> None:
        with Parts(store, PREFIX, part_bytes=100_000) as parts:
            while not parts.files:
                parts.add(lines, 1000)
            raise RuntimeError("the vendor is gone")

    store, lines = Slow(), b"".join(line + b"\n" for line in noise(1)[0])
    with pytest.raises(RuntimeError):
        interrupted()
    uploaded = len(store.objects)
    time.sleep(0.2)
    assert 1 <= len(store.objects) == uploaded <= 2


def test_what_the_manifest_of_an_older_version_does_not_say() -> None:
    plain = manifest([])
    assert (plain.spec_version, plain.requests, plain.retries, plain.waited_seconds, plain.seconds) == (1, 0, 0, 0, 0)


def test_a_part_has_four_megabytes_unless_said_otherwise() -> None:
    """Two of them are held at a time (`Parts`), for records and for rejects: memory is bounded by that."""
    assert PART_BYTES == 4_194_304


def test_what_a_file_of_others_does_not_say_is_zero() -> None:
    assert (LandedFile(key="k", bytes=1).rows, manifest([]).rows, manifest([]).rejected) == (0, 0, 0)
