"""The peer: dlt's REST source to the same S3 and, where it can, to the same warehouse. Runs in its own environment.

Prints one JSON object. Measured is `pipeline.run`, without imports. `--tuned` is what dlt's performance guide says:
parallel resources over the same windows that we slice by, more extract and normalize workers, larger buffers, JSON
Lines instead of Parquet, no nesting.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from datetime import timedelta
from itertools import pairwise

import dlt
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from dlt.sources.rest_api import rest_api_source

from bench.measure import cpu_seconds, peak_mb
from bench.vendor import EPOCH

WINDOWS = 8


def source(port: int, rows: int, *, tuned: bool):
    """The API for dlt: one resource, or one for each of a few windows."""
    step = rows // WINDOWS // 1000 * 1000
    bounds = [step * n for n in range(WINDOWS)] + [rows] if tuned else [0, rows]
    resources = [
        {
            "name": f"records_{number}",
            "table_name": "records",
            "max_table_nesting": 0,
            "parallelized": tuned,
            "endpoint": {
                "path": "records",
                "params": {
                    "per_page": 1000,
                    "start-date": (EPOCH + timedelta(seconds=start)).isoformat(),
                    "end-date": (EPOCH + timedelta(seconds=end)).isoformat(),
                },
                "data_selector": "entries",
                "paginator": JSONResponseCursorPaginator(
                    cursor_path="cursor", cursor_param="cursor", has_more_path="has_more"
                ),
            },
        }
        for number, (start, end) in enumerate(pairwise(bounds))
    ]
    return rest_api_source(
        {"client": {"base_url": f"http://127.0.0.1:{port}/v1/"}, "resources": resources},
        max_table_nesting=0,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vendor", type=int, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--s3", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--tuned", action="store_true")
    args = parser.parse_args()
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
    if args.tuned:
        os.environ |= {
            "EXTRACT__WORKERS": "8",
            "NORMALIZE__WORKERS": "2",
            "LOAD__WORKERS": "4",
            "DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
            "DATA_WRITER__FILE_MAX_ITEMS": "100000",
        }
    destination = dlt.destinations.filesystem(
        bucket_url=f"s3://{args.bucket}/{args.prefix}",
        credentials={
            "aws_access_key_id": "k",
            "aws_secret_access_key": "s",
            "endpoint_url": args.s3,
            "region_name": "us-east-1",
        },
    )
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline("bench", destination=destination, dataset_name="d", pipelines_dir=folder)
        began, cpu_began = time.perf_counter(), cpu_seconds()
        pipeline.run(
            source(args.vendor, args.rows, tuned=args.tuned),
            loader_file_format="jsonl" if args.tuned else "parquet",
            write_disposition="append",
        )
        result = {"seconds": time.perf_counter() - began, "cpu_seconds": cpu_seconds() - cpu_began}
        rows = pipeline.last_trace.last_normalize_info.row_counts["records"]
    print(json.dumps({**result, "rows": rows, "rss_mb": peak_mb()}))


if __name__ == "__main__":
    main()
