"""A session with one of the application's databases, by its connection.

The role `cdc` reads and replicates; the owner's connection migrates and repairs. Both only ever wait a bounded time:
what watches a database must not hang with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from catchment.connection import Connection
from catchment.errors import NeedsPerson, TryAgain

CONNECT_SECONDS = 4
STATEMENT_SECONDS = 10
# SQLSTATE classes and codes of servers that are away for now: shutdown, start-up, no free connection, lost connection.
_AWAY = ("08", "53", "57P", "58")
_TO_LOG_IN = re.compile(
    "password authentication failed|no password supplied|does not exist|pg_hba[.]conf|not permitted"
)


@contextmanager
def opened(
    connection: Connection, *, statement_seconds: int = STATEMENT_SECONDS, autocommit: bool = True
) -> Iterator[Any]:
    """A psycopg2 connection, closed afterwards; without `autocommit` it is one transaction, committed at the end.

    Times are UTC and text is UTF-8. Errors of connecting and of statements are raised as TryAgain, where the database
    is away for now, or as NeedsPerson.
    """
    import psycopg2

    with explained(connection):
        session = psycopg2.connect(
            host=connection.host or None,
            port=connection.port or 5432,
            dbname=connection.schema,
            user=connection.login,
            password=connection.password or None,
            sslmode=connection.extra.get("sslmode", "prefer"),
            connect_timeout=CONNECT_SECONDS,
            application_name="catchment",
            client_encoding="utf8",
            options=f"-c statement_timeout={statement_seconds * 1000} -c lock_timeout=5000 -c timezone=UTC",
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=15_000,
        )
        with closing(session):
            session.autocommit = autocommit
            yield session
            if not autocommit:
                session.commit()


def rows(session: Any, sql: str, values: Mapping[str, Any] | tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
    """The rows that a statement gives; none for one that gives none."""
    with session.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall()) if cursor.description else []


@contextmanager
def explained(connection: Connection) -> Iterator[None]:
    """Turn psycopg2's errors into ours."""
    import psycopg2

    try:
        yield
    except psycopg2.Error as error:
        raise explain(error, connection) from error


def explain(error: Any, connection: Connection) -> TryAgain | NeedsPerson:
    """The error that says what to do. A failed login carries no SQLSTATE, so libpq's text (LC_MESSAGES=C) is read."""
    import psycopg2

    text = " ".join(str(error).split())[:300] or type(error).__name__
    code = getattr(error, "pgcode", None) or ""
    where = f'"{connection.conn_id}"'
    if code.startswith("28") or (not code and _TO_LOG_IN.search(text)):
        return NeedsPerson(
            f"The database of the connection {where} refuses the login ({text}). Compare its password with the "
            "connection's (docs/runbooks/cdc_rotate_password.md)."
        )
    lost = not code and isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    if lost or code.startswith(_AWAY) or code == "57014":
        return TryAgain(f"The database of the connection {where} does not answer ({text}).")
    return NeedsPerson(f"The database of the connection {where} refused a statement ({text}).")
