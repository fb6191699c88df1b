"""Signals to Debezium: rows in `cdc.signals`, which the connector reads from the WAL like any other change.

A signal's id names the requester. The same request is the same row, so a retry does not start a second snapshot. `data`
may hold more than Debezium reads: what must be known at the end of a snapshot is stored there.
Source: Debezium documentation, "Sending signals to a Debezium connector".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from catchment.cdc import shard as database
from catchment.cdc.declared import SIGNALS, Shard, Table

OURS = "catchment"


def signal_id(job: str, run: str, table: str = "") -> str:
    """An id of at most 64 characters that is the same each time that a run asks for the same."""
    digest = hashlib.sha256(f"{job}/{run}/{table}".encode()).hexdigest()[:16]
    return f"{job}-{table}"[:47].rstrip("-") + f"-{digest}"


def execute_snapshot(shard: Shard, table: Table, remember: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a signal to read a table again, in chunks, while streaming continues.

    With timestamptz in the primary key Debezium (3.7) skips all but the first chunk, silently: then the declared
    surrogate key orders the chunks.
    """
    return {
        "data-collections": [re.escape(f"{shard.of.schema}.{table.name}")],  # Debezium takes regular expressions
        "type": "incremental",
        **({"surrogate-key": table.surrogate_key} if table.surrogate_key else {}),
        OURS: dict(remember),
    }


def send(session: Any, id_: str, data: Mapping[str, Any]) -> None:
    """Write a signal to read tables again, unless an earlier attempt has written it."""
    sql = f"INSERT INTO {SIGNALS} (id, type, data) VALUES (%s, 'execute-snapshot', %s) ON CONFLICT (id) DO NOTHING"
    database.rows(session, sql, (id_, json.dumps(data)))


def sent(session: Any, id_: str) -> dict[str, Any] | None:
    """The data of a signal as it was sent."""
    found = database.rows(session, f"SELECT data FROM {SIGNALS} WHERE id = %s", (id_,))
    return dict(json.loads(found[0][0] or "{}")) if found else None
