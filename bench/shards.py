"""`make bench-shards`: ten small shards start, are supervised and are compared. The last line is one JSON object.

    start_seconds     until all connectors stream, from the declaration: migrations, raw tables, connectors
    health_seconds    one run of the health check over all of them (median of three)
    compare_seconds   all of them compared with the current state, four at a time as Airflow would

The ten are databases of their own on the two clusters that the local profile has, beside its own two shards.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import databases
from catchment.cdc import declared
from catchment.cdc.compare.reconcile import Reconciliation
from catchment.cdc.declared import Application, Shard
from catchment.cdc.health.check import check
from catchment.cdc.health.memory import WarehouseMemory
from catchment.cdc.health.policy import State
from catchment.cdc.systems import Systems
from catchment.connection import Connection
from local.cdc.stack import Stack, free_ports
from local.command import catchment

PARTS = ("warehouse", "s3", "shard_s0", "shard_s1", "kafka", "connect", "loader")
CLUSTERS = ("s0", "s1")
TIMEOUT = 180.0
TABLES = ("orders", "payments")
SCHEMA = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, total numeric(18,4), paid_at timestamptz)",
    "CREATE TABLE payments (id bigint PRIMARY KEY, order_id bigint, method text)",
    "INSERT INTO orders SELECT g, g * 0.0001, now() FROM generate_series(1, 500) AS g",
    "INSERT INTO payments SELECT g, g, 'card' FROM generate_series(1, 500) AS g",
)


def declaration(shards: int) -> str:
    """The file `many.toml`."""
    head = 'source = "many"\ndatabase = "many"\nschema = "public"\npublication = "catchment"\n'
    names = "".join(f'[[shards]]\nname = "m{number}"\n' for number in range(shards))
    orders = 'columns = { id = "bigint", total = "numeric(18,4)", paid_at = "timestamptz" }'
    payments = 'columns = { id = "bigint", order_id = "bigint", method = "text" }'
    tables = zip(TABLES, (orders, payments), strict=True)
    return head + names + "".join(f'[[tables]]\nname = "{name}"\nkey = ["id"]\n{columns}\n' for name, columns in tables)


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="catchment-shards-") as name:
        folder = Path(name)
        shutil.copy(declared.FOLDER / "application.toml", folder)
        (folder / "many.toml").write_text(declaration(arguments.shards))
        os.environ["CATCHMENT_CONNECTORS"] = name
        with Stack(folder / "var", free_ports(), parts=PARTS, rows=False) as stack:
            print(json.dumps(measure(stack, declared.read(folder), folder)))


def measure(stack: Stack, application: Application, folder: Path) -> dict[str, float]:
    """Seconds of each part; raises SystemExit when a shard is not healthy or differs."""
    shards = application.shards_of(application.database("many"))
    for number, shard in enumerate(shards):
        os.environ |= databases.make(stack, shard, CLUSTERS[number % len(CLUSTERS)], SCHEMA)
    systems = Systems(lambda name: Connection.from_env(name, stack.environment()), application)
    began = time.monotonic()
    catchment("cdc-migrate", environment=stack.environment())
    stack.apply_connectors()
    _until("all shards are healthy", lambda: _all_healthy(application, systems))
    start = time.monotonic() - began
    print(f"{len(application.shards)} shards stream after {start:.1f} s", flush=True)
    health = [_seconds(lambda: _all_healthy(application, systems)) for _ in range(3)]
    print(f"health checks took {', '.join(f'{each:.1f}' for each in health)} s", flush=True)
    models = [f"stg_many__{table}" for table in TABLES]
    databases.run_models(application, systems.look_up("snowflake_default"), folder, *models)
    compare = _seconds(lambda: _compare(systems, shards))
    return {
        "shards": len(shards),
        "start_seconds": round(start, 1),
        "health_seconds": round(statistics.median(health), 1),
        "compare_seconds": round(compare, 1),
    }


def _all_healthy(application: Application, systems: Systems) -> bool:
    memory = WarehouseMemory(systems.look_up)
    decision = check(application, systems.look_up, memory, f"start-{time.monotonic_ns()}").decision
    return all(decision.state(shard.connector) is State.HEALTHY for shard in application.shards)


def _compare(systems: Systems, shards: tuple[Shard, ...]) -> None:
    def compare(shard: Shard) -> list[str]:
        of = Reconciliation(systems=systems, shard=shard, tables=shard.tables, run="bench", timeout=120, report=_quiet)
        return [result.sentence for result in of.results() if not result.equal]

    with ThreadPoolExecutor(4) as together:
        if different := [sentence for found in together.map(compare, shards) for sentence in found]:
            raise SystemExit("\n".join(different))


def _quiet(_: str) -> None:
    """The comparison's progress is not part of what is measured."""


def _seconds(do: Callable[[], object]) -> float:
    began = time.monotonic()
    do()
    return time.monotonic() - began


def _until(what: str, true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {TIMEOUT:.0f} s: {what}")
        time.sleep(0.5)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.shards", description=__doc__)
    parser.add_argument("--shards", type=int, default=10)
    return parser.parse_args()


if __name__ == "__main__":
    main()
