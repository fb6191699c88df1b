"""Transactions are as Snowflake's: DDL commits, BEGIN twice is one, a statement that lost a race is run again.

Upstream (fakesnow 0.12.1) passes DuckDB's behaviour on: DDL in a transaction writes upstream's metadata database as
well and fails ("a transaction can write one database"), transactions have no names and can't be listed or aborted
(SHOW TRANSACTIONS, SYSTEM$ABORT_TRANSACTION), BEGIN in a transaction is an error, and of two statements that change
the same rows one fails where Snowflake makes it wait.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import duckdb
import snowflake.connector.errors as sf

from local.warehouse import hooks, locks
from local.warehouse.sessions import all_sessions

BEGIN = re.compile(
    r"(?:begin(?:\s+(?:transaction|work))?(?:\s+name\s+\S+)?|start\s+transaction(?:\s+name\s+\S+)?)\s*;?\s*\Z", re.I
)
NAMED = re.compile(r"\bname\s+(\S+?)\s*;?\s*\Z", re.I)
END = re.compile(r"(?:commit|rollback)(?:\s+work)?\s*;?\s*\Z", re.I)
DDL = re.compile(r"(?:create|alter|drop|undrop)\s+(?!session\b)", re.I)
OVERWRITE = re.compile(r"insert\s+overwrite\b", re.I)
ATTEMPTS = 12


def _keep_count(call: hooks.Call, work: Callable[[], None]) -> None:
    session, text = call.session, call.text
    if BEGIN.match(text):
        if session.in_transaction:
            call.run("SELECT 'Statement executed successfully.' AS \"status\"")
            return
        call.run("BEGIN")
        name = NAMED.search(text)
        session.begun, session.begun_at, session.transaction_name = True, datetime.now(UTC), name[1] if name else ""
    elif END.match(text):
        try:
            work()
        finally:
            session.begun = False
            locks.release(session)
    elif DDL.match(text) and session.in_transaction:
        call.run("COMMIT")
        session.begun = False
        locks.release(session)
        work()
    elif OVERWRITE.match(text) and call.cursor._conn._autocommit and not session.in_transaction:
        _as_one(call, work)
    else:
        work()


def _as_one(call: hooks.Call, work: Callable[[], None]) -> None:
    duck = call.cursor._duck_conn
    duck.begin()
    try:
        work()
        duck.commit()
    except BaseException:
        duck.rollback()
        raise


def _run_again(call: hooks.Call, work: Callable[[], None]) -> None:
    """Outside a transaction nothing was done yet, so that the statement can be tried again."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            work()
            return
        except (duckdb.TransactionException, sf.ProgrammingError) as error:
            conflict = isinstance(error, duckdb.TransactionException) and "onflict" in str(error)
            if not conflict or call.session.in_transaction or attempt == ATTEMPTS:
                raise
            time.sleep(0.01 * attempt**2)


def _show(_: hooks.Call) -> hooks.Answer:
    rows = tuple(
        (s.id, s.user, s.id, s.transaction_name.upper(), s.begun_at.isoformat() if s.begun_at else None, "running", 0)
        for s in all_sessions()
        if s.in_transaction
    )
    return hooks.Answer(("id", "user", "session", "name", "started_on", "state", "scope"), rows)


def _abort(call: hooks.Call) -> hooks.Answer:
    wanted = int(re.search(r"\d+", call.text.split("(", 1)[1])[0])
    found = [session for session in all_sessions() if session.id == wanted and session.in_transaction]
    for session in found:
        session.abort(call.session)
    return hooks.Answer(
        ("status",), (("Transaction successfully rolled back." if found else "Transaction not found.",),)
    )


def apply() -> None:
    hooks.handle(r"show\s+transactions\b", _show)
    hooks.handle(r"select\s+system\$abort_transaction\s*\(\s*'?\d+'?\s*\)", _abort)
    hooks.AROUND.append(_keep_count)
    hooks.AROUND.append(_run_again)
