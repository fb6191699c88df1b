"""How values become texts that can be digested in SQL: Postgres' own text, and staging's value in that same form.

Nothing here rounds or casts as loading and dbt do. On the shard a value is what Postgres prints (`column::text`, with
the session settings of `postgres.py`); in the warehouse the stored value is printed so that it must be equal. Where a
database can't print a value in Postgres' form, the texts differ although the values may not: `meaning.py` then decides.
Equal texts always are equal values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from enum import Enum
from fractions import Fraction

TWO_60 = 2**60
BAND = repr(52 * math.log(2))
LARGEST = repr(float.fromhex("0x1.fffffffffffffp+1023"))
LONG = 50_000  # characters: of longer texts only the digest is fetched
BESIDE = " beside "
TWO_BACKSLASHES, ESCAPED_QUOTE, KEPT = r"\\", r"\"", r"\1\2\3\4"


class ColumnKind(Enum):
    """How the values of types are printed and compared, with the types; what is none of them, as TEXT."""

    WHOLE = ("smallint", "integer", "bigint")
    NUMBER = ("numeric",)
    FLOAT = ("real", "double precision")
    BOOLEAN = ("boolean",)
    DATE = ("date",)
    TIMESTAMP = ("timestamp",)
    TIMESTAMPTZ = ("timestamptz",)
    TIME = ("time",)
    INTERVAL = ("interval",)
    JSON = ("json", "jsonb")
    BINARY = ("bytea",)
    ARRAY = ("[]",)
    TEXT = ("text",)


_KINDS = {name: kind for kind in ColumnKind for name in kind.value}
_CAST_IS_OUTPUT = ("text", "varchar", "uuid", "enum")
# Elements that Postgres and Debezium write alike in JSON.
_AS_JSON = (ColumnKind.WHOLE, ColumnKind.BOOLEAN, ColumnKind.TEXT)


def kind_of(pg_type: str) -> ColumnKind:
    """The kind of a declared Postgres type; what has none of its own is compared as text."""
    return ColumnKind.ARRAY if pg_type.endswith("[]") else _KINDS.get(base_of(pg_type), ColumnKind.TEXT)


def base_of(pg_type: str) -> str:
    """A type without brackets and precision: `timestamp(6)[]` is a timestamp."""
    return re.sub(r"\(.*?\)|\[\]", "", pg_type).strip()


class PostgresTexts:
    """Postgres' own text."""

    collation = ' COLLATE "C"'

    def name(self, column: str) -> str:
        return '"' + column.replace('"', '""') + '"'

    def literal(self, value: str) -> str:
        return "'" + value.replace("'", "''") + "'"

    def digested(self, column: str, pg_type: str) -> str:
        """The SQL of the text that goes into a row's digest."""
        text = self._own(column, pg_type)
        match kind_of(pg_type):
            case ColumnKind.NUMBER:
                return without_zeros(text)
            case ColumnKind.FLOAT:
                return float_pieces(f"CAST({text} AS DOUBLE PRECISION)")
            case ColumnKind.JSON:
                return _json_form(text, self, every=", 'g'")
            case ColumnKind.ARRAY if kind_of(base_of(pg_type)) in _AS_JSON:
                return _json_form(f"CAST(ARRAY_TO_JSON({self.name(column)}) AS VARCHAR)", self, every=", 'g'")
            case _:
                return text

    def key(self, column: str, pg_type: str) -> str:
        """The SQL of the text of a key's part: the same in every database, or rows would not meet."""
        return self.digested(column, pg_type)

    def fetched(self, column: str, pg_type: str) -> str:
        """The SQL of the text that `meaning.alike` compares and results show."""
        return _bounded(self._own(column, pg_type), kind_of(pg_type))

    def _own(self, column: str, pg_type: str) -> str:
        name = self.name(column)
        if kind_of(pg_type) is ColumnKind.ARRAY:
            return f"CAST(TO_JSON(CAST({name} AS text[])) AS VARCHAR)"
        if kind_of(pg_type) is ColumnKind.TEXT and base_of(pg_type) not in _CAST_IS_OUTPUT:
            # A cast to text cuts blanks off a char(n) and adds /32 to an inet: FORMAT prints what Postgres would.
            return f"CASE WHEN {name} IS NOT NULL THEN FORMAT('%s', {name}) END"
        return f"CAST({name} AS VARCHAR)"


