"""A session with the warehouse: how to open it, and what its errors mean."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import cache
from threading import Lock
from typing import Any, Protocol

from catchment.connection import Connection
from catchment.errors import CatchmentError, NeedsPerson, WarehouseUnavailable

# Snowflake's own numbers for trouble that passes: lock waits, aborted transactions, a warehouse that is resuming.
_PASSING = frozenset({604, 606, 612, 625, 1102, 90030, 90106, 250001, 250003, 251001})
_CREDENTIALS = frozenset({390100, 390101, 390144, 394300})
_LOGIN_FAILED = 250001  # wrong credentials and an unreachable host alike
_BY_ONE_THREAD = Lock()


class Cursor(Protocol):
    """What we use of a Snowflake connector's cursor."""

    @property
    def description(self) -> Any: ...
    def execute(self, command: str, params: Any = None, /) -> Any: ...
    def executemany(self, command: str, params: Sequence[Any], /) -> Any: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> Sequence[Any]: ...
    def close(self) -> Any: ...


class Session(Protocol):
    """What we use of a Snowflake connector's connection."""

    @property
    def session_id(self) -> int: ...
    def cursor(self) -> Any: ...
    def close(self) -> Any: ...


def connect(connection: Connection, *, query_tag: str = "", database: str | None = "RAW") -> Session:
    """A session by the connection's fields (docs/production.md); its statements carry `query_tag`."""
    import snowflake.connector

    make_ready_for_threads()
    with explained("open a session"):
        session: Session = snowflake.connector.connect(**arguments(connection, query_tag=query_tag, database=database))
        return session


def on_warehouse(connection: Connection, name: str) -> Connection:
    """The same connection, whose statements another warehouse runs."""
    return replace(connection, extra={**connection.extra, "warehouse": name})


def arguments(connection: Connection, *, query_tag: str, database: str | None) -> dict[str, Any]:
    """The connector's arguments. Time zone and types are fixed: a session never depends on an account's defaults."""
    extra = connection.extra
    given = {
        "user": connection.login,
        "password": connection.password if not _has_key(extra) else None,
        "account": extra.get("account"),
        "warehouse": extra.get("warehouse"),
        "database": database,
        "role": extra.get("role"),
        "host": extra.get("host"),
        "port": extra.get("port"),
        "protocol": extra.get("protocol"),
        "private_key_file": extra.get("private_key_file"),
        "private_key": _private_key(connection),
        "private_key_file_pwd": connection.password if extra.get("private_key_file") else None,
    }
    return {name: value for name, value in given.items() if value not in (None, "")} | {
        "autocommit": True,
        "login_timeout": 30,
        "network_timeout": 600,
        "log_imported_packages_in_telemetry": False,
        "session_parameters": {
            "QUERY_TAG": query_tag,
            "TIMEZONE": "UTC",
            "CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False,
        },
    }


@cache
def make_ready_for_threads() -> None:
    """Call this before threads share a process with the connector; it does nothing from the second time on.

    The connector (4.8) makes the logger of its compiled part when the first rows are read, in a `std::call_once` that
    needs the interpreter's lock. A second thread that comes there meanwhile waits for it with that lock in its hands:
    both wait for ever. dbt's threads all begin with a question to the warehouse. So an empty result is read here first.
    """
    from snowflake.connector.arrow_context import ArrowConverterContext
    from snowflake.connector.errors import Error

    try:
        from snowflake.connector.nanoarrow_arrow_iterator import PyArrowRowIterator
    except ImportError:  # a connector without its compiled part reads rows as JSON
        return
    log = logging.getLogger("snowflake.connector.CArrowIterator")
    with _BY_ONE_THREAD:
        before, log.disabled = log.disabled, True  # it says that there is no data
        try:
            with suppress(Error):
                PyArrowRowIterator(None, b"", ArrowConverterContext(), False, False, False, False)
        finally:
            log.disabled = before


def cancel(session: Session, connection: Connection) -> None:
    """End what the session is running, from a session beside it; its transaction is rolled back."""
    beside = connect(connection)
    try:
        with explained("cancel a running load"):
            beside.cursor().execute(f"SELECT SYSTEM$CANCEL_ALL_QUERIES({int(session.session_id)})")
    finally:
        beside.close()


