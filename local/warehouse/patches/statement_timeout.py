"""STATEMENT_TIMEOUT_IN_SECONDS ends a statement that takes longer.

Upstream (fakesnow 0.12.1) has neither the parameter nor a way to end a running statement.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import snowflake.connector.errors as sf

from local.warehouse import errors, hooks


def _limited(call: hooks.Call, work: Callable[[], None]) -> None:
    seconds = float(call.session.parameters.get("STATEMENT_TIMEOUT_IN_SECONDS", 0))
    if not seconds:
        return work()
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        call.session.interrupt()

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        work()
    except Exception as error:
        if not expired.is_set():
            raise
        raise sf.ProgrammingError(
            msg=f"Statement reached its statement or warehouse timeout of {seconds:.0f} second(s) and was canceled.",
            errno=630,
            sqlstate=errors.CANCELED_STATE,
        ) from error
    finally:
        timer.cancel()


def apply() -> None:
    hooks.AROUND.append(_limited)
