"""Rows into raw tables, inside a transaction: few by one bound statement, many by a staged file and COPY.

One INSERT serves all tables of a batch: a statement's own cost, not the rows, is what a small batch waits for, here
and on Snowflake. A file goes to an internal stage under a name of its table, so that each upload takes the place of
the one before and nothing has to be tidied up; it is read by the statement after it and never again.

Rows that belong to an advance of offsets are written only while it holds: if someone else ended the transaction, later
statements would be a transaction of their own. The last statement checks it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from catchment.cdc.loader.offsets import Advanced
from catchment.cdc.loader.rows import Lines, Rejected, without_values
from catchment.errors import CatchmentError, WarehouseUnavailable
from catchment.warehouse.copies import Copy
from catchment.warehouse.formats import literal
from catchment.warehouse.ledger import sql_time
from catchment.warehouse.names import FILE_FORMAT, KAFKA_STAGE, LINES_FORMAT, OFFSETS, REJECT_COLUMNS, REJECTS
from catchment.warehouse.session import Cursor

T = TypeVar("T")
SOURCE = "application"
LONGEST_ARRAY = 8_000_000  # PARSE_JSON takes 16 MB
_COLUMNS = "(RECORD_CONTENT, RECORD_METADATA, KAFKA_PARTITION, KAFKA_OFFSET, LOADED_AT)"


class RefusedRows(CatchmentError):
    """The warehouse can't read a row that we took for JSON: the batch must be loaded line by line."""


@dataclass(frozen=True)
class Target:
    """Where a topic's rows go, and the stream's name in the rejects."""

    topic: str
    table: str
    stream: str


@dataclass(frozen=True)
class Writer:
    """Writes one batch's rows, if `advanced` is given only while it holds."""

    cursor: Cursor
    targets: Mapping[str, Target]
    folder: str
    at: datetime
    advanced: Advanced | None = None

    def write(self, topics: Mapping[str, Lines], rejects: Sequence[Rejected]) -> tuple[Rejected, ...]:
        """Insert all rows, and all rejects. Raises `LostRace` when the advance does not hold, and `RefusedRows`."""
        few = _few(topics)
        for topic in topics.keys() - few.keys():
            self._copy(self.targets[topic], topics[topic])
        self._reject(rejects)
        if few:
            self._insert(few)
        else:
            self._verify()
        return ()

    def write_by_line(self, topics: Mapping[str, Lines], rejects: Sequence[Rejected]) -> tuple[Rejected, ...]:
        """The same by files of text lines, which are refused one by one. Returns the refused; they are rejects, too."""
        refused = [each for topic, rows in topics.items() for each in self._copy_lines(self.targets[topic], rows)]
        self._reject([*rejects, *refused])
        self._verify()
        return tuple(refused)

    def _verify(self) -> None:
        if self.advanced:
            self.advanced.verify()

    def _insert(self, topics: Mapping[str, Lines]) -> None:
        from snowflake.connector.errors import DataError, IntegrityError, ProgrammingError

        array = "[" + ",".join(rows.array()[1:-1] for rows in topics.values()) + "]"
        mark = [self.advanced.name] if self.advanced else []
        statement = insert_statement([self.targets[t] for t in topics], marked=bool(mark))
        try:
            self.cursor.execute(statement, (sql_time(self.at), array, *mark))
        except (ProgrammingError, IntegrityError, DataError) as error:
            raise RefusedRows(str(error.msg)) from error
        inserted = sum(int(count) for count in self.cursor.fetchall()[0])
        expected = sum(rows.count for rows in topics.values())
        if not inserted:
            self._verify()
        if inserted != expected:
            raise RefusedRows(f"{inserted} of {expected} rows were inserted")

    def _copy(self, target: Target, rows: Lines) -> None:
        name = self._put(target, rows)
        self.cursor.execute(copy_statement(target, self.folder, name, self.at))
        loaded = int(self.cursor.fetchall()[0][3])
        if loaded != rows.count:  # a COPY of JSON may skip what comes after an error
            raise RefusedRows(f"{name} held {rows.count} rows, and the warehouse loaded {loaded}")

    def _copy_lines(self, target: Target, rows: Lines) -> list[Rejected]:
        """Copy a file by line; of each row that is refused the key alone, if that can be read."""
        refused = self._copy_text(target, rows)
        left = [line for r in refused if (line := without_values(r.record or b"", r.reason))]
        if left:
            keys = Lines()
            keys.extend(left, sum(map(len, left)))
            self._copy_text(target, keys)
        return refused

    def _copy_text(self, target: Target, rows: Lines) -> list[Rejected]:
        """Copy a file as text into the rejects, whose columns are texts, and its rows from there to the table."""
        name = self._put(target, rows)
        copy, insert, delete = by_line_statements(target, self.folder, name, self.at)
        self.cursor.execute(copy)
        parsed = int(self.cursor.fetchall()[0][2])
        if parsed != rows.count:
            raise RefusedRows(f"{name} held {rows.count} rows, and the warehouse read {parsed}")
        self.cursor.execute(insert)
        inserted = int(self.cursor.fetchall()[0][0])
        self.cursor.execute(delete)
        return [] if inserted == rows.count else self._refused(target, rows)

    def _put(self, target: Target, rows: Lines) -> str:
        """Stage the rows as a file; its name."""
        name = f"{target.topic}.jsonl.zst"
        put: Any = self.cursor
        put.execute(
            f"PUT file:///{name} @{KAFKA_STAGE}/{self.folder} "
            "AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = ZSTD OVERWRITE = TRUE",
            file_stream=io.BytesIO(rows.file()),
        )
        return name

    def _refused(self, target: Target, rows: Lines) -> list[Rejected]:
        """The rows of a file that did not arrive."""
        places = rows.offsets()
        self.cursor.execute(
            f"SELECT KAFKA_PARTITION, KAFKA_OFFSET FROM {target.table} WHERE KAFKA_OFFSET BETWEEN ? AND ?",
            (min(o for _, o in places), max(o for _, o in places)),
        )
        arrived = {(int(p), int(o)) for p, o in self.cursor.fetchall()}
        return [
            Rejected(target.topic, p, o, "the warehouse could not read it", line)
            for (p, o), line in places.items()
            if (p, o) not in arrived
        ]

    def _reject(self, rejects: Sequence[Rejected]) -> None:
        if not rejects:
            return
        self.cursor.executemany(
            f"INSERT INTO {REJECTS} {REJECT_COLUMNS} VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (r.file, SOURCE, self.targets[r.topic].stream, r.file, r.offset, r.reason, r.text, sql_time(self.at))
                for r in rejects
            ],
        )


