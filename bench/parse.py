"""How long Airflow takes to parse the DAG files: what every DAG file pays, against what each costs beyond it.

Each file is parsed in a fresh process, five times: first a peer, an empty DAG with the imports that all share
(`airflow.sdk`, Cosmos, `catchment.dag_builders`), then the file. Last line: `{"dags", "worst_file_seconds",
"total_seconds"}`, seconds beyond the shared imports, medians.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS = 5
PARSE = """
import sys, time
import airflow.sdk, airflow.dag_processing.dagbag, airflow.providers.standard.operators.python
import cosmos, catchment.dag_builders, catchment.operators.dbt
from airflow.dag_processing.dagbag import DagBag
began = time.perf_counter()
bag = DagBag(sys.argv[1], collect_dags=False)
bag.process_file(sys.argv[1])
seconds = time.perf_counter() - began
assert not bag.import_errors, bag.import_errors
print(len(bag.dags), seconds)
"""
PEER = (
    "from datetime import datetime\nfrom airflow.sdk import DAG\ndag = DAG('peer', start_date=datetime(2026, 1, 1))\n"
)


def parse(file: Path, home: Path) -> tuple[int, float]:
    """DAGs in a file, and the seconds that it took in a process that has the shared imports."""
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "PYTHONPATH": str(ROOT / "plugins"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PARSE, str(file)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{file} does not parse: {done.stderr.strip().splitlines()[-1]}")
    count, seconds = done.stdout.split()[-2:]
    return int(count), float(seconds)


def main() -> None:
    files = sorted(file for file in (ROOT / "dags").rglob("*.py") if "__pycache__" not in file.parts)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        peer = home / "peer.py"
        peer.write_text(PEER)
        base = statistics.median(parse(peer, home)[1] for _ in range(RUNS))
        print(f"{base:8.3f} s  an empty DAG (the peer)")
        dags, beyond = 0, []
        for file in files:
            parsed = [parse(file, home) for _ in range(RUNS)]
            dags += parsed[0][0]
            beyond.append(max(0.0, statistics.median(seconds for _, seconds in parsed) - base))
            print(f"{beyond[-1]:8.3f} s  {file.relative_to(ROOT)}", flush=True)
    print(
        json.dumps({"dags": dags, "worst_file_seconds": round(max(beyond), 3), "total_seconds": round(sum(beyond), 3)})
    )


if __name__ == "__main__":
    main()
