"""The landing: compressed JSON Lines parts in S3 and, written last, the manifest that makes them a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol

import msgspec
import zstandard

from catchment.batch import Batch
from catchment.errors import ContractBroken, LandingUnavailable, NeedsPerson

PART_BYTES = 4 * 1024 * 1024
MANIFEST = "manifest.json"


class Store(Protocol):
    """An object store. Keys are relative to its root; every write is whole or not at all."""

    @property
    def uri(self) -> str: ...
    def put(self, key: str, data: bytes) -> None: ...
    def get(self, key: str) -> bytes | None: ...
    def keys(self, prefix: str) -> Iterator[str]: ...
    def delete(self, keys: Iterable[str]) -> None: ...


class S3Store:
    """A bucket, through a boto3 S3 client (with whatever end point and credentials it was made with)."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    @property
    def uri(self) -> str:
        return f"s3://{self._bucket}/"

    def put(self, key: str, data: bytes) -> None:
        self._call("write", key, self._client.put_object, Bucket=self._bucket, Key=key, Body=data)

    def get(self, key: str) -> bytes | None:
        try:
            reply = self._call("read", key, self._client.get_object, Bucket=self._bucket, Key=key)
        except FileNotFoundError:
            return None
        return bytes(self._call("read", key, reply["Body"].read))

    def keys(self, prefix: str) -> Iterator[str]:
        more: dict[str, str] = {}
        while True:
            reply = self._call("list", prefix, self._client.list_objects_v2, Bucket=self._bucket, Prefix=prefix, **more)
            yield from (item["Key"] for item in reply.get("Contents", ()))
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


class LandedFile(msgspec.Struct, frozen=True):
    """One file of a batch: `bytes` and `sha256` are of the compressed object, `rows` its lines."""

    name: str
    rows: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch holds, and what it took. A load reads exactly the files that it names."""

    batch_id: str
    source: str
    stream: str
    kind: str
    mode: str
    interval_start: datetime
    interval_end: datetime
    extracted_at: datetime
    files: tuple[LandedFile, ...]
    rejects: tuple[LandedFile, ...] = ()
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


def write_manifest(store: Store, batch: Batch, manifest: Manifest) -> str:
    """Make the landed files a batch, and remove what an earlier attempt left beside them. Returns the key."""
    key = batch.prefix + MANIFEST
    store.put(key, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    named = {batch.prefix + file.name for file in (*manifest.files, *manifest.rejects)} | {key}
    store.delete([left for left in store.keys(batch.prefix) if left not in named])
    return key


def withdraw_manifest(store: Store, batch: Batch) -> None:
    """Unmake a landed batch before its parts are replaced: an old manifest must never name new parts."""
    store.delete([batch.prefix + MANIFEST])


def read_manifest(store: Store, key: str) -> Manifest:
    data = store.get(key)
    if data is None:
        raise ContractBroken(f"There is no batch at {store.uri}{key}: extract it first.")
    try:
        return msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise ContractBroken(f"{store.uri}{key} is not a manifest ({error}): extract the batch again.") from error


def read_lines(store: Store, prefix: str, file: LandedFile) -> Iterator[bytes]:
    """The lines of a landed file, without their ends; raises when it is not the file that the manifest names."""
    data = store.get(prefix + file.name)
    if data is None or hashlib.sha256(data).hexdigest() != file.sha256:
        raise ContractBroken(
            f"{store.uri}{prefix}{file.name} is not what its manifest says: somebody changed the landing. "
            "Extract the batch again."
        )
    rest = b""
    for chunk in zstandard.ZstdDecompressor().read_to_iter(data):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


class Parts:
    """Writes JSON Lines into parts of about `part_bytes` compressed, `{name}-0.jsonl.zst` and on.

    One part is filled while one is on its way, so memory is a few parts however long the batch. Leaving the block
    without an error flushes the last part; `files` is complete after that.
    """

    def __init__(self, store: Store, prefix: str, name: str = "part", *, part_bytes: int = PART_BYTES) -> None:
        self.files: list[LandedFile] = []
        self._store = store
        self._prefix = prefix
        self._name = name
        self._part_bytes = part_bytes
        self._uploader = ThreadPoolExecutor(1, thread_name_prefix=f"upload-{name}")
        self._upload: Future[None] | None = None
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
        self._compressor = zstandard.ZstdCompressor(level=1).compressobj()
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
        data = b"".join(self._chunks)
        name = f"{self._name}-{len(self.files)}.jsonl.zst"
        self.files.append(
            LandedFile(name=name, rows=self._rows, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        )
        self._rows = 0
        self._wait()
        self._upload = self._uploader.submit(self._store.put, self._prefix + name, data)

    def _wait(self) -> None:
        if self._upload is not None:
            self._upload.result()
            self._upload = None
