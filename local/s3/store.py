"""Objects as files: one file per object, its attributes in the first line, its bytes after it.

A file is written beside its final name and renamed, so that a reader or a restart sees the old object or the new one,
never a part. That holds for a killed process; a power cut may take what the kernel had not written yet.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


class Replaced(OSError):
    """The object was replaced or deleted after its reader had looked it up; asking again gives the new one."""


@dataclass(frozen=True)
class Attributes:
    """What S3 tells about an object besides its bytes. `last_modified` is ISO 8601; `metadata` are its headers."""

    key: str
    etag: str
    last_modified: str
    metadata: dict[str, str]
    checksum_algorithm: str | None = None
    checksum_value: str | None = None
    checksum_type: str | None = None
    checksum_parts: int | None = None

    def line(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=True, sort_keys=True).encode() + b"\n"


@dataclass(frozen=True)
class StoredObject:
    """An object on disk: where it is, what it is, and how many bytes it has."""

    path: Path
    attributes: Attributes
    size: int

    def read(self) -> bytes:
        """The object's bytes.

        Raises:
            Replaced: another version stands there now.
        """
        try:
            with self.path.open("rb") as file:
                if file.readline() != self.attributes.line():
                    raise Replaced(f"{self.attributes.key} was replaced while it was read; ask again")
                return file.read()
        except FileNotFoundError:
            raise Replaced(f"{self.attributes.key} was deleted while it was read; ask again") from None


class ObjectStore:
    """Buckets are folders below `root`; a key's file is named by the key's hash, as keys may not fit a file name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def buckets(self) -> list[str]:
        return sorted(path.name for path in self.root.iterdir() if path.is_dir())

    def add_bucket(self, bucket: str) -> None:
        (self.root / bucket).mkdir(exist_ok=True)

    def remove_bucket(self, bucket: str) -> None:
        shutil.rmtree(self.root / bucket, ignore_errors=True)

    def save(self, bucket: str, attributes: Attributes, body: bytes) -> StoredObject:
        """Write the object; when this returns, a killed process can't lose it."""
        path = self._path(bucket, attributes.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{threading.get_ident()}.part")
        with part.open("wb", buffering=0) as file:
            file.write(attributes.line())
            _write_all(file.fileno(), body)
        part.replace(path)
        return StoredObject(path, attributes, len(body))

    def remove(self, bucket: str, key: str) -> None:
        self._path(bucket, key).unlink(missing_ok=True)

    def objects(self, bucket: str) -> Iterator[StoredObject]:
        """All objects of a bucket; what a killed writer left half done is removed on the way."""
        for path in sorted((self.root / bucket).glob("*/*")):
            if path.suffix == ".part":
                path.unlink()
                continue
            with path.open("rb") as file:
                line = file.readline()
            yield StoredObject(path, Attributes(**json.loads(line)), path.stat().st_size - len(line))

    def _path(self, bucket: str, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.root / bucket / name[:2] / name


def _write_all(fd: int, body: bytes) -> None:
    """`write` may take less than it is given (2 GiB at most at a time)."""
    rest = memoryview(body)
    while rest:
        rest = rest[os.write(fd, rest) :]
