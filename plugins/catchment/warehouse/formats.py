"""How files of each record format are copied: the named file format, and what of a line is the record. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from catchment.landing import RecordFormat
from catchment.warehouse.names import FILE_FORMAT, LINES_FORMAT

_RAW = "RAW.CATCHMENT."


@dataclass(frozen=True)
class Format:
    """`file_format` is its name in the warehouse; `record` and `parent` are expressions over a file's columns.

    `lines`: the format that reads the same files line by line, as text; "" where a record is no line.
    """

    file_format: str
    record: str = "$1"
    parent: str | None = None
    lines: str = ""


_FORMATS = {
    RecordFormat.RECORDS: Format(FILE_FORMAT, lines=LINES_FORMAT),
    RecordFormat.ENVELOPES: Format(FILE_FORMAT, record="$1:record", parent="$1:parent", lines=LINES_FORMAT),
    RecordFormat.GZIP_RECORDS: Format(_RAW + "JSON_LINES_GZIP", lines=_RAW + "TEXT_LINES_GZIP"),
    RecordFormat.CSV: Format(_RAW + "CSV_FILES"),
    RecordFormat.PARQUET: Format(_RAW + "PARQUET_FILES"),
}


def format_of(record_format: RecordFormat, columns: tuple[str, ...] = ()) -> Format:
    """The format; a CSV line becomes an object of `columns`, an empty cell without quotes a null."""
    chosen = _FORMATS[record_format]
    if not columns:
        return chosen
    cells = ", ".join(f"{literal(name)}, ${number}" for number, name in enumerate(columns, start=1))
    return Format(chosen.file_format, record=f"OBJECT_CONSTRUCT_KEEP_NULL({cells})")


def metadata(file: str, row: str, parent: str | None) -> str:
    """RECORD_METADATA, from expressions for the file, the row and what a child record is part of. Values are bound."""
    more = f", 'parent', {parent}" if parent else ""
    return f"""OBJECT_CONSTRUCT(
            'source', %(source)s, 'stream', %(stream)s,
            'interval_start', %(start)s, 'interval_end', %(end)s, 'extracted_at', %(extracted_at)s,
            'file', {file}, 'row', {row}{more}
        )"""


def literal(text: str) -> str:
    """A text literal for a statement whose values are still to be bound, where a percent sign is written twice.

    Quotes and backslashes are doubled too, for backslashes escape inside single quotes.
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "''").replace("%", "%%") + "'"
