"""`python -m bench.fuzz [TARGET …]`: fuzz what reads text of others, guided by coverage (atheris, libFuzzer).

Each target runs `SECONDS_EACH` seconds. What it has found interesting stays in `var/fuzz/`, so that the next run begins
there. A crash leaves its input there and makes the exit code 1. The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.fuzz.targets import TARGETS, seeds
from local.install import ENVIRONMENTS

ROOT = Path(__file__).resolve().parents[2]
FOUND = ROOT / "var" / "fuzz"
LONGEST = 4096
"""Bytes of one input."""


@dataclass(frozen=True)
class Fuzzed:
    """One target: inputs tried, branches seen, and the file that makes it crash, if there is one."""

    inputs: int
    coverage: int
    crash: str | None = None


def main(names: list[str]) -> int:
    if unknown := set(names) - set(TARGETS):
        print(f"no such target: {', '.join(sorted(unknown))}. There are: {', '.join(TARGETS)}")
        return 2
    seconds = int(os.environ.get("SECONDS_EACH", "60"))
    results = {name: fuzz(name, seconds) for name in names or TARGETS}
    crashes = [name for name, fuzzed in results.items() if fuzzed.crash]
    targets = {name: asdict(fuzzed) for name, fuzzed in results.items()}
    print(json.dumps({"seconds_each": seconds, "crashes": len(crashes), "targets": targets}))
    return 1 if crashes else 0


def fuzz(name: str, seconds: int) -> Fuzzed:
    """Fuzz a target in the fuzzer's environment; prints how it went and, of a crash, the end of the traceback."""
    corpus = FOUND / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    crash = FOUND / f"{name}.crash"
    crash.unlink(missing_ok=True)
    options = (f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-exact_artifact_path={crash}", "-timeout=20")
    command = [str(ENVIRONMENTS["quality"].python), "-m", "bench.fuzz.one", name, *options, str(corpus)]
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    said = done.stdout + done.stderr
    counts = [int(n) for n in re.findall(r"^#(\d+)", said, re.MULTILINE)] or [0]
    coverage = [int(n) for n in re.findall(r"cov: (\d+)", said)] or [0]
    failed = done.returncode != 0
    print(f"{name:12} {counts[-1]:9,} inputs  {coverage[-1]:5} branches  {time.monotonic() - began:4.0f} s", flush=True)
    if failed:
        print(said[-3000:], file=sys.stderr)
    where = str(crash.relative_to(ROOT)) if crash.exists() else "it did not start"
    return Fuzzed(counts[-1], coverage[-1], where if failed else None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
