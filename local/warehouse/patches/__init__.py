"""The patches of fakesnow 0.12.1, one subject a module; each module's docstring names the upstream behaviour."""

from __future__ import annotations

from local.warehouse import (
    hooks,
    macros,  # noqa: F401  (must wrap upstream's before any database is made)
    prepared,
)
from local.warehouse.patches import (
    access_control,
    arithmetic,
    array_texts,
    copy_into,
    databases,
    date_texts,
    flatten,
    listing,
    merge,
    multi_table_insert,
    object_delete,
    objects,
    parsed_json,
    query_history,
    recursion,
    reserved_words,
    results,
    session_state,
    temporary,
    text_casts,
    times,
    timestamps,
    transactions,
    try_casts,
    unsupported,
    variables,
    variants,
)

PATCHES = (
    query_history,
    transactions,
    results,
    timestamps,
    variables,
    access_control,
    session_state,
    databases,
    listing,
    unsupported,
    temporary,
    recursion,
    merge,
    multi_table_insert,
    copy_into,
    flatten,
    object_delete,
    objects,
    times,
    variants,
    try_casts,
    parsed_json,
    array_texts,
    arithmetic,
    date_texts,
    text_casts,
    reserved_words,
)


def apply_all() -> None:
    """Apply every patch, once, before the server starts."""
    hooks.install()
    for patch in PATCHES:
        patch.apply()
    prepared.apply()
