"""`python -m local.check lint|test`: every check of the repository; all are run, then any failure counts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from local.settings import ROOT

MAIN = str(ROOT / ".venv" / "bin" / "python")
WAREHOUSE = str(ROOT / ".venv-warehouse" / "bin" / "python")


@dataclass(frozen=True)
class Check:
    """One command and the promise that it checks."""

    promise: str
    command: tuple[str, ...]


LINT = (
    Check("the code has no known mistakes", (MAIN, "-m", "ruff", "check", ".")),
    Check("the code is formatted (else: make fmt)", (MAIN, "-m", "ruff", "format", "--check", ".")),
    Check("the package is typed", (MAIN, "-m", "mypy", "plugins/catchment")),
    Check("the core knows no Airflow, the platform no local profile", (str(ROOT / ".venv/bin/lint-imports"),)),
    Check("the SQL is tidy", (MAIN, "-m", "sqlfluff", "lint", "include/dbt/models", "include/dbt/tests")),
    Check("dbt's sources are the specs'", (MAIN, "-m", "catchment", "dbt-sources", "--check")),
    Check("docs/streams.md is the specs'", (MAIN, "-m", "catchment", "stream-docs", "--check")),
    Check("the locks are of these requirements (else: make lock)", (MAIN, "-m", "local.locks", "check")),
)
OTHERS = ("warehouse", "integration", "drills")  # drills take long: make drills
TWO_AT_A_TIME = ("-n", "2", "--dist", "loadfile")  # files keep their fixtures, and much is waiting
TEST = (
    Check("the local warehouse keeps its word", (WAREHOUSE, "-m", "pytest", "tests/warehouse", "-q", *TWO_AT_A_TIME)),
    Check(
        "the code keeps its word",
        (
            MAIN,
            "-m",
            "pytest",
            "tests",
            *(f"--ignore=tests/{each}" for each in OTHERS),
            "-q",
            *TWO_AT_A_TIME,
        ),
    ),
    # Most of it is waiting. Files with few tests are not put last: they take the longest.
    Check(
        "the parts keep it together",
        (MAIN, "-m", "pytest", "tests/integration", "-q", "-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"),
    ),
)


def run(check: Check) -> bool:
    """Run one check; what it prints goes to the terminal."""
    print(f"\n== {check.promise}: {' '.join(check.command).replace(f'{ROOT}/', '')}", flush=True)
    began = time.monotonic()
    path = os.pathsep.join((str(ROOT), str(ROOT / "plugins")))
    done = subprocess.run(check.command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, check=False)
    print(f"== {'ok' if done.returncode == 0 else 'FAILED'} after {time.monotonic() - began:.0f} s", flush=True)
    return done.returncode == 0


def main() -> int:
    kinds = {"lint": LINT, "test": TEST}
    checks = kinds.get(sys.argv[1]) if len(sys.argv) == 2 else None
    if checks is None:
        print("usage: python -m local.check lint|test", file=sys.stderr)
        return 2
    failed = [check.promise for check in checks if not run(check)]
    for promise in failed:
        print(f"failed: {promise}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
