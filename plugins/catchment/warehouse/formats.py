"""How files of each record format are copied: the named file format, and what of a line is the record. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from catchment.landing import RecordFormat

_RAW = "RAW.CATCHMENT."


@dataclass(frozen=True)
class Format:
    """`file_format` is its name in the warehouse; `record` and `parent` are expressions over a file's columns."""

    file_format: str
    record: str = "$1"
    parent: str | None = None


_FORMATS = {
    RecordFormat.RECORDS: Format(_RAW + "JSON_LINES"),
    RecordFormat.ENVELOPES: Format(_RAW + "JSON_LINES", record="$1:record", parent="$1:parent"),
    RecordFormat.GZIP_RECORDS: Format(_RAW + "JSON_LINES_GZIP"),
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


def literal(text: str) -> str:
    """A text literal for a statement whose values are still to be bound, where a percent sign is written twice.

    Quotes and backslashes are doubled too, for backslashes escape inside single quotes.
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "''").replace("%", "%%") + "'"