Write = Callable[[Writer, Mapping[str, Lines], Sequence[Rejected]], tuple[Rejected, ...]]


def by_line_if_refused(load: Callable[[Write], T], what: str) -> T:
    """Load `what`, and where a row of it is refused once more, by line: each time in a transaction of its own."""
    try:
        return load(Writer.write)
    except RefusedRows:
        try:
            return load(Writer.write_by_line)
        except RefusedRows as error:
            raise WarehouseUnavailable(f"The warehouse lost rows of {what} ({error}): try again.") from error


def _few(topics: Mapping[str, Lines]) -> dict[str, Lines]:
    """The topics whose rows go in by one bound statement: as many of the smaller ones as its array may hold."""
    few: dict[str, Lines] = {}
    size = 0
    for topic, rows in sorted(topics.items(), key=lambda item: item[1].size):
        if rows.staged or size + rows.size > LONGEST_ARRAY:
            continue
        size += rows.size
        few[topic] = rows
    return few


def insert_statement(targets: Sequence[Target], *, marked: bool = False) -> str:
    """One INSERT for all tables of a batch. Bound: LOADED_AT, the rows as a JSON array, and the advance's name."""
    branches = "\n".join(
        f"    WHEN TOPIC = '{t.topic}' THEN INTO {t.table} {_COLUMNS} VALUES (CONTENT, METADATA, P, O, LOADED)"
        for t in targets
    )
    return f"""
INSERT FIRST
{branches}
SELECT
    VALUE:m:topic::VARCHAR AS TOPIC,
    VALUE:c AS CONTENT,
    VALUE:m AS METADATA,
    VALUE:p::NUMBER AS P,
    VALUE:o::NUMBER AS O,
    CAST(? AS TIMESTAMP_NTZ) AS LOADED
FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?)))
{f"WHERE EXISTS (SELECT 1 FROM {OFFSETS} WHERE LOADER = ?)" if marked else ""}
"""


def copy_statement(target: Target, folder: str, name: str, at: datetime) -> str:
    """COPY one staged file."""
    values = f"$1:c, $1:m, $1:p::NUMBER, $1:o::NUMBER, '{sql_time(at)}'::TIMESTAMP_NTZ"
    return Copy(f"{target.table} {_COLUMNS}", values, KAFKA_STAGE, FILE_FORMAT).of(folder, literal(name))


def by_line_statements(target: Target, folder: str, name: str, at: datetime) -> tuple[str, str, str]:
    """COPY one staged file as text into the rejects, INSERT what parses into the table, and DELETE the texts."""
    file, loaded_at = f"{folder}/{name}", f"'{sql_time(at)}'::TIMESTAMP_NTZ"
    values = f"'{file}', '{SOURCE}', '{target.stream}', '{file}', METADATA$FILE_ROW_NUMBER, '', $1, {loaded_at}"
    lines = f"{REJECTS} WHERE BATCH_ID = '{file}'"  # no reject has such an id
    return (
        Copy(f"{REJECTS} {REJECT_COLUMNS}", values, KAFKA_STAGE, LINES_FORMAT).of(folder, literal(name)),
        f"""
INSERT INTO {target.table} {_COLUMNS}
SELECT LINE:c, LINE:m, LINE:p::NUMBER, LINE:o::NUMBER, {loaded_at}
FROM (SELECT TRY_PARSE_JSON(RECORD) AS LINE FROM {lines})
WHERE LINE IS NOT NULL
""",
        f"DELETE FROM {lines}",
    )
