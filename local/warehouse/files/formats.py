"""From the options of a file format to what reads its files; an option that would be done wrong is refused."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fakesnow.transforms import file_format as upstream

from local.warehouse import errors
from local.warehouse.files import delimited, json_lines, parquet
from local.warehouse.files.batch import Format

IGNORED = ("TYPE", "COMPRESSION", "FILE_EXTENSION")
NEUTRAL: dict[str, Any] = {
    "STRIP_OUTER_ARRAY": False,
    "STRIP_NULL_VALUES": False,
    "ENABLE_OCTAL": False,
    "ALLOW_DUPLICATE": False,
    "IGNORE_UTF8_ERRORS": False,
    "REPLACE_INVALID_CHARACTERS": False,
    "TRIM_SPACE": False,
    "SKIP_BYTE_ORDER_MARK": True,
    "MULTI_LINE": True,
    "PARSE_HEADER": False,
    "ESCAPE": "NONE",
    "ENCODING": "UTF8",
    "RECORD_DELIMITER": "\n",
    "DATE_FORMAT": "AUTO",
    "TIME_FORMAT": "AUTO",
    "TIMESTAMP_FORMAT": "AUTO",
    "BINARY_FORMAT": "HEX",
    "USE_VECTORIZED_SCANNER": False,
    "SNAPPY_COMPRESSION": True,
}
CSV_OPTIONS = (
    "FIELD_DELIMITER",
    "FIELD_OPTIONALLY_ENCLOSED_BY",
    "SKIP_HEADER",
    "NULL_IF",
    "EMPTY_FIELD_AS_NULL",
    "SKIP_BLANK_LINES",
    "ESCAPE_UNENCLOSED_FIELD",
    "ERROR_ON_COLUMN_COUNT_MISMATCH",
)
PARQUET_OPTIONS = ("USE_LOGICAL_TYPE", "BINARY_AS_TEXT")


def format_of(options: dict[str, Any], *, transformed: bool) -> Format:
    """The format that these options describe. `transformed`: the COPY has a SELECT, so any width of CSV will do."""
    kind = str(options.get("TYPE", "CSV")).upper()
    make = {"JSON": _json, "CSV": _csv, "PARQUET": _parquet}.get(kind)
    if make is None:
        raise errors.unsupported(f"files of TYPE = {kind}")
    return make(options, transformed)


def is_true(value: Any) -> bool:
    return str(value).upper() in ("TRUE", "1")


def _json(options: dict[str, Any], _transformed: bool) -> Format:
    _refuse_others("JSON", options, ())
    return Format("JSON", json_lines.read, _compression(options))


def _parquet(options: dict[str, Any], _transformed: bool) -> Format:
    _refuse_others("Parquet", options, PARQUET_OPTIONS)
    read = parquet.Options(
        logical_types=is_true(options.get("USE_LOGICAL_TYPE", False)),
        binary_as_text=is_true(options.get("BINARY_AS_TEXT", True)),
    ).read
    return Format("PARQUET", read, "NONE")  # a Parquet file is compressed inside


def _csv(options: dict[str, Any], transformed: bool) -> Format:
    _refuse_others("CSV", options, CSV_OPTIONS)
    null_if = options.get("NULL_IF", ["\\N"])
    dialect = delimited.Dialect(
        delimiter=_character(options.get("FIELD_DELIMITER", ",")),
        quote=_character(options.get("FIELD_OPTIONALLY_ENCLOSED_BY", "NONE")),
        skip_header=int(options.get("SKIP_HEADER", 0)),
        null_if=tuple(null_if) if isinstance(null_if, list) else (str(null_if),),
        empty_is_null=is_true(options.get("EMPTY_FIELD_AS_NULL", True)),
        skip_blank=is_true(options.get("SKIP_BLANK_LINES", False)),
        escapes=_character(options.get("ESCAPE_UNENCLOSED_FIELD", "\\")) is not None,
        one_width=not transformed and is_true(options.get("ERROR_ON_COLUMN_COUNT_MISMATCH", True)),
    )
    return Format("CSV", dialect.read, _compression(options))


def _character(value: Any) -> str | None:
    return None if str(value).upper() == "NONE" else str(value)


def _compression(options: dict[str, Any]) -> str:
    return str(options.get("COMPRESSION", "AUTO")).upper()


def _refuse_others(kind: str, options: dict[str, Any], known: Collection[str]) -> None:
    for name, value in options.items():
        if name in IGNORED or name in known or (name == "NULL_IF" and value in ([], "")):
            continue
        if name not in NEUTRAL or str(value).upper() != str(NEUTRAL[name]).upper():
            raise errors.unsupported(f"{kind} file format option {name} = {value}")


def apply() -> None:
    """Upstream (fakesnow 0.12.1) keeps ESCAPE_UNENCLOSED_FIELD = NONE for a CSV format that does not say it."""
    upstream.CSV_DEFAULT_OPTIONS["ESCAPE_UNENCLOSED_FIELD"] = "\\"
