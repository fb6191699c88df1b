"""`make bench-extract`: API → S3 (→ warehouse), ours beside dlt and beside the fastest loop one can write by hand.

One server, one S3, the same rows; every contender runs in a fresh process, in turn, `--runs` times, our own at least
seven times; medians count. `make bench-extract RUNS=5` is for the record, one run shows where one stands. Where the
server answers at once, ours asks for one page at a time, as the loop does: threads that don't wait only contend.
What arrived is read back and compared, rows and checksum. dlt runs with its defaults and tuned, and its best counts.
Last line: one JSON object. Rates are by the clock; `limit_ratio_cpu` is by processor time, which other work on the
machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import boto3

from bench import destination
from catchment.connection import Connection
from catchment.warehouse import provision, session

ROOT = Path(__file__).resolve().parent.parent
OURS = (sys.executable, "-W", "ignore")
DLT = (str(ROOT / ".venv-bench/bin/python"), "-W", "ignore")
BUCKET = "catchment-landing"
FAST_ROWS, SLOW_ROWS, TIMES = 300_000, 100_000, 10
OUR_PREFIX = "landing/bench/"
NESTED = "attributes.custom.contact"
PAGES_PER_CHECKPOINT = 500  # of the long run, so that it seals some
OUR_RUNS = 7  # at least: they are short, and ratios between them are smaller than what a busy machine does to one
AS_IN_THE_IMAGE = {"MALLOC_ARENA_MAX": "2"}  # for every contender


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def serving(command: tuple[str, ...], port: int, log: Path) -> Iterator[int]:
    """A server in a process of its own, until the block is left."""
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}",
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_REGION": "us-east-1",
    }
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
        try:
            _wait_for(port, process, log)
            yield port
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"a server did not start: {log.read_text()[-500:]}")


class Bench:
    """The servers, and runs of contenders against them."""

    def __init__(self, stack: ExitStack, folder: Path, runs: int) -> None:
        self.runs = runs
        python = sys.executable
        s3 = free_port()
        stack.enter_context(
            serving((python, "-m", "local.s3", "--port", str(s3), "--data", str(folder / "s3")), s3, folder / "s3.log")
        )
        self.s3_url = f"http://127.0.0.1:{s3}"
        self.s3 = boto3.client(
            "s3", endpoint_url=self.s3_url, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
        )
        self.s3.create_bucket(Bucket=BUCKET)
        os.environ["AWS_ENDPOINT_URL"] = self.s3_url
        warehouse = free_port()
        command = (str(ROOT / ".venv-warehouse/bin/python"), "-m", "local.warehouse")
        self.warehouse = stack.enter_context(
            serving(
                (*command, "--port", str(warehouse), "--data", str(folder / "warehouse")),
                warehouse,
                folder / "warehouse.log",
            )
        )
        self._stack, self._folder = stack, folder
        self._prepare()

    def vendor(self, rows: int, *, delay_ms: int = 0, repeat: int = 1) -> int:
        port = free_port()
        command = (sys.executable, "-m", "bench.vendor", "--port", str(port), "--rows", str(rows))
        options = ("--delay-ms", str(delay_ms), "--repeat", str(repeat))
        return self._stack.enter_context(serving((*command, *options), port, self._folder / f"vendor-{port}.log"))

    def run(
        self, name: str, command: tuple[str, ...], prefix: str, rows: int, *, verify: bool = True
    ) -> dict[str, Any]:
        """One run of one contender; raises when it fails or what arrived is not what was served."""
        destination.remove(self.s3, BUCKET, prefix)
        environment = os.environ | AS_IN_THE_IMAGE | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{name} failed: {done.stderr[-2000:]}")
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        if verify and destination.arrived(self.s3, BUCKET, prefix) != destination.expected(rows):
            raise SystemExit(f"{name}: what arrived in S3 is not what was served")
        seconds = result.get("e2e_seconds", result["seconds"])
        spent = f"{rows / seconds:10,.0f} rows/s {result['cpu_seconds']:7.2f} s of processor"
        print(f"{name:28} {spent} {result['rss_mb']:7.1f} MB", flush=True)
        return result

    def _prepare(self) -> None:
        from bench.ours import spec

        opened = session.connect(
            Connection(
                conn_id="warehouse",
                login="bench",
                password="bench",
                extra={"account": "local", "host": "127.0.0.1", "port": self.warehouse, "protocol": "http"},
            ),
            database=None,
        )
        steps = ("databases", "schemas", "file_format", "landing_stage", "ledger", "raw_tables")
        statements = provision.render(provision.Settings(), [spec(parallel=1)])
        provision.apply(opened, provision.select(statements, steps))
        opened.close()


def rate(rows: int, results: list[dict[str, Any]], name: str = "seconds") -> float:
    return rows / median(results, name)


def median(results: list[dict[str, Any]], name: str) -> float:
    return statistics.median(result[name] for result in results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    runs = parser.parse_args().runs
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(stack, folder, runs)
        print(json.dumps(measure(bench)))


def measure(bench: Bench) -> dict[str, float]:
    fast, slow = bench.vendor(FAST_ROWS), bench.vendor(SLOW_ROWS, delay_ms=50)
    tall = bench.vendor(FAST_ROWS, repeat=TIMES)
    s3 = ("--s3", bench.s3_url, "--bucket", BUCKET)

    def ours(vendor: int, rows: int, *more: str) -> tuple[str, ...]:
        return (*OURS, "-m", "bench.ours", "--vendor", str(vendor), "--rows", str(rows), *s3, *more)

    def dlt(vendor: int, rows: int, prefix: str, *more: str) -> tuple[str, ...]:
        rest = ("--vendor", str(vendor), "--rows", str(rows), *s3, "--prefix", prefix, *more)
        return (*DLT, "-m", "bench.peer_dlt", *rest)

    loop = (*OURS, "-m", "bench.loop", "--vendor", str(fast), *s3, "--prefix", "loop/")
    wide = ("--parallel", "16")
    contenders = {
        "ours": (ours(fast, FAST_ROWS), OUR_PREFIX, FAST_ROWS),
        "loop": (loop, "loop/", FAST_ROWS),
        "ours, one field hashed": (ours(fast, FAST_ROWS, "--personal", "email"), OUR_PREFIX, FAST_ROWS),
        "ours, one nested field": (ours(fast, FAST_ROWS, "--personal", NESTED), OUR_PREFIX, FAST_ROWS),
        "ours to the warehouse": (ours(fast, FAST_ROWS, "--warehouse", str(bench.warehouse)), OUR_PREFIX, FAST_ROWS),
        "dlt": (dlt(fast, FAST_ROWS, "dlt/"), "dlt/", FAST_ROWS),
        "dlt, tuned": (dlt(fast, FAST_ROWS, "dlt/", "--tuned"), "dlt/", FAST_ROWS),
        "ours, 50 ms a page": (ours(slow, SLOW_ROWS, *wide), OUR_PREFIX, SLOW_ROWS),
        "dlt, 50 ms a page": (dlt(slow, SLOW_ROWS, "dlt/"), "dlt/", SLOW_ROWS),
        "dlt, tuned, 50 ms a page": (dlt(slow, SLOW_ROWS, "dlt/", "--tuned"), "dlt/", SLOW_ROWS),
    }
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
    for turn in range(max(bench.runs, OUR_RUNS)):
        for name, (command, prefix, rows) in contenders.items():
            if turn >= bench.runs and "dlt" in name:
                continue
            results[name].append(bench.run(name, command, prefix, rows))
    many = FAST_ROWS * TIMES
    sealing = ("--pages", str(PAGES_PER_CHECKPOINT))
    big = bench.run("ours, ten times the rows", ours(tall, many, *sealing), OUR_PREFIX, many, verify=False)
    if big["rows"] != many or big["checkpoints"] < many // 1000 // PAGES_PER_CHECKPOINT:
        raise SystemExit(f"ours, ten times the rows: {big['rows']} rows in {big['checkpoints']} checkpoints")
    if any(result["loaded"] != FAST_ROWS for result in results["ours to the warehouse"]):
        raise SystemExit("ours to the warehouse: not every row was loaded")
    return _summary(results, big)


def _summary(results: dict[str, list[dict[str, Any]]], big: dict[str, Any]) -> dict[str, float]:
    hashed = rate(FAST_ROWS, results["ours, one field hashed"])
    ours, loop = rate(FAST_ROWS, results["ours"]), rate(FAST_ROWS, results["loop"])
    dlt = max(rate(FAST_ROWS, results["dlt"]), rate(FAST_ROWS, results["dlt, tuned"]))
    dlt_slow = max(rate(SLOW_ROWS, results["dlt, 50 ms a page"]), rate(SLOW_ROWS, results["dlt, tuned, 50 ms a page"]))
    ours_slow = rate(SLOW_ROWS, results["ours, 50 ms a page"])
    return {
        "ours_rows_s": round(ours),
        "ours_e2e_rows_s": round(rate(FAST_ROWS, results["ours to the warehouse"], "e2e_seconds")),
        "dlt_rows_s": round(dlt),
        "loop_rows_s": round(loop),
        "ours_hashed_rows_s": round(hashed),
        "hashed_ratio": round(hashed / ours, 2),
        "hashed_ratio_nested": round(rate(FAST_ROWS, results["ours, one nested field"]) / ours, 2),
        "ratio": round(ours / dlt, 1),
        "limit_ratio": round(ours / loop, 2),
        "limit_ratio_cpu": round(median(results["loop"], "cpu_seconds") / median(results["ours"], "cpu_seconds"), 2),
        "ratio_50ms": round(ours_slow / dlt_slow, 1),
        "rss_mb": median(results["ours"], "rss_mb"),
        "rss_mb_10x": big["rss_mb"],
        "checkpoints_10x": big["checkpoints"],
    }


if __name__ == "__main__":
    main()
