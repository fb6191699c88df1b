"""COPY INTO a table from staged files: what was asked (`Copy`), and doing it (`load`)."""

# ruff: noqa: S608 (names in the SQL are quoted and values bound or written as literals)
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import snowflake.connector.errors as sf
from sqlglot import exp

from local.warehouse import errors, hooks, places
from local.warehouse.files.batch import Format, Rejected

COLUMNS = (
    "file",
    "status",
    "rows_parsed",
    "rows_loaded",
    "error_limit",
    "errors_seen",
    "first_error",
    "first_error_line",
    "first_error_character",
    "first_error_column_name",
)
BAD_JSON = 100069


@dataclass(frozen=True)
class Copy:
    """One COPY: the target's full name, its columns and what each gets, the files' URLs, and the options.

    `values` are DuckDB expressions over the columns of a `Batch` and FILENAME; `width` is how many columns of a CSV
    file they need.
    """

    catalog: str
    schema: str
    table: str
    columns: tuple[str, ...]
    values: tuple[exp.Expr, ...]
    urls: tuple[str, ...]
    format: Format
    width: int = 1
    keep_going: bool = False

    @property
    def target(self) -> str:
        return ".".join(_quoted(part) for part in (self.catalog, self.schema, self.table))


@dataclass
class FileResult:
    """What became of one file."""

    url: str
    parsed: int = 0
    loaded: int = 0
    rejected: list[Rejected] = field(default_factory=list)

    @property
    def status(self) -> str:
        if not self.rejected:
            return "LOADED"
        return "PARTIALLY_LOADED" if self.loaded else "LOAD_FAILED"

    def row(self, keep_going: bool) -> tuple[Any, ...]:
        first = self.rejected[0] if self.rejected else None
        limit = self.parsed if keep_going else 1
        error = (first.reason, first.line, first.character, None) if first else (None, None, None, None)
        return (self.url, self.status, self.parsed, self.loaded, limit, len(self.rejected), *error)


def load(copy: Copy, call: hooks.Call) -> hooks.Answer:
    """Run the COPY: all of it or, on an error, none. In the caller's transaction if there is one."""
    duck = call.cursor._duck_conn
    own = not call.session.in_transaction
    if own:
        duck.begin()
    try:
        results = [_load_file(copy, url, call) for url in copy.urls]
        if own and call.cursor._conn._autocommit:
            duck.commit()
        elif own:
            call.cursor._conn._in_transaction = True
    except BaseException:
        if own:
            duck.rollback()
        raise
    if not results:
        return hooks.Answer(rows=(("Copy executed with 0 files processed.",),))
    rows = [r.row(copy.keep_going) for r in results]
    return hooks.Answer(COLUMNS, rows, rowcount=len(rows))


def _load_file(copy: Copy, url: str, call: hooks.Call) -> FileResult:
    result = FileResult(url)
    filename = exp.Literal.string(places.key_of(url)).sql(dialect="duckdb")
    values = ", ".join(value.sql(dialect="duckdb") for value in copy.values)
    columns = ", ".join(_quoted(name) for name in copy.columns)
    insert = (
        f'INSERT INTO {copy.target} ({columns}) SELECT {values} FROM (SELECT *, {filename} AS "FILENAME" FROM rows)'
    )
    with places.open_file(url, copy.format.compression) as file:
        for batch in copy.format.read(file, copy.width):
            rows = batch.rows
            result.parsed += len(rows) + len(batch.rejected)
            result.rejected += batch.rejected
            if batch.rejected and not copy.keep_going:
                raise _abort(url, batch.rejected[0])
            result.loaded += _insert(copy, insert, rows, call) if len(rows) else 0
    return result


def _insert(copy: Copy, insert: str, rows: pa.Table, call: hooks.Call) -> int:
    """Insert a batch's rows; `rows` is the name that the statement has for them.

    A value that can't be cast ends the COPY, as in Snowflake for JSON and Parquet. In CSV it would be one rejected row.
    """
    try:
        return int(call.cursor._duck_conn.execute(insert).fetchall()[0][0])
    except duckdb.ConversionException as error:
        if copy.keep_going and copy.format.has_columns:
            raise errors.unsupported(f"a CSV value that can't be cast with ON_ERROR = CONTINUE: {error}") from error
        raise


def _abort(url: str, rejected: Rejected) -> sf.ProgrammingError:
    return sf.ProgrammingError(
        msg=f"{rejected.reason}\n  File '{places.key_of(url)}', line {rejected.line}, character {rejected.character}\n"
        "  If you would like to continue loading when an error is encountered, use other values such as 'SKIP_FILE' "
        "or 'CONTINUE' for the ON_ERROR option.",
        errno=BAD_JSON,
        sqlstate="22P02",
    )


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect="duckdb")
