"""Moto's S3 backend (5.2), with its objects in an `ObjectStore`.

Only what the platform needs is kept: buckets, objects, their headers and checksums. Versioning, which would need more
than one file per key, is refused. Open multipart uploads are forgotten at a restart, as if they had been aborted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3 import models
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket, FakeKey, S3Backend, s3_backends

from local.s3.store import Attributes, ObjectStore, StoredObject

PARTITION = "aws"
REGION = "us-east-1"

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class VersioningRefused(S3ClientError):
    code = 501

    def __init__(self) -> None:
        super().__init__("NotImplemented", "The local S3 keeps one version per key; versioning can't be switched on.")


class OnDisk:
    """Stands in for moto's spooled buffer of a key: reads the file when asked, holds neither bytes nor a descriptor.

    Moto reads a buffer whole, after `seek(0)`.
    """

    def __init__(self, stored: StoredObject) -> None:
        self._stored = stored

    def seek(self, offset: int) -> None:
        if offset:
            raise ValueError("an object on disk is read from its start")

    def read(self) -> bytes:
        return self._stored.read()

    def close(self) -> None:
        """Nothing is held open."""


class PersistentBackend(S3Backend):
    """Notes which keys a request changed; `Persistence` brings them to disk before the request is answered."""

    changes = threading.local()

    def _note(self, bucket_name: str, key_name: str | None) -> None:
        changed = getattr(self.changes, "keys", None)
        if changed is not None:
            changed[(bucket_name, key_name)] = None

    def create_bucket(self, bucket_name: str, *args: Any, **kwargs: Any) -> FakeBucket:
        bucket = super().create_bucket(bucket_name, *args, **kwargs)
        self._note(bucket_name, None)
        return bucket

    def delete_bucket(self, bucket_name: str) -> FakeBucket | None:
        self._note(bucket_name, None)
        return super().delete_bucket(bucket_name)

    def put_object(self, bucket_name: str, key_name: str, *args: Any, **kwargs: Any) -> FakeKey:
        self._note(bucket_name, key_name)
        return super().put_object(bucket_name, key_name, *args, **kwargs)

    def delete_object(self, bucket_name: str, key_name: str, *args: Any, **kwargs: Any) -> Any:
        self._note(bucket_name, key_name)
        return super().delete_object(bucket_name, key_name, *args, **kwargs)

    def put_bucket_versioning(self, bucket_name: str, status: str) -> None:
        if status == "Enabled":
            raise VersioningRefused


class Persistence:
    """The WSGI layer around moto: what a request changed is on disk before its answer is sent."""

    def __init__(self, app: WsgiApp, store: ObjectStore) -> None:
        self._app = app
        self._store = store
        self._saving = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        changed: dict[tuple[str, str | None], None] = {}
        PersistentBackend.changes.keys = changed
        answer = self._app(environ, start_response)  # moto computes the whole answer before it returns
        for bucket_name, key_name in changed:
            with self._saving:  # so that of two writers of one key, the file keeps the one that moto kept
                self._save(bucket_name, key_name)
        return answer

    def _save(self, bucket_name: str, key_name: str | None) -> None:
        bucket = backend().buckets.get(bucket_name)
        if bucket is None:
            self._store.remove_bucket(bucket_name)
        elif key_name is None:
            self._store.add_bucket(bucket_name)
        elif (key := bucket.keys.get(key_name)) is None:
            self._store.remove(bucket_name, key_name)
        elif not isinstance(key._value_buffer, OnDisk):
            _move_to_disk(key, bucket_name, self._store)


def _move_to_disk(key: FakeKey, bucket_name: str, store: ObjectStore) -> None:
    stored = store.save(bucket_name, _attributes(key), key.value)
    with key.lock:
        key._value_buffer.close()
        key._value_buffer = OnDisk(stored)
        key.multipart = None


def _attributes(key: FakeKey) -> Attributes:
    return Attributes(
        key=key.name,
        etag=key.etag.strip('"'),
        last_modified=key.last_modified.isoformat(),
        metadata={str(name): str(value) for name, value in key.metadata.items()},
        checksum_algorithm=key.checksum_algorithm,
        checksum_value=key.checksum_value,
        checksum_type=key.checksum_type,
        checksum_parts=key.checksum_parts,
    )


def backend() -> PersistentBackend:
    """The one account's backend."""
    return s3_backends[DEFAULT_ACCOUNT_ID][PARTITION]


def install(store: ObjectStore) -> None:
    """Make moto use the persistent backend, and give it the objects that are on disk."""
    s3_backends.backend = PersistentBackend
    models.S3Backend = PersistentBackend
    for bucket_name in store.buckets():
        bucket = backend().create_bucket(bucket_name, REGION)
        s3_backends.bucket_accounts[bucket_name] = (PARTITION, DEFAULT_ACCOUNT_ID)
        for stored in store.objects(bucket_name):
            bucket.keys[stored.attributes.key] = _restored(stored, bucket_name)


def _restored(stored: StoredObject, bucket_name: str) -> FakeKey:
    attributes = stored.attributes
    key = FakeKey(
        attributes.key,
        b"",
        account_id=DEFAULT_ACCOUNT_ID,
        region_name=REGION,
        etag=attributes.etag,
        version_id="null",
        bucket_name=bucket_name,
        checksum_value=attributes.checksum_value,
        checksum_type=attributes.checksum_type,
        checksum_parts=attributes.checksum_parts,
    )
    key.checksum_algorithm = attributes.checksum_algorithm
    key.set_metadata(dict(attributes.metadata))
    key.last_modified = datetime.fromisoformat(attributes.last_modified)
    key.contentsize = stored.size
    key._value_buffer.close()
    key._value_buffer = OnDisk(stored)
    return key
