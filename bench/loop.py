"""The practical limit: the fastest loop one can write by hand for this one API.

HTTP by http.client, pages split without parsing records, zstd, 8 MB parts put to S3 by one upload thread. It has no
retries, no limits, no checks, no manifest, and can read nothing but this API. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import msgspec
import zstandard

from bench.measure import cpu_seconds, peak_mb


class Page(msgspec.Struct):
    """What the loop wants of a reply."""

    entries: list[msgspec.Raw]
    cursor: str
    has_more: bool


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vendor", type=int, required=True)
    parser.add_argument("--s3", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--prefix", required=True)
    args = parser.parse_args()
    s3 = boto3.client(
        "s3", endpoint_url=args.s3, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
    )
    began, cpu_began = time.perf_counter(), cpu_seconds()
    rows = extract(args, s3)
    result = {"rows": rows, "seconds": time.perf_counter() - began, "cpu_seconds": cpu_seconds() - cpu_began}
    print(json.dumps({**result, "rss_mb": peak_mb()}))


def extract(args: argparse.Namespace, s3: object) -> int:
    vendor = http.client.HTTPConnection("127.0.0.1", args.vendor)
    decoder = msgspec.json.Decoder(Page)
    compressor, chunks, size, parts, rows, cursor = zstandard.ZstdCompressor(level=1).compressobj(), [], 0, 0, 0, ""
    with ThreadPoolExecutor(1) as uploader:
        uploads = []

        def put(data: bytes, number: int) -> None:
            s3.put_object(Bucket=args.bucket, Key=f"{args.prefix}part-{number}.jsonl.zst", Body=data)

        while True:
            vendor.request("GET", f"/v1/records?per_page=1000{cursor}")
            page = decoder.decode(vendor.getresponse().read())
            rows += len(page.entries)
            data = compressor.compress(b"\n".join(page.entries) + b"\n")
            chunks.append(data)
            size += len(data)
            if size >= 8 << 20 or not page.has_more:
                chunks.append(compressor.flush())
                uploads.append(uploader.submit(put, b"".join(chunks), parts))
                compressor, chunks, size, parts = zstandard.ZstdCompressor(level=1).compressobj(), [], 0, parts + 1
            if not page.has_more:
                break
            cursor = f"&cursor={page.cursor}"
        for upload in uploads:
            upload.result()
    return rows


if __name__ == "__main__":
    main()
