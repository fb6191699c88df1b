"""`python -m local.locks write|check`: the locks of all environments, and whether they are of today's requirements.

Each lock's first line holds a hash of the `.in` files that it was made from, so that the check needs no network.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from local.settings import ROOT

MARK = "# made from: "


@dataclass(frozen=True)
class Lock:
    """A lock, the requirements that it is made from, and the lock whose versions it must keep."""

    lock: str
    sources: tuple[str, ...]
    constraint: str | None = None

    @property
    def digest(self) -> str:
        return hashlib.sha256(b"\0".join((ROOT / source).read_bytes() for source in self.sources)).hexdigest()[:16]


LOCKS = (
    Lock("requirements.txt", ("requirements.in",)),
    Lock("requirements-dev.txt", ("requirements-dev.in", "requirements.in"), constraint="requirements.txt"),
    Lock("local/warehouse/requirements.txt", ("local/warehouse/requirements.in",)),
    Lock("bench/requirements.txt", ("bench/requirements.in",)),
    Lock("bench/quality/requirements.txt", ("bench/quality/requirements.in",), constraint="requirements.txt"),
)


def write(lock: Lock) -> None:
    """Resolve again, with hashes; keeps versions that still fit."""
    uv = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--python-version", "3.11", "--generate-hashes"]
    constraint = ["--constraint", lock.constraint] if lock.constraint else []
    subprocess.run([*uv, *constraint, "--output-file", lock.lock, lock.sources[0]], cwd=ROOT, check=True)
    mark(lock)


def mark(lock: Lock) -> None:
    """Write the hash of the requirements into the lock's first line."""
    file = ROOT / lock.lock
    lines = [line for line in file.read_text().splitlines() if not line.startswith(MARK)]
    file.write_text("\n".join([MARK + lock.digest, *lines]) + "\n")


def stale(locks: tuple[Lock, ...] = LOCKS, root: Path = ROOT) -> list[str]:
    """The locks that were made from other requirements."""
    return [lock.lock for lock in locks if (root / lock.lock).read_text().splitlines()[0] != MARK + lock.digest]


def main() -> int:
    match sys.argv[1:]:
        case ["write"]:
            for lock in LOCKS:
                write(lock)
            return 0
        case ["check"]:
            for name in (old := stale()):
                print(f"{name} was not made from today's requirements: run make lock.", file=sys.stderr)
            return 1 if old else 0
        case _:
            print("usage: python -m local.locks write|check", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
