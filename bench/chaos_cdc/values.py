"""Values for the application's columns, odd ones often; as text that Postgres reads, and all decided by the dice."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

ODD = 0.3  # the share of values that are out of the ordinary
LARGE = 0.12  # the share of values that Postgres keeps out of line (TOAST), in columns that can
LARGE_CHARACTERS = 9_000  # with nothing in them to compress
LONGEST = 38  # digits of a whole number in a JSON document


@dataclass(frozen=True)
class Column:
    """A column: its declared type, whether it may be NULL, and an enum's labels."""

    name: str
    kind: str
    nullable: bool = True
    labels: tuple[str, ...] = ()

    @property
    def can_be_large(self) -> bool:
        return self.kind in ("text", "jsonb", "bytea", "integer[]")


def value(draw: Random, column: Column) -> str | None:
    """A value for the column."""
    if column.nullable and draw.random() < 0.1:
        return None
    if column.labels:
        return draw.choice(column.labels)
    if column.can_be_large and draw.random() < LARGE:
        return _LARGE[column.kind](draw)
    kind = column.kind.partition("(")[0]
    if kind in _ODD and draw.random() < ODD:
        return draw.choice(_ODD[kind])
    return _ORDINARY[kind](draw)


def _moment(draw: Random) -> str:
    day = f"{draw.randrange(1950, 2050)}-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}"
    return f"{day} {draw.randrange(24):02}:{draw.randrange(60):02}:{draw.randrange(60):02}.{draw.randrange(10**6):06}"


def _document(draw: Random) -> str:
    return json.dumps({"n": draw.randrange(10**6), "list": [draw.random(), None, {"ä": draw.random() < 0.5}]})


def _numbers(draw: Random, count: int) -> str:
    return "{" + ",".join(str(draw.randrange(-(2**31), 2**31)) for _ in range(count)) + "}"


_ORDINARY: dict[str, Callable[[Random], str]] = {
    "bigint": lambda draw: str(draw.randrange(10**9)),
    "integer": lambda draw: str(draw.randrange(10**4)),
    "numeric": lambda draw: f"{draw.randrange(-(10**9), 10**10) / 10**4:.4f}",
    "double precision": lambda draw: repr(draw.expovariate(0.01)),
    "boolean": lambda draw: draw.choice(("true", "false")),
    "text": lambda draw: f"word {draw.randrange(10**6)}",
    "uuid": lambda draw: str(uuid.UUID(int=draw.getrandbits(128))),
    "date": lambda draw: _moment(draw)[:10],
    "timestamp": _moment,
    "timestamptz": lambda draw: _moment(draw) + draw.choice(("+00", "+05:30", "-11")),
    "jsonb": _document,
    "bytea": lambda draw: "\\x" + draw.randbytes(draw.randrange(40)).hex(),
    "integer[]": lambda draw: _numbers(draw, draw.randrange(6)),
}
_LARGE: dict[str, Callable[[Random], str]] = {
    "text": lambda draw: "Größe ✨ " + draw.randbytes(LARGE_CHARACTERS // 2).hex(),
    "jsonb": lambda draw: json.dumps({"large": draw.randbytes(LARGE_CHARACTERS // 2).hex(), "n": 2**63 + 1}),
    "bytea": lambda draw: "\\x" + draw.randbytes(LARGE_CHARACTERS).hex(),
    "integer[]": lambda draw: _numbers(draw, LARGE_CHARACTERS // 4),
}
_ODD: dict[str, tuple[str, ...]] = {
    "bigint": (str(2**53 + 1), str(-(2**53) - 1), str(2**63 - 1), str(-(2**63)), "0"),
    "integer": (str(2**31 - 1), str(-(2**31)), "0"),
    "numeric": ("NaN", "0", "0.0001", "-0.0001", "99999999999999.9999", "-99999999999999.9999", "9007199254740.9931"),
    "double precision": (
        *("NaN", "Infinity", "-Infinity", "5e-324", "2.2250738585072014e-308", "1.7976931348623157e308"),
        *("0.1", "0.30000000000000004", "-1.5e22", "1e16", "123456789.12345679", "0"),
    ),
    "text": (
        *("", " ", " padded ", "NULL", "null", "\\N", "NaN", "\\u0000", "\\x00", "\\\\u0000\\", "%s {0} $1 ? :a"),
        *('it\'s "quoted" `so`', "line\nbreak\r\n\ttab", "\x01\x08\x0b\x1f\x7f", "\ufeffmark", "\ufffd\uffff"),
        *(
            "e\u0301 is é",
            "\u202eright to left",
            "👩‍👩‍👧‍👦 𝒳 中文 ß İ ı",
            "--; DROP",
            "{}",
            "[1]",
            '{"a": 1}',
            "'",
            '"',
            "\\",
        ),
    ),
    # Not the ten days before 1582-10-15: Debezium's incremental snapshots (3.7) read days by a calendar without them,
    # and write 1582-10-20 for 1582-10-10.
    "date": ("infinity", "-infinity", "0001-01-01", "9999-12-31", "1970-01-01", "2024-02-29"),
    "timestamp": (
        *("infinity", "-infinity", "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999"),
        *("1970-01-01 00:00:00", "2024-03-31 02:30:00.000001"),
    ),
    "timestamptz": (
        *("infinity", "-infinity", "0001-01-02 00:00:00+00", "9999-12-31 00:00:00.999999+00"),
        *("1969-12-31 23:59:59.999999+00", "2024-10-27 02:30:00+02", "2024-06-30 23:59:59.5+05:45"),
    ),
    "jsonb": (
        *(
            "null",
            "{}",
            "[]",
            '""',
            "0",
            "true",
            '"text"',
            "[[[]]]",
            '{"": {"": null}}',
            '{"a b": 1, "a": {"b c": [1, 2]}}',
        ),
        *(
            '{"nul": "\\\\u0000", "quote": "\\"", "control": "\\u0001\\n", "pair": "\\ud83d\\ude00"}',
            '{"é": "Größe ✨"}',
        ),
        *('{"price": 1.50, "list": [1.0, 2.00]}', '{"big": 9007199254740993, "bigger": 18446744073709551617}'),
        *(f'{{"longest": {"9" * LONGEST}}}', '{"NaN": "NaN", "inf": "Infinity"}', '["__proto__", "\\\\N"]'),
    ),
    "bytea": ("\\x", "\\x00", "\\x5c783030", "\\xff00fe"),
    "integer[]": ("{}", "{NULL}", "{1,NULL,-2147483648}", "{2147483647}"),
}
