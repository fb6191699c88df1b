"""A bucket through boto3: what it gives back, and what its errors ask for."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from catchment.errors import LandingUnavailable, NeedsPerson
from catchment.landing import Listed, S3Store


class Client:
    """A boto3 S3 client that fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def put_object(self, **_: Any) -> None:
        raise self._error

    get_object = head_object = list_objects_v2 = delete_object = put_object


def refused(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (refused("AccessDenied", 403), NeedsPerson, 'the rights of the connection "aws_default"'),
        (refused("NoSuchBucket", 404), NeedsPerson, "check the bucket"),
        (refused("SlowDown", 503), LandingUnavailable, "tried again later"),
        (refused("InternalError", 500), LandingUnavailable, "tried again later"),
        (refused("RequestTimeout", 408), LandingUnavailable, "tried again later"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), LandingUnavailable, "tried again later"),
        (ConnectionResetError("cut"), LandingUnavailable, "tried again later"),
    ],
)
def test_an_s3_error_says_what_to_do(error: Exception, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says) as raised:
        S3Store(Client(error), "bucket").put("a/key", b"")
    assert "s3://bucket/a/key" in str(raised.value)


@pytest.mark.parametrize("code", ["NoSuchKey", "404"])
def test_an_object_that_is_not_there_is_none(code: str) -> None:
    """HEAD has no body to name a code: boto3 then has the status where the code would be."""
    store = S3Store(Client(refused(code, 404)), "bucket")
    assert store.get("a/key") is None
    assert store.head("a/key") is None


@pytest.mark.parametrize(
    ("call", "verb"),
    [
        (lambda store: store.get("a/key"), "read"),
        (lambda store: store.head("a/key"), "read"),
        (lambda store: store.put("a/key", b""), "write"),
        (lambda store: list(store.entries("a/key")), "list"),
        (lambda store: store.delete(["a/key"]), "delete"),
    ],
)
def test_an_error_says_what_was_tried(call: Callable[[S3Store], object], verb: str) -> None:
    with pytest.raises(NeedsPerson, match=rf"S3 refused to {verb} s3://bucket/a/key \(AccessDenied"):
        call(S3Store(Client(refused("AccessDenied", 403)), "bucket"))


def test_a_body_that_breaks_off_is_tried_again() -> None:
    class Cut:
        def get_object(self, **_: Any) -> dict[str, Any]:
            return {"Body": self}

        def read(self) -> bytes:
            raise ConnectionResetError("cut")

    with pytest.raises(LandingUnavailable, match=r"could not read s3://bucket/a/key \(ConnectionResetError: cut"):
        S3Store(Cut(), "bucket").get("a/key")


class Bucket:
    """A boto3 S3 client with one bucket, as strict as S3: digests are compared, lists come two at a time."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.checksums: dict[str, str] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ChecksumSHA256: str) -> None:
        assert Bucket == "bucket"
        assert base64.b64decode(ChecksumSHA256) == hashlib.sha256(Body).digest()
        self.objects[Key], self.checksums[Key] = Body, ChecksumSHA256

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        assert Bucket == "bucket"
        return {"Body": BytesIO(self.objects[Key])}

    def head_object(self, *, Bucket: str, Key: str, ChecksumMode: str | None = None) -> dict[str, Any]:
        assert Bucket == "bucket"
        known = {"ChecksumSHA256": self.checksums[Key]} if ChecksumMode == "ENABLED" and Key in self.checksums else {}
        listed = self._listed(Key)
        return {"ContentLength": listed["Size"], **listed, **known}

    def list_objects_v2(self, *, Bucket: str, Prefix: str, ContinuationToken: str = "") -> dict[str, Any]:
        assert Bucket == "bucket"
        keys = sorted(key for key in self.objects if key.startswith(Prefix) and key > ContinuationToken)
        if not keys:
            return {"IsTruncated": False}
        more = {"IsTruncated": len(keys) > 2, **({"NextContinuationToken": keys[1]} if len(keys) > 2 else {})}
        return {"Contents": [self._listed(key) for key in keys[:2]], **more}

    def delete_object(self, *, Bucket: str, Key: str) -> None:
        assert Bucket == "bucket"
        self.objects.pop(Key, None)

    def _listed(self, key: str) -> dict[str, Any]:
        return {"Key": key, "Size": len(self.objects[key]), "ETag": '"tag"', "LastModified": WRITTEN}


WRITTEN = datetime(2026, 3, 2, tzinfo=UTC)


def test_a_bucket_gives_back_what_was_put_and_lists_all_of_it() -> None:
    client = Bucket()
    store = S3Store(client, "bucket")
    for name in ("a/1", "a/2", "a/3", "a/4", "a/5", "b/1"):
        store.put(name, name.encode())
    assert store.get("a/3") == b"a/3"
    assert list(store.entries("a/")) == [Listed(f"a/{n}", 3, "tag", WRITTEN) for n in range(1, 6)]
    assert list(store.entries("c/")) == []
    store.delete(["a/1", "a/2"])
    assert sorted(client.objects) == ["a/3", "a/4", "a/5", "b/1"]


@pytest.mark.parametrize("checksum", ["", "2sJ5Ck8gVqQ=-3"])
def test_a_digest_that_is_not_of_the_whole_object_is_none(checksum: str) -> None:
    """S3 gives a multipart upload a digest of digests ("checking object integrity": it ends in -3 for three parts)."""
    client = Bucket()
    store = S3Store(client, "bucket")
    assert store.put("a/1", b"some") == hashlib.sha256(b"some").hexdigest()
    whole = Listed("a/1", 4, "tag", WRITTEN, hashlib.sha256(b"some").hexdigest())
    assert store.head("a/1") == whole
    client.checksums["a/1"] = checksum
    assert store.head("a/1") == Listed("a/1", 4, "tag", WRITTEN, "")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (399, LandingUnavailable),
        (400, NeedsPerson),
        (429, LandingUnavailable),
        (430, NeedsPerson),
        (499, NeedsPerson),
        (500, LandingUnavailable),
    ],
)
def test_which_status_of_s3_a_person_must_see_to(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        S3Store(Client(refused("Code", status)), "bucket").put("a/key", b"")


def test_an_error_without_a_status_is_tried_again() -> None:
    with pytest.raises(LandingUnavailable):
        S3Store(Client(ClientError({}, "PutObject")), "bucket").put("a/key", b"")
