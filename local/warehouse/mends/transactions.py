"""Transactions behave as Snowflake's: DDL commits, BEGIN twice is one, a statement that lost a race is run again.

Upstream (fakesnow 0.12.1) passes DuckDB's behaviour on: DDL in a transaction writes upstream's metadata database as well
and fails ("a transaction can write one database"), BEGIN in a transaction is an error, and of two statements that change
the same rows one fails where Snowflake makes it wait.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import duckdb
import snowflake.connector.errors as sf

from local.warehouse import locks, seams

BEGIN = re.compile(r"(?:begin(?:\s+(?:transaction|work))?(?:\s+name\s+\S+)?|start\s+transaction(?:\s+name\s+\S+)?)\s*;?\s*\Z", re.I)
END = re.compile(r"(?:commit|rollback)(?:\s+work)?\s*;?\s*\Z", re.I)
DDL = re.compile(r"(?:create|alter|drop|undrop)\s+(?!session\b)", re.I)
OVERWRITE = re.compile(r"insert\s+overwrite\b", re.I)
ATTEMPTS = 12


def _keep_count(call: seams.Call, work: Callable[[], None]) -> None:
    session, text = call.session, call.text
    if BEGIN.match(text):
        if session.in_transaction:
            return call.run("SELECT 'Statement executed successfully.' AS \"status\"")
        work()
        session.begun = True
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
    elif OVERWRITE.match(text) and not session.in_transaction:
        _as_one(call, work)
    else:
        work()


def _as_one(call: seams.Call, work: Callable[[], None]) -> None:
    duck = call.cursor._duck_conn
    duck.begin()
    try:
        work()
        duck.commit()
    except BaseException:
        duck.rollback()
        raise


def _run_again(call: seams.Call, work: Callable[[], None]) -> None:
    """Outside a transaction nothing was done yet, so that the statement can be tried again."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except (duckdb.TransactionException, sf.ProgrammingError) as error:
            conflict = isinstance(error, duckdb.TransactionException) and "onflict" in str(error)
            if not conflict or call.session.in_transaction or attempt == ATTEMPTS:
                raise
            time.sleep(0.01 * attempt**2)


def apply() -> None:
    seams.AROUND.append(_keep_count)
    seams.AROUND.append(_run_again)
