"""The mends of fakesnow 0.12.1, one subject a module; each module's docstring names the upstream behaviour."""

from __future__ import annotations

from local.warehouse import macros, seams  # noqa: F401  (macros must wrap upstream's before any database is made)
from local.warehouse.mends import (
    access_control,
    copy_json,
    merge,
    results,
    session_state,
    swap,
    temporary,
    timestamps,
    transactions,
)

MENDS = (
    timestamps,
    transactions,
    results,
    access_control,
    session_state,
    temporary,
    swap,
    merge,
    copy_json,
)


def apply_all() -> None:
    """Apply every mend, once, before the server starts."""
    seams.install()
    for mend in MENDS:
        mend.apply()