class WarehouseTexts:
    """Staging's values as Postgres would print them; a value that is kept in `_special` counts as its column's."""

    collation = ""

    def name(self, column: str) -> str:
        return '"' + column.upper() + '"'

    def literal(self, value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"

    def digested(self, column: str, pg_type: str) -> str:
        return self._text(column, pg_type, f'_SPECIAL:"{column}"::VARCHAR')

    def key(self, column: str, pg_type: str) -> str:
        special = f'_SPECIAL:"{column}"::VARCHAR'
        if kind_of(pg_type) in (ColumnKind.DATE, ColumnKind.TIMESTAMP, ColumnKind.TIMESTAMPTZ):
            special = _year_as_postgres(special, "+00" if kind_of(pg_type) is ColumnKind.TIMESTAMPTZ else "")
        return self._text(column, pg_type, special)

    def _text(self, column: str, pg_type: str, special: str) -> str:
        kind, name = kind_of(pg_type), self.name(column)
        if kind is ColumnKind.TEXT:
            return name
        text = _WAREHOUSE[kind].format(name) if kind is not ColumnKind.FLOAT else float_pieces(name)
        if kind in (ColumnKind.JSON, ColumnKind.ARRAY):
            text = _json_form(text, self)
        text = f"COALESCE({text} || COALESCE('{BESIDE}' || {special}, ''), {special})"
        return without_zeros(text) if kind is ColumnKind.NUMBER else text

    def fetched(self, column: str, pg_type: str) -> str:
        kind = kind_of(pg_type)
        if kind in (ColumnKind.JSON, ColumnKind.ARRAY):
            return f'COALESCE(TO_JSON({self.name(column)}), _SPECIAL:"{column}"::VARCHAR)'
        return _bounded(self.digested(column, pg_type), kind)


Texts = PostgresTexts | WarehouseTexts
_NO_INTERVAL = "([^0-9.])0[YMDHS]"
_SHORT = "RTRIM(RTRIM(TO_VARCHAR({}, '{}'), '0'), '.')"  # a moment, without zeros at the end of its fraction
_WAREHOUSE = {
    ColumnKind.WHOLE: "TO_VARCHAR({0})",
    ColumnKind.NUMBER: "TO_VARCHAR({0})",
    ColumnKind.BOOLEAN: "TO_VARCHAR({0})",
    ColumnKind.DATE: "TO_VARCHAR({0}, 'YYYY-MM-DD')",
    ColumnKind.TIMESTAMP: _SHORT.format("{0}", "YYYY-MM-DD HH24:MI:SS.FF9"),
    ColumnKind.TIMESTAMPTZ: _SHORT.format("CONVERT_TIMEZONE('UTC', {0})", "YYYY-MM-DD HH24:MI:SS.FF9") + " || '+00'",
    ColumnKind.TIME: _SHORT.format("TIMESTAMP_NTZ_FROM_PARTS('2000-01-01'::DATE, {0})", "HH24:MI:SS.FF9"),
    # Debezium names every part of an interval, Postgres those that are not 0.
    ColumnKind.INTERVAL: (
        f"RTRIM(REGEXP_REPLACE(REGEXP_REPLACE({{0}}, '{_NO_INTERVAL}', '\\\\1'), '{_NO_INTERVAL}', '\\\\1'), 'T')"
    ),
    ColumnKind.JSON: "TO_JSON({0})",
    ColumnKind.ARRAY: "TO_JSON({0})",
    ColumnKind.BINARY: "'\\\\x' || {0}",
}


def without_zeros(text: str) -> str:
    """A number's text without zeros at the end of its fraction: a declared scale adds some."""
    return f"CASE WHEN {text} LIKE '%.%' THEN RTRIM(RTRIM({text}, '0'), '.') ELSE {text} END"


def _bounded(text: str, kind: ColumnKind) -> str:
    if kind not in (ColumnKind.TEXT, ColumnKind.BINARY):
        return text
    return f"CASE WHEN LENGTH({text}) > {LONG} THEN 'a long value, MD5 ' || MD5({text}) ELSE {text} END"


def _year_as_postgres(special: str, zone: str) -> str:
    """An ISO date or time as Postgres prints it: years before Christ count from 1 and say BC."""
    digits = f"REGEXP_SUBSTR({special}, '^[+-]?[0-9]+')"
    year = f"TRY_CAST({digits} AS NUMBER(38, 0))"
    rest = f"REPLACE(REPLACE(SUBSTR({special}, LENGTH({digits}) + 1), 'T', ' '), 'Z', '')"
    rest = f"CASE WHEN {rest} LIKE '%.%' THEN RTRIM(RTRIM({rest}, '0'), '.') ELSE {rest} END || '{zone}'"
    before = f"(CASE WHEN {year} > -9999 THEN LPAD(TO_VARCHAR(1 - {year}), 4, '0') ELSE TO_VARCHAR(1 - {year}) END)"
    after = f"(CASE WHEN {year} < 10000 THEN LPAD(TO_VARCHAR({year}), 4, '0') ELSE TO_VARCHAR({year}) END)"
    return (
        f"CASE WHEN {year} IS NULL OR {special} LIKE '% %' THEN {special} "
        f"WHEN {year} <= 0 THEN {before} || {rest} || ' BC' ELSE {after} || {rest} END"
    )


def _json_form(text: str, texts: Texts, every: str = "") -> str:
    """A document in the order in which it stands, without blanks and zeros that mean nothing; strings stay as they are.

    `every` is what makes REGEXP_REPLACE replace all. Escapes in strings are set aside first: then a string ends at the
    next quotation mark. Documents never hold the two characters that stand for them.
    """
    text = f"REPLACE(REPLACE({text}, {texts.literal(TWO_BACKSLASHES)}, CHR(1)), {texts.literal(ESCAPED_QUOTE)}, CHR(2))"
    pattern = r'("[^"]*")|([.][0-9]*[1-9])0+([],}]|$)|[.]0+([],}]|$)|[[:space:]]'
    return f"REGEXP_REPLACE({text}, '{pattern}', {texts.literal(KEPT)}{every})"


def row_digest(texts: Iterable[str]) -> str:
    """A number of up to 18 digits for a row, from the text expressions of its columns; NULL is unlike any text.

    The first 18 digits of the MD5 in hexadecimal with a–f read as 0–5: arithmetic that every database has. Sums of it
    do not depend on order. Each column is digested first: its expression then appears once, and Postgres would
    evaluate it as often as it appears.
    """
    joined = " || ".join(f"COALESCE(MD5({text}), '-')" for text in texts)
    return f"CAST(TRANSLATE(SUBSTR(MD5({joined}), 1, 18), 'abcdef', '012345') AS BIGINT)"


def float_pieces(value: str) -> str:
    """Any double, exactly, as `sign band:whole.fraction`: (whole + fraction / 2^60) · 2^(52 · band).

    Every database prints doubles in its own way, but all multiply by powers of two alike. In two steps, for the power
    alone may be too large. A logarithm near a band's edge may choose its neighbour: the value is exact there too.
    """
    size = f"ABS({value})"
    band = f"FLOOR(LN({size}) / {BAND})"
    power = f"POWER({_double('2')}, -26 * {band})"
    scaled = f"({size} * {power} * {power})"
    return (
        f"CASE WHEN {value} IS NULL THEN NULL WHEN {value} = 0 THEN '0' "
        f"WHEN {value} = {_double('NaN')} THEN 'NaN' "
        f"ELSE CASE WHEN {value} < 0 THEN '-' ELSE '+' END || "
        f"CASE WHEN {size} > {_double(LARGEST)} THEN 'Infinity' "
        f"ELSE {_whole(band)} || ':' || {_whole(scaled)} || '.' || "
        f"{_whole(f'(({scaled} - FLOOR({scaled})) * {TWO_60})')} END END"
    )


def double_of(pieces: str) -> float:
    """The double that `float_pieces` printed. Raises ValueError for any other text."""
    if ":" not in pieces:
        return float(pieces)
    sign, digits = (-1.0 if pieces.startswith("-") else 1.0), pieces[1:]
    band, _, rest = digits.partition(":")
    whole, _, fraction = rest.partition(".")
    return sign * float((int(whole) + Fraction(int(fraction), TWO_60)) * Fraction(2) ** (52 * int(band)))


def _double(text: str) -> str:
    return f"CAST('{text}' AS DOUBLE PRECISION)"


def _whole(value: str) -> str:
    return f"CAST(CAST(FLOOR({value}) AS BIGINT) AS VARCHAR)"
