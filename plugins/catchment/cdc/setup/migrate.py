"""What change data capture needs on a shard: its role, the schema `cdc`, grants and the publication.

The statements are `include/connectors/postgres/*.sql`, in order of their names and in one transaction. They are plain
SQL that reads its parameters from the session (`current_setting('catchment.…')`), and change only what is not yet so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from catchment.cdc.declared import Database
from catchment.cdc.shard import opened, rows
from catchment.connection import Connection
from catchment.errors import ContractBroken

FOLDER = Path(__file__).parents[4] / "include" / "connectors" / "postgres"
LOCK = 7_305_461_912  # an advisory lock of our own: two migrations of one shard wait for each other


def migrate(database: Database, owner: Connection, replicator: Connection) -> None:
    """Bring one shard to where the declaration wants it; nothing is ever taken away.

    Args:
        owner: the connection of whoever owns the tables.
        replicator: the connection of the role to make; its password is set when the role is made, and not again.

    Raises:
        ContractBroken: declared tables are missing on the shard; nothing was changed.
        TryAgain, NeedsPerson: the shard can't be reached, or a statement failed; nothing was changed.
    """
    with opened(owner, statement_seconds=60, autocommit=False) as session:
        rows(session, "SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        tables = [f"{database.schema}.{table.name}" for table in database.tables]
        _require(session, tables, database, owner)
        for name, value in _parameters(session, database, tables, replicator).items():
            rows(session, "SELECT set_config(%s, %s, true)", (name, value))
        for path in sorted(FOLDER.glob("*.sql")):
            rows(session, path.read_text())


def _parameters(session: Any, database: Database, tables: list[str], replicator: Connection) -> dict[str, str]:
    from psycopg2.extensions import encrypt_password

    # The verifier is made here, so that the password is in no statement and in no log of the server.
    verifier = encrypt_password(replicator.password, replicator.login, session, "scram-sha-256")
    return {
        "catchment.role": replicator.login,
        "catchment.verifier": verifier,
        "catchment.schema": database.schema,
        "catchment.publication": database.publication,
        "catchment.tables": json.dumps(tables),
    }


def _require(session: Any, tables: list[str], database: Database, owner: Connection) -> None:
    missing = rows(session, "SELECT name FROM unnest(%s) AS name WHERE to_regclass(name) IS NULL", (tables,))
    if missing:
        names = ", ".join(name for (name,) in missing)
        raise ContractBroken(
            f'The database of the connection "{owner.conn_id}" has no table {names}, which {database.source}.toml '
            "declares. Make it there first (the application's own migration), or take the entry out."
        )
