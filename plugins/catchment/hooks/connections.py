"""Airflow's connections as the core reads them, and the answer of a hook's `test_connection`."""

from __future__ import annotations

from collections.abc import Callable

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from catchment.connection import Connection, NoConnection
from catchment.errors import CatchmentError


def look_up(conn_id: str) -> Connection:
    """An Airflow connection, from whichever secrets back end holds it."""
    try:
        return Connection.like(BaseHook.get_connection(conn_id))
    except AirflowNotFoundException as error:
        raise NoConnection(f'There is no connection "{conn_id}": make it (docs/production.md).') from error


def tested(attempt: Callable[[], str]) -> tuple[bool, str]:
    """Whether an attempt worked, and the sentence that says so or what is wrong: Airflow's `test_connection`."""
    try:
        return True, attempt()
    except CatchmentError as error:
        return False, str(error)
