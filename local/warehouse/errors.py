"""Every failure as an error of the SQL interface: a sentence, an errno and an SQLSTATE, never an HTTP 500."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import snowflake.connector.errors as sf

CANCELED = 604
CANCELED_STATE = "57014"
CONFLICT = 625
DIVISION_BY_ZERO = 100051
INTERNAL = 100132
UNSUPPORTED = 2
UPSTREAM_NOT_IMPLEMENTED = 9999

_NUMBERS: tuple[tuple[type[duckdb.Error], int, str], ...] = (
    (duckdb.InterruptException, CANCELED, CANCELED_STATE),
    (duckdb.TransactionException, CONFLICT, "57014"),
    (duckdb.ConstraintException, 100072, "22000"),
    (duckdb.ConversionException, 100038, "22018"),
    (duckdb.OutOfRangeException, 100039, "22003"),
    (duckdb.CatalogException, 2003, "42S02"),
    (duckdb.BinderException, 2043, "02000"),
    (duckdb.ParserException, 1003, "42000"),
)


def unsupported(what: str) -> sf.ProgrammingError:
    """The error for what Snowflake can and this warehouse can't."""
    return sf.ProgrammingError(
        msg=f"Unsupported by the local warehouse: {what}. See local/warehouse/README.md, or run it on a real account.",
        errno=UNSUPPORTED,
        sqlstate="0A000",
    )


def from_duckdb(error: Exception) -> sf.ProgrammingError:
    """A DuckDB error (or any other) as the error that Snowflake's client expects."""
    message = str(error)
    if "Division by zero" in message:
        return sf.ProgrammingError(msg="Division by zero", errno=DIVISION_BY_ZERO, sqlstate="22012")
    if isinstance(error, duckdb.InterruptException):
        message = "SQL execution canceled"
    for kind, errno, sqlstate in _NUMBERS:
        if isinstance(error, kind):
            return sf.ProgrammingError(msg=message, errno=errno, sqlstate=sqlstate)
    return sf.ProgrammingError(msg=f"{type(error).__name__}: {message}", errno=INTERNAL, sqlstate="P0000")


@contextmanager
def as_sql_errors() -> Iterator[None]:
    """Turn whatever is raised inside into an error that the server reports as a failed statement."""
    try:
        yield
    except (sf.ProgrammingError, sf.OperationalError) as error:
        if error.errno == UPSTREAM_NOT_IMPLEMENTED:
            raise unsupported((error.raw_msg or "").split(" not implemented.")[0]) from error
        raise
    except sf.Error as error:
        raise sf.ProgrammingError(msg=error.msg, errno=error.errno or INTERNAL, sqlstate=error.sqlstate) from error
    except NotImplementedError as error:
        raise unsupported(str(error)) from error
    except Exception as error:
        raise from_duckdb(error) from error
