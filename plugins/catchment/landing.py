"""The landing: compressed JSON Lines parts in S3 and, written last, the manifest that makes them a batch."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Any, Protocol

import msgspec
import zstandard

from catchment.batch import Batch, stamp
from catchment.errors import ContractBroken, LandingUnavailable, NeedsPerson
from catchment.spec import Current

PART_BYTES = 4 * 1024 * 1024
_ZSTD = zstandard.ZstdCompressionParameters.from_level(1, window_log=18, hash_log=12)
"""Level 1 with tables that fit the processor's nearest cache: 12 % faster and 3 % smaller on the bench's records."""
MANIFEST = "manifest.json"


class RecordFormat(StrEnum):
    """What the files of a batch hold: a record a line; a record with its parent's key a line; or what others write."""

    RECORDS = "records"
    ENVELOPES = "envelopes"
    GZIP_RECORDS = "gzip_records"
    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True)
class Listed:
    """An object as the store describes it; `sha256` is in hex, "" where the store knows none."""

    key: str
    bytes: int
    etag: str
    modified: datetime
    sha256: str = ""


class Store(Protocol):
    """An object store. Keys are relative to its root; every write is whole or not at all."""

    @property
    def uri(self) -> str: ...
    def put(self, key: str, data: bytes) -> str:
        """Write an object; returns its SHA-256, in hex."""

    def get(self, key: str) -> bytes | None: ...
    def head(self, key: str) -> Listed | None: ...
    def entries(self, prefix: str) -> Iterator[Listed]: ...
    def delete(self, keys: Iterable[str]) -> None: ...


class S3Store:
    """A bucket, through a boto3 S3 client (with whatever end point and credentials it was made with)."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    @property
    def uri(self) -> str:
        return f"s3://{self._bucket}/"

    def put(self, key: str, data: bytes) -> str:
        """Write an object. S3 compares the digest with what arrived, and keeps it for `head`."""
        digest = hashlib.sha256(data).digest()
        checksum = base64.b64encode(digest).decode()
        self._call(
            "write", key, self._client.put_object, Bucket=self._bucket, Key=key, Body=data, ChecksumSHA256=checksum
        )
        return digest.hex()

    def get(self, key: str) -> bytes | None:
        try:
            reply = self._call("read", key, self._client.get_object, Bucket=self._bucket, Key=key)
        except FileNotFoundError:
            return None
        return bytes(self._call("read", key, reply["Body"].read))

    def head(self, key: str) -> Listed | None:
        try:
            reply = self._call(
                "read", key, self._client.head_object, Bucket=self._bucket, Key=key, ChecksumMode="ENABLED"
            )
        except FileNotFoundError:
            return None
        checksum = reply.get("ChecksumSHA256", "")
        sha256 = base64.b64decode(checksum).hex() if checksum and "-" not in checksum else ""
        return Listed(key, reply["ContentLength"], reply["ETag"].strip('"'), reply["LastModified"], sha256)

    def entries(self, prefix: str) -> Iterator[Listed]:
        more: dict[str, str] = {}
        while True:
            reply = self._call("list", prefix, self._client.list_objects_v2, Bucket=self._bucket, Prefix=prefix, **more)
            for item in reply.get("Contents", ()):
                yield Listed(item["Key"], item["Size"], item["ETag"].strip('"'), item["LastModified"])
            if not reply.get("IsTruncated"):
                return
            more = {"ContinuationToken": reply["NextContinuationToken"]}

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._call("delete", key, self._client.delete_object, Bucket=self._bucket, Key=key)

    def _call(self, verb: str, key: str, function: Any, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        where = f"{self.uri}{key}"
        try:
            return function(**arguments)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code in ("NoSuchKey", "404"):
                raise FileNotFoundError(where) from error
            if 400 <= status < 500 and status not in (408, 429):
                raise NeedsPerson(
                    f"S3 refused to {verb} {where} ({code}): check the bucket and the rights of the connection "
                    '"aws_default" (docs/production.md).'
                ) from error
            raise LandingUnavailable(f"S3 could not {verb} {where} ({code}): it is tried again later.") from error
        except (BotoCoreError, OSError) as error:
            raise LandingUnavailable(
                f"S3 could not {verb} {where} ({type(error).__name__}: {error}): it is tried again later."
            ) from error


class LandedFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file of a batch: `key` below the bucket, `bytes` of the object as it lies there.

    Ours have `sha256` and `rows`. Files that others wrote have `uri` and `etag`; how many rows they hold is known when
    they are loaded.
    """

    key: str
    bytes: int
    rows: int = 0
    sha256: str = ""
    etag: str = ""
    uri: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint of a batch holds, and what it took. A load reads exactly the files that it names.

    `batch_id` is the checkpoint's own id, which its rows carry; `batch` is the batch's. `complete`: it is the last of
    its batch. `as_of` is the moment that it speaks of. A long reading that is taken up again keeps its `attempt`.
    """

    batch_id: str
    batch: str
    checkpoint: int
    complete: bool
    attempt: str
    source: str
    stream: str
    kind: str
    mode: str
    current: Current
    key: tuple[str, ...]
    record_format: RecordFormat
    columns: tuple[str, ...] = ()
    interval_start: datetime
    interval_end: datetime
    extracted_at: datetime
    as_of: datetime
    files: tuple[LandedFile, ...]
    rejects: tuple[LandedFile, ...] = ()
    gaps: tuple[str, ...] = ()
    rows: int = 0
    rejected: int = 0
    window_from: datetime | None = None
    window_to: datetime | None = None
    cursor_from: str | None = None
    cursor_to: str | None = None
    spec_version: int = 1
    extractor_version: str = ""
    requests: int = 0
    retries: int = 0
    waited_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def content(self) -> str:
        """A digest of the landed lines and of how they were read: equal for batches that hold the same."""
        read = (self.source, self.stream, str(self.spec_version), *(file.sha256 for file in self.files))
        return hashlib.sha256("\n".join(read).encode()).hexdigest()


def checkpoint_id(batch: Batch, number: int) -> str:
    """The id that the rows of a checkpoint carry: the batch's own for the first."""
    return f"{batch.id}.{number}" if number else batch.id


