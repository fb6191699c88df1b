"""Our own path on the bench's API, in a process of its own. Prints one JSON object."""

from __future__ import annotations

import argparse
import json
import time
from datetime import timedelta

from catchment.extract.http import Vendor
from catchment.extract.plan import Progress

from bench.measure import peak_mb
from bench.vendor import EPOCH
from catchment.batch import Batch
from catchment.connection import Connection
from catchment.extract.run import Extraction
from catchment.landing import MANIFEST, S3Store
from catchment.platform import s3_client
from catchment.spec import SECOND, BasicKey, CursorPages, RateLimit, SourceSpec, Stream, Window
from catchment.warehouse import session
from catchment.warehouse.load import load

PAGES_PER_SLICE = 4


def spec(*, personal: tuple[str, ...] = (), parallel: int) -> SourceSpec:
    """The bench's API as a source."""
    return SourceSpec(
        name="bench",
        title="Bench",
        base_url="http://127.0.0.1/v1",
        auth=BasicKey(),
        rate=RateLimit(100_000, per=SECOND),
        parallel=parallel,
        history_start=EPOCH,
        streams=(
            Stream(
                name="records",
                path="records",
                records="entries",
                key=("uuid",),
                read=Window(
                    at="date", start="start-date", end="end-date", slice=timedelta(seconds=1000 * PAGES_PER_SLICE)
                ),
                pages=CursorPages(size=1000),
                personal=personal,
            ),
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vendor", type=int, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--s3", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--personal", nargs="*", default=(), help="paths of fields to hash in each record")
    parser.add_argument("--warehouse", type=int, help="port of the local warehouse: load, too")
    args = parser.parse_args()
    source = spec(personal=tuple(args.personal), parallel=args.parallel)
    aws = Connection(
        conn_id="aws", login="k", password="s", extra={"endpoint_url": args.s3, "region_name": "us-east-1"}
    )
    store = S3Store(s3_client(aws), args.bucket)
    batch = Batch(source="bench", stream="records", start=EPOCH, end=EPOCH + timedelta(seconds=args.rows))
    began = time.perf_counter()
    vendor = Vendor(source, Connection(conn_id="bench", host=f"http://127.0.0.1:{args.vendor}/v1", login="key"))
    manifest = Extraction(source, vendor, store, pii_key=b"key").run(batch, Progress())
    assert manifest is not None
    result = {"rows": manifest.rows, "seconds": time.perf_counter() - began, "prefix": batch.prefix}
    if args.warehouse:
        result["loaded"] = _load(args.warehouse, store, batch, source)
        result["e2e_seconds"] = time.perf_counter() - began
    print(json.dumps(result | {"rss_mb": peak_mb()}))


def _load(port: int, store: S3Store, batch: Batch, source: SourceSpec) -> int:
    warehouse = session.connect(
        Connection(
            conn_id="warehouse",
            login="bench",
            password="bench",
            extra={"account": "local", "host": "127.0.0.1", "port": port, "protocol": "http"},
        )
    )
    return load(warehouse, store, batch.prefix + MANIFEST, source.stream("records")).rows


if __name__ == "__main__":
    main()