def _private_key(connection: Connection) -> bytes | None:
    """The DER bytes of `private_key_content` (PEM, or PEM in base64, as Airflow's own form has it)."""
    content = connection.extra.get("private_key_content")
    if not content:
        return None
    from cryptography.hazmat.primitives import serialization

    text = str(content)
    try:
        pem = text.encode() if "-----BEGIN" in text else base64.b64decode(text)
        key = serialization.load_pem_private_key(pem, connection.password.encode() or None)
    except (ValueError, TypeError) as error:
        raise NeedsPerson(
            f'`private_key_content` in the connection "{connection.conn_id}" is no PEM key that its password opens: '
            "see docs/production.md."
        ) from error
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _has_key(extra: Mapping[str, Any]) -> bool:
    return bool(extra.get("private_key_file") or extra.get("private_key_content"))


def query_tag(**parts: str) -> str:
    """A query tag as JSON: who sends a statement (dag, task, run, stream)."""
    return json.dumps({name: value for name, value in parts.items() if value}, ensure_ascii=False)[:2000]


@contextmanager
def transaction(session: Session, work: str) -> Iterator[Cursor]:
    """A cursor inside BEGIN … COMMIT; any error rolls back, and none of it ever was.

    `work` names what is done. A killed worker leaves its transaction open in the warehouse, with its locks, until the
    session times out (hours); so an open transaction for the same work is ended first: the newest attempt counts.
    """
    name = "CATCHMENT_" + hashlib.sha256(work.encode()).hexdigest()[:24].upper()
    with closing(session.cursor()) as cursor:
        abort_left_behind(cursor, name)
        with begun(cursor, name):
            yield cursor


@contextmanager
def begun(cursor: Cursor, name: str) -> Iterator[None]:
    """A transaction of this name, committed at the end of the block, or rolled back on any error."""
    from snowflake.connector.errors import Error

    cursor.execute(f"BEGIN NAME {name}")
    try:
        yield
        cursor.execute("COMMIT")
    except BaseException:
        with suppress(Error):  # a dead session's transaction is rolled back by the warehouse
            cursor.execute("ROLLBACK")
        raise


def abort_left_behind(cursor: Cursor, name: str) -> None:
    """End the open transactions of this name, which a killed process leaves with their locks."""
    from snowflake.connector.errors import Error

    for number in _open_transactions(cursor, name):
        try:
            cursor.execute(f"SELECT SYSTEM$ABORT_TRANSACTION({number})")
        except Error:
            if number in _open_transactions(cursor, name):  # else its own worker has just ended it
                raise


def _open_transactions(cursor: Cursor, name: str) -> list[int]:
    cursor.execute("SHOW TRANSACTIONS")
    columns = [column[0].lower() for column in cursor.description]
    rows = [dict(zip(columns, values, strict=True)) for values in cursor.fetchall()]
    return [int(row["id"]) for row in rows if str(row["name"]).upper() == name]


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn the connector's errors into ours: what passes may be tried again, the rest needs a person."""
    from snowflake.connector import errors

    try:
        yield
    except errors.Error as error:
        raise explain(error, doing) from error


def explain(error: Any, doing: str) -> CatchmentError:
    """The error that says what to do about a connector's error."""
    from snowflake.connector import errors

    number = getattr(error, "errno", None)
    text = str(getattr(error, "msg", None) or error).splitlines()[0][:300]
    if number in _CREDENTIALS or (number == _LOGIN_FAILED and "ncorrect" in text):
        return NeedsPerson(
            f"The warehouse refused the credentials to {doing} ({text}): renew them in the connection "
            '"snowflake_default" (docs/runbooks/credentials.md).'
        )
    lost = (errors.OperationalError, errors.InterfaceError, errors.InternalServerError, errors.ServiceUnavailableError)
    if isinstance(error, lost) or number in _PASSING:
        return WarehouseUnavailable(f"The warehouse could not {doing} ({text}): it is tried again later.")
    return NeedsPerson(
        f"The warehouse refused to {doing} ({text}). If a table or stage is missing, run "
        "`python -m catchment snowflake-apply`; else see docs/production.md for the rights that the role needs."
    )
