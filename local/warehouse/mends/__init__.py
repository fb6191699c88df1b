"""The mends of fakesnow 0.12.1, one subject a module; each module's docstring names the upstream behaviour."""

from __future__ import annotations

from local.warehouse import macros, seams  # noqa: F401  (macros must wrap upstream's before any database is made)
from local.warehouse.mends import (
    access_control,
    arithmetic,
    copy_json,
    databases,
    explain,
    flatten,
    merge,
    reserved_words,
    results,
    session_state,
    stages,
    swap,
    temporary,
    text_casts,
    timestamps,
    transactions,
    unsupported,
    variables,
)

MENDS = (
    transactions,
    results,
    timestamps,
    variables,
    access_control,
    session_state,
    databases,
    unsupported,
    temporary,
    swap,
    merge,
    copy_json,
    stages,
    explain,
    flatten,
    arithmetic,
    text_casts,
    reserved_words,
)


def apply_all() -> None:
    """Apply every mend, once, before the server starts."""
    seams.install()
    for mend in MENDS:
        mend.apply()
