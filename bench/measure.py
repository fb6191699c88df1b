"""What every contender is measured with."""

from __future__ import annotations

import re
from pathlib import Path


def peak_mb() -> float:
    """The most memory that this process has held (resident), in MB.

    From /proc, because `getrusage` counts what a parent held when it forked.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return round(int(found[1]) / 1024, 1) if found else 0.0
