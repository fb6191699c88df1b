r"""Text is read as a date, and a date written as text, by Snowflake's formats.

Upstream (fakesnow 0.12.1) leaves the casts to sqlglot and DuckDB. A literal in TRY_CAST(… AS DATE) is read as
MM/DD/YYYY and the same text in a column is NULL; DuckDB takes 2026/01/05, which Snowflake does not; TO_CHAR of a column
drops its format. Snowflake's reference, "Date and time input and output formats", for AUTO: YYYY-MM-DD, DD-MON-YYYY and
MM/DD/YYYY, slashes and dashes are not interchangeable; "TO_DATE": a text that is a whole number is seconds (or, where
that would be too far away, milli-, micro- or nanoseconds) since 1970.
"""

from __future__ import annotations

import re

from sqlglot import exp

from local.warehouse import errors, hooks, macros

ISO = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?![\d/-])")
MACROS = {
    "seconds(n)": (
        "CASE WHEN abs(n) < 31536000000 THEN n WHEN abs(n) < 31536000000000 THEN n // 1000 "
        "WHEN abs(n) < 31536000000000000 THEN n // 1000000 ELSE n // 1000000000 END"
    ),
    "with_dashes(t)": r"regexp_replace(t, '^\s*(\d{1,2})/(\d{1,2})/(\d{4})', '\3-\1-\2')",
    "date_of_text(t)": (
        r"CASE WHEN regexp_full_match(t, '\s*\d{1,2}/\d{1,2}/\d{4}\s*') THEN TRY_CAST(_fs_with_dashes(t) AS DATE) "
        r"WHEN regexp_full_match(t, '\d{1,2}-[A-Za-z]{3}-\d{4}') THEN CAST(try_strptime(t, '%d-%b-%Y') AS DATE) "
        r"WHEN regexp_full_match(t, '-?\d{1,18}') "
        "THEN CAST(to_timestamp(_fs_seconds(TRY_CAST(t AS BIGINT))) AS TIMESTAMP)::DATE "
        r"WHEN regexp_matches(t, '^\s*\d{4}-') THEN TRY_CAST(t AS DATE) END"
    ),
    # A macro's argument is put wherever its name stands; as a lambda's it is worked out once.
    "try_date(x)": (
        "list_transform([x], lambda _fs_x: CASE WHEN typeof(_fs_x) = 'VARCHAR' "
        "THEN _fs_date_of_text(CAST(_fs_x AS VARCHAR)) ELSE TRY_CAST(_fs_x AS DATE) END)[1]"
    ),
    "date(x)": (
        "list_transform([x], lambda _fs_x: CASE WHEN typeof(_fs_x) <> 'VARCHAR' THEN CAST(_fs_x AS DATE) "
        "WHEN _fs_x IS NULL OR _fs_date_of_text(CAST(_fs_x AS VARCHAR)) IS NOT NULL "
        "THEN _fs_date_of_text(CAST(_fs_x AS VARCHAR)) "
        "ELSE error('Date ''' || CAST(_fs_x AS VARCHAR) || ''' is not recognized') END)[1]"
    ),
    # As upstream's, but for text with slashes.
    "to_timestamp(val, scale)": (
        "CASE WHEN TRY_CAST(val AS BIGINT) IS NOT NULL THEN CAST(to_timestamp(CASE scale WHEN 0 THEN val::BIGINT "
        "WHEN 3 THEN val::BIGINT / 1000 WHEN 6 THEN val::BIGINT / 1000000 WHEN 9 THEN val::BIGINT / 1000000000 END) "
        r"AS TIMESTAMP) WHEN typeof(val) = 'VARCHAR' AND regexp_matches(CAST(val AS VARCHAR), '^\s*\d+/') "
        r"THEN CAST(CASE WHEN regexp_matches(CAST(val AS VARCHAR), '^\s*\d{1,2}/') "
        "THEN _fs_with_dashes(CAST(val AS VARCHAR)) ELSE 'no timestamp: ' || CAST(val AS VARCHAR) END AS TIMESTAMP) "
        "ELSE CAST(val AS TIMESTAMP) END"
    ),
}
DATES = (exp.Cast, exp.TryCast, exp.TsOrDsToDate)
ARE_NO_TEXT = (exp.TimestampTrunc, exp.DateTrunc, exp.DateAdd, exp.CurrentDate, exp.CurrentTimestamp, exp.Null)
ELEMENTS = {
    "YYYY": "%Y",
    "YY": "%y",
    "MMMM": "%B",
    "MON": "%b",
    "MM": "%m",
    "DD": "%d",
    "DY": "%a",
    "HH24": "%H",
    "HH12": "%I",
    "AM": "%p",
    "PM": "%p",
    "MI": "%M",
    "SS": "%S",
    "FF3": "%g",
    "FF6": "%f",
    "FF9": "%n",
    "FF": "%n",
    "TZHTZM": "%z00",  # sessions are in UTC, and DuckDB writes whole hours alone
    "TZH:TZM": "%z:00",
}
ELEMENT = re.compile(r'"[^"]*"|' + "|".join(sorted(ELEMENTS, key=len, reverse=True)) + r"|[A-Za-z0-9$]+|.", re.I | re.S)


def strftime_format(text: str) -> str:
    """A format of TO_CHAR for dates and times as one of strftime; an error for an element that is not known."""
    parts = []
    for part in ELEMENT.findall(text):
        if part.upper() in ELEMENTS:
            parts.append(ELEMENTS[part.upper()])
        elif part.startswith('"') and len(part) > 1:
            parts.append(part[1:-1].replace("%", "%%"))
        elif (part.isalnum() and part.upper() != "T") or part in "$":
            raise errors.unsupported(f"{part!r} in the format {text!r} of TO_CHAR")
        else:
            parts.append(part.replace("%", "%%"))
    return "".join(parts)


def _written(node: exp.Expr) -> exp.Expr:
    form = node.args.get("format") if isinstance(node, exp.ToChar) else None
    if form is None:
        return node
    if not form.is_string:
        raise errors.unsupported("TO_CHAR with a format that is no literal")
    return exp.Anonymous(this="STRFTIME", expressions=[node.this, exp.Literal.string(strftime_format(form.name))])


def _read(node: exp.Expr) -> exp.Expr:
    if not isinstance(node, DATES) or node.args.get("format"):
        return node
    if isinstance(node, exp.Cast) and node.to.this != exp.DataType.Type.DATE:
        return node
    value = node.this.unnest()
    if isinstance(value, ARE_NO_TEXT) or (isinstance(value, exp.Cast) and not value.is_type(*exp.DataType.TEXT_TYPES)):
        return node
    if value.is_string and ISO.match(value.name):
        return node
    softly = isinstance(node, exp.TryCast) or bool(node.args.get("safe"))
    macro = exp.Anonymous(this="_fs_try_date" if softly else "_fs_date", expressions=[node.this])
    return exp.Cast(this=macro, to=exp.DataType.build("DATE"))


def apply() -> None:
    for signature, body in MACROS.items():
        macros.add(f"CREATE OR REPLACE MACRO ${{catalog}}._fs_{signature} AS {body.replace('$', '$$')}")
    hooks.rewrite_node(hooks.BEFORE, _written)
    hooks.rewrite_node(hooks.AFTER, _read)
