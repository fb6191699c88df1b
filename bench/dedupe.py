"""What merging a batch of changes into current state costs while history grows: 1, 10 and 30 times as long.

The table `events` has the same rows and gets the same batch each time; only the changes in raw before it are more.
dbt runs the model as Airflow does; then the very statements that it ran are run again, on the same data, with DuckDB's
profiler, for the rows that they scan and the seconds that they take without dbt and without the translation of SQL.
The peer, in the same run, is what one writes first: the newest row of each key by a window over all of raw.

Last line: `work_growth_10x` and `work_growth_30x` (the greater of rows scanned and seconds, as a multiple of 1×), with
both apart, the seconds of CPU, dbt's own seconds, and the peer's growth. Seconds are the least of five times.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner

from bench.dedupe_changes import STEPS, TABLE, load_batch, load_history, load_rows
from catchment.dbt_project import TARGET, environment
from local.scratch_warehouse import ScratchWarehouse
from local.settings import ROOT

PROJECT = ROOT / "include" / "dbt"
MODEL = "stg_application__events"
SIZES = (1, 10, 30)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=int, default=122_880, help="changes before the batch, at 1×")
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the table")
    parser.add_argument("--batch", type=int, default=10_000, help="changes that are merged")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    arguments = parser.parse_args()
    measured = {size: measure(size, arguments) for size in arguments.sizes}
    print(json.dumps(summary(measured)))
    return 0


def measure(size: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """One size, on a warehouse of its own."""
    folder = Path(tempfile.mkdtemp(prefix="catchment-dedupe-"))
    try:
        with ScratchWarehouse(folder / "data", STEPS) as warehouse:
            history = size * arguments.history
            load_rows(warehouse, arguments.rows, after=history)
            run_model(warehouse, folder)
            load_history(warehouse, history, rows=arguments.rows)
            load_batch(warehouse, arguments.batch, rows=arguments.rows, after=history + arguments.rows)
            seconds = run_model(warehouse, folder)
        found: dict[str, Any] = {"history": history, "dbt_seconds": round(seconds, 2), **profile(folder)}
        print(f"{size}×: {json.dumps(found)}", flush=True)
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_model(warehouse: ScratchWarehouse, folder: Path) -> float:
    """Run the model; returns dbt's seconds for it."""
    target = folder / "target"
    os.environ.update(environment(PROJECT, {}) | {"DBT_TARGET_PATH": str(target), "DBT_LOG_PATH": str(target)})
    os.environ.update(warehouse.environment())
    done = dbtRunner().invoke(["run", "--quiet", "--project-dir", str(PROJECT), "--target", TARGET, "--select", MODEL])
    if not done.success:
        messages = [result.message for result in getattr(done.result, "results", [])]
        raise SystemExit(f"dbt could not run {MODEL}: {messages or done.exception}")
    (result,) = done.result.results
    return float(result.execution_time)


def profile(folder: Path) -> dict[str, Any]:
    """The statements that dbt ran, and the peer's, under DuckDB's profiler, in the warehouse's own environment."""
    command = [str(ROOT / ".venv-warehouse/bin/python"), "-m", "bench.dedupe_profile", str(folder / "data"), TABLE]
    for kind in ("compiled", "run"):
        (file,) = (folder / "target" / kind).rglob(f"{MODEL}.sql")
        command.append(str(file))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"profiling failed: {done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def summary(measured: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Each figure as a multiple of the smallest history's."""
    first = measured[min(measured)]
    line: dict[str, Any] = {}
    for size, found in measured.items():
        if found is first:
            continue
        rows = round(found["rows_scanned"] / first["rows_scanned"], 2)
        seconds = round(found["seconds"] / first["seconds"], 2)
        line |= {
            f"work_growth_{size}x": max(rows, seconds),
            f"rows_growth_{size}x": rows,
            f"seconds_growth_{size}x": seconds,
            f"cpu_growth_{size}x": round(found["cpu_seconds"] / first["cpu_seconds"], 2),
            f"dbt_seconds_growth_{size}x": round(found["dbt_seconds"] / first["dbt_seconds"], 2),
            f"peer_seconds_growth_{size}x": round(found["peer_seconds"] / first["peer_seconds"], 2),
        }
    return line | {"measured": {f"{size}x": found for size, found in measured.items()}}


if __name__ == "__main__":
    sys.exit(main())
