"""What every contender is measured with."""

from __future__ import annotations

import re
import resource
from pathlib import Path


def peak_mb() -> float:
    """The most memory that this process has held (resident), in MB.

    From /proc, because `getrusage` counts what a parent held when it forked.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return round(int(found[1]) / 1024, 1) if found else 0.0


def cpu_seconds() -> float:
    """The processor time that this process has used, in all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
