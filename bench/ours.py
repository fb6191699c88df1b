"""Our own path on the bench's API, in a process of its own. Prints one JSON object."""

from __future__ import annotations

import argparse
import json
import time
from datetime import timedelta
from functools import partial

from bench.measure import cpu_seconds, peak_mb
from bench.vendor import EPOCH
from catchment.batch import Batch
from catchment.connection import Connection
from catchment.cursor import CursorState
from catchment.extract.run import Extraction, Sealing
from catchment.http.auth import BasicKey
from catchment.http.client import HttpApi, HttpClient
from catchment.http.limits import RateLimit, open_limits
from catchment.http.paginators import CursorPages
from catchment.landing import S3Store, read_manifest
from catchment.platform import s3_client
from catchment.reads.http_list import Dates, HttpList, Window
from catchment.spec import SourceSpec, Stream
from catchment.times import SECOND, TimeFormat
from catchment.warehouse import session
from catchment.warehouse.load import load

PAGES_PER_SLICE = 4


def spec(*, personal: tuple[str, ...] = (), parallel: int) -> SourceSpec:
    """The bench's API as a source."""
    return SourceSpec(
        name="bench",
        title="Bench",
        api=HttpApi(
            base_url="http://127.0.0.1/v1",
            auth=BasicKey(),
            limits=(RateLimit(100_000, per=SECOND),),
            parallel=parallel,
        ),
        history_start=EPOCH,
        streams=(
            Stream(
                name="records",
                key=("uuid",),
                read=HttpList(
                    path="records",
                    records="entries",
                    paginator=CursorPages(size=1000),
                    dates=Dates("start-date", "end-date", TimeFormat.ISO),
                    window=Window("date", slice=timedelta(seconds=1000 * PAGES_PER_SLICE)),
                ),
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
    parser.add_argument("--parallel", type=int, default=1, help="slices read at a time; more than one helps who waits")
    parser.add_argument("--personal", nargs="*", default=(), help="paths of fields to hash in each record")
    parser.add_argument("--warehouse", type=int, help="port of the local warehouse: load, too")
    parser.add_argument("--pages", type=int, default=Sealing.pieces, help="seal a checkpoint after so many")
    args = parser.parse_args()
    source = spec(personal=tuple(args.personal), parallel=args.parallel)
    aws = Connection(
        conn_id="aws", login="k", password="s", extra={"endpoint_url": args.s3, "region_name": "us-east-1"}
    )
    store = S3Store(s3_client(aws), args.bucket)
    batch = Batch(source="bench", stream="records", start=EPOCH, end=EPOCH + timedelta(seconds=args.rows))
    began, cpu_began = time.perf_counter(), cpu_seconds()
    keys: list[str] = []
    client = _client(source, args.vendor)
    extraction = Extraction(
        source=source,
        client=client,
        store=store,
        history_start=EPOCH,
        load=keys.append,
        pii_key=b"key",
        sealing=Sealing(pieces=args.pages),
    )
    keys.append(extraction.run(batch, CursorState()).key or "")
    client.close()
    result = {"seconds": time.perf_counter() - began, "cpu_seconds": cpu_seconds() - cpu_began}
    if args.warehouse:
        result["loaded"] = _load(args.warehouse, store, keys)
        result["e2e_seconds"] = time.perf_counter() - began
    result["rss_mb"] = peak_mb()
    result["rows"] = sum(read_manifest(store, key).rows for key in keys)
    print(json.dumps({**result, "checkpoints": len(keys)}))


def _client(source: SourceSpec, port: int) -> HttpClient:
    assert source.api is not None
    connection = Connection(conn_id="bench", host=f"http://127.0.0.1:{port}/v1", password="key")
    return HttpClient(source.api, connection, limits=open_limits("bench", "bench", None))


def _load(port: int, store: S3Store, keys: list[str]) -> int:
    warehouse = session.connect(
        Connection(
            conn_id="warehouse",
            login="bench",
            password="bench",
            extra={"account": "local", "host": "127.0.0.1", "port": port, "protocol": "http"},
        )
    )
    return sum(loaded.rows for loaded in map(partial(load, warehouse, store), keys))


if __name__ == "__main__":
    main()
