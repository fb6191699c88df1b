"""What every contender is measured with."""

from __future__ import annotations

import resource


def peak_mb() -> float:
    """The most memory that this process has ever held (resident), in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
