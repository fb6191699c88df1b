"""What really arrived: rows and a checksum of their ids, read back from S3."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq
import zstandard


@dataclass(frozen=True)
class Arrived:
    """Rows, and the sum of their ids."""

    rows: int
    ids: int


def expected(rows: int) -> Arrived:
    """Ids count from 0."""
    return Arrived(rows, rows * (rows - 1) // 2)


def arrived(s3: Any, bucket: str, prefix: str) -> Arrived:
    """Reads every data object below `prefix`: JSON Lines (zstd, gzip or plain) and Parquet."""
    rows = ids = 0
    for key in keys(s3, bucket, prefix):
        if "/_dlt" in key or key.endswith(("manifest.json", "init")):
            continue
        for identity in _ids(key, s3.get_object(Bucket=bucket, Key=key)["Body"].read()):
            rows, ids = rows + 1, ids + identity
    return Arrived(rows, ids)


def keys(s3: Any, bucket: str, prefix: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (item["Key"] for item in page.get("Contents", ()))


def remove(s3: Any, bucket: str, prefix: str) -> None:
    for key in list(keys(s3, bucket, prefix)):
        s3.delete_object(Bucket=bucket, Key=key)


def _ids(key: str, data: bytes) -> Iterator[int]:
    if key.endswith(".parquet"):
        yield from pq.read_table(io.BytesIO(data), columns=["id"]).column("id").to_pylist()
        return
    if key.endswith(".zst"):
        data = zstandard.ZstdDecompressor().stream_reader(data).read()
    elif data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    for line in data.splitlines():
        yield json.loads(line)["id"]