def checkpoint_prefix(batch: Batch, number: int) -> str:
    """Where a checkpoint lands, below the bucket; ends with a slash."""
    return f"{batch.prefix}{number:04d}/"


def manifest_key(batch: Batch, checkpoint: int = 0) -> str:
    return checkpoint_prefix(batch, checkpoint) + MANIFEST


def new_attempt(mode: str, now: datetime) -> str:
    """A name for an attempt that no other has; later ones sort after earlier ones of the same mode."""
    return f"{mode}-{stamp(now.replace(microsecond=0))}-{secrets.token_hex(4)}"


def write_manifest(store: Store, manifest: Manifest, prefix: str) -> str:
    """Make the landed files a checkpoint, and remove what earlier attempts left beside them. Returns the key.

    What is younger than this attempt stays: it is another attempt's, which still writes or has just ended.
    """
    key = prefix + MANIFEST
    store.put(key, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    named = {file.key for file in (*manifest.files, *manifest.rejects)} | {key}
    left = [entry for entry in store.entries(prefix) if entry.key not in named]
    store.delete([entry.key for entry in left if entry.modified.astimezone(UTC) < manifest.extracted_at])
    return key


def read_manifest(store: Store, key: str) -> Manifest:
    data = store.get(key)
    if data is None:
        raise ContractBroken(f"There is no batch at {store.uri}{key}: extract it first.")
    try:
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ContractBroken(f"{store.uri}{key} is not a manifest ({error}): extract the batch again.") from error


def read_lines(store: Store, file: LandedFile) -> Iterator[bytes]:
    """The lines of a landed file, without their ends; raises when it is not the file that the manifest names."""
    data = store.get(file.key)
    if data is None or hashlib.sha256(data).hexdigest() != file.sha256:
        raise changed(store.uri + file.key)
    rest = b""
    for chunk in zstandard.ZstdDecompressor().read_to_iter(data):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def verify(store: Store, file: LandedFile) -> None:
    """Raise unless the object is the one that the manifest names, by size and digest (others' files: by ETag).

    A store that keeps no digest is read for it.
    """
    found = store.head(file.key)
    if found is None or found.bytes != file.bytes:
        raise changed(store.uri + file.key)
    if file.etag:
        if found.etag != file.etag:
            raise changed(store.uri + file.key)
        return
    digest = found.sha256 or hashlib.sha256(store.get(file.key) or b"").hexdigest()
    if digest != file.sha256:
        raise changed(store.uri + file.key)


def changed(where: str) -> ContractBroken:
    return ContractBroken(
        f"{where} is not what its manifest says: somebody changed the landing, or another attempt at the same batch "
        "replaced it. Extract the batch again; the rows loaded before stay."
    )


class Parts:
    """Writes JSON Lines into parts of about `part_bytes` compressed, `{name}-0.jsonl.zst` and on below `prefix`.

    One part is filled while one is on its way, so memory is a few parts however long the batch. Leaving the block
    without an error flushes the last part; `files` is complete after that. Names hold a token of this very writer, so
    that two attempts at one batch never write the same object.
    """

    def __init__(self, store: Store, prefix: str, name: str = "part", *, part_bytes: int = PART_BYTES) -> None:
        self.files: list[LandedFile] = []
        self._store = store
        self._prefix = f"{prefix}{secrets.token_hex(4)}-{name}"
        self._part_bytes = part_bytes
        self._uploader = ThreadPoolExecutor(1, thread_name_prefix=f"upload-{name}")
        self._upload: Future[LandedFile] | None = None
        self._start_part()

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if error is None:
                self._finish_part()
                self._wait()
        finally:
            self._uploader.shutdown(wait=True, cancel_futures=True)

    def add(self, lines: bytes, rows: int) -> None:
        """Append `rows` complete lines."""
        self._write(self._compressor.compress(lines))
        self._rows += rows
        if self._size >= self._part_bytes:
            self._finish_part()
            self._start_part()

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    def _start_part(self) -> None:
        self._compressor = zstandard.ZstdCompressor(compression_params=_ZSTD).compressobj()
        self._chunks: list[bytes] = []
        self._size = 0
        self._rows = 0

    def _write(self, data: bytes) -> None:
        if data:
            self._chunks.append(data)
            self._size += len(data)

    def _finish_part(self) -> None:
        if not self._rows:
            return
        self._write(self._compressor.flush())
        self._wait()
        key = f"{self._prefix}-{len(self.files)}.jsonl.zst"
        self._upload = self._uploader.submit(self._put, key, b"".join(self._chunks), self._rows)

    def _put(self, key: str, data: bytes, rows: int) -> LandedFile:
        return LandedFile(key=key, rows=rows, bytes=len(data), sha256=self._store.put(key, data))

    def _wait(self) -> None:
        if self._upload is not None:
            self.files.append(self._upload.result())
            self._upload = None
