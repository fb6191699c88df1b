"""A table with every type at its edges: what Postgres is given, and how the warehouse holds it when it is right.

Both are written by hand, so that neither the loader, nor dbt, nor the comparison's own code says what is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from catchment.cdc import shard as database
from catchment.cdc.compare.warehouse import relation
from catchment.cdc.declared import Shard, Table

COLUMNS = {
    "id": ("bigint", "bigint", "NUMBER(38, 0)"),
    "part": ("text", "text", "VARCHAR"),
    "free": ("numeric", "numeric", "NUMBER(38, 9)"),
    "exact": ("numeric(38,18)", "numeric(38,18)", "NUMBER(38, 18)"),
    "day": ("date", "date", "DATE"),
    "at": ("timestamp", "timestamp", "TIMESTAMP_NTZ"),
    "moment": ("timestamptz", "timestamptz", "TIMESTAMP_TZ"),
    "clock": ("time", "time", "TIME"),
    "span": ("interval", "interval", "VARCHAR"),
    "address": ("inet", "inet", "VARCHAR"),
    "code": ("char(4)", "char(4)", "VARCHAR"),
    "single": ("real", "real", "FLOAT"),
    "ratio": ("double precision", "double precision", "FLOAT"),
    "flag": ("boolean", "boolean", "BOOLEAN"),
    "doc": ("jsonb", "jsonb", "VARIANT"),
    "document": ("json", "json", "VARIANT"),
    "numbers": ("integer[]", "integer[]", "ARRAY"),
    "words": ("text[]", "text[]", "ARRAY"),
    "amounts": ("numeric[]", "numeric[]", "ARRAY"),
    "moments": ("timestamptz[]", "timestamptz[]", "ARRAY"),
    "flags": ("boolean[]", "boolean[]", "ARRAY"),
    "bytes": ("bytea", "bytea", "VARCHAR"),
    "word": ("text", "text", "VARCHAR"),
    "public": ("uuid", "uuid", "VARCHAR"),
}
EDGES = Table(name="edges", key=("id", "part"), columns={name: kinds[0] for name, kinds in COLUMNS.items()})


@dataclass(frozen=True)
class Special:
    """A value that the column's type there can't hold: it stands in `_special`, as Debezium spells it."""

    text: str


S = Special
VALUES: tuple[tuple[str, str, str | Special], ...] = (
    ("free", "1.5", "1.5"),
    ("free", "1.50", "1.5"),
    ("free", "0", "0"),
    ("free", "-0.000000001", "-0.000000001"),
    ("free", "1.00000000049", S("1.00000000049")),
    ("free", "0.000000000000000001", S("1E-18")),
    ("free", "0.000000000000000001", S("0.000000000000000001")),
    (
        "free",
        "12345678901234567890123456789012345678901234567890.5",
        S("12345678901234567890123456789012345678901234567890.5"),
    ),
    ("free", "NaN", S("NaN")),
    ("free", "-Infinity", S("-Infinity")),
    ("exact", "0.000000000000000001", "0.000000000000000001"),
    ("exact", "12345678901234567890.123456789012345678", "12345678901234567890.123456789012345678"),
    ("day", "0001-01-01", "0001-01-01"),
    ("day", "9999-12-31", "9999-12-31"),
    ("day", "1582-10-10", "1582-10-10"),
    ("day", "0044-03-15 BC", S("-0043-03-15Z")),
    ("day", "0001-03-15 BC", S("0000-03-15Z")),
    ("day", "4713-01-01 BC", S("-4712-01-01Z")),
    ("day", "20222-03-01", S("+20222-03-01Z")),
    ("day", "5874897-12-31", S("+5874897-12-31Z")),
    ("day", "0044-03-15 BC", S("0044-03-15 BC")),
    ("day", "infinity", S("infinity")),
    ("day", "-infinity", S("-infinity")),
    ("at", "2026-01-01 12:00:00.000001", "2026-01-01 12:00:00.000001"),
    ("at", "2026-01-01 12:00:00.5", "2026-01-01 12:00:00.5"),
    ("at", "1900-01-01 00:00:00", "1900-01-01 00:00:00"),
    ("at", "294276-12-31 23:59:59.999999", S("+294276-12-31T23:59:59.999999Z")),
    ("at", "0044-03-15 01:02:03.5 BC", S("-0043-03-15T01:02:03.500Z")),
    ("at", "infinity", S("infinity")),
    ("moment", "2026-01-01 12:00:00.123456+05:30", "2026-01-01 12:00:00.123456+05:30"),
    ("moment", "2026-01-01 00:00:00+00", "2026-01-01 00:00:00+00:00"),
    ("moment", "294276-12-31 23:59:59+00", S("+294276-12-31T23:59:59Z")),
    ("moment", "0044-03-15 00:00:00+00 BC", S("-0043-03-15T00:00:00Z")),
    ("moment", "-infinity", S("-infinity")),
    ("clock", "12:34:56.789", "12:34:56.789"),
    ("clock", "00:00:00", "00:00:00"),
    ("clock", "23:59:59.999999", "23:59:59.999999"),
    ("clock", "24:00:00", S("24:00:00Z")),
    ("span", "1 year 2 mons 3 days 04:05:06.789", "P1Y2M3DT4H5M6.789S"),
    ("span", "0", "P0Y0M0DT0H0M0S"),
    ("span", "10 days", "P0Y0M10DT0H0M0S"),
    ("span", "-1 mons +2 days -00:00:01.5", "P0Y-1M2DT0H0M-1.5S"),
    ("address", "10.0.0.1", "10.0.0.1"),
    ("address", "10.0.0.0/8", "10.0.0.0/8"),
    ("address", "::1", "::1"),
    ("code", "ab", "ab  "),
    ("single", "0.1", "0.1"),
    ("single", "3.4028235e38", "3.4028235e38"),
    ("single", "1e-45", "1e-45"),
    ("ratio", "0.1", "0.1"),
    ("ratio", "5e-324", "5e-324"),
    ("ratio", "1.7976931348623157e308", "1.7976931348623157e308"),
    ("ratio", "-1e22", "-1e22"),
    ("ratio", "2.2250738585072014e-308", "2.2250738585072014e-308"),
    ("ratio", "3.141592653589793", "3.141592653589793"),
    ("ratio", "NaN", "NaN"),
    ("ratio", "-Infinity", "-inf"),
    ("ratio", "-0", "0"),
    ("flag", "true", "true"),
    ("flag", "false", "false"),
    (
        "doc",
        r'{"bb": 1.50, "a": [1.0, "x  \" y, {1.0}, \\"], "é": null}',
        r'{"é":null,"a":[1,"x  \" y, {1.0}, \\"],"bb":1.5}',
    ),
    ("doc", "null", "null"),
    ("doc", '"text"', '"text"'),
    ("doc", "12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
    ("doc", "[]", "[]"),
    ("document", '{"b" : 1,\n "a" : [ true , false ] }', '{"a":[true,false],"b":1}'),
    ("numbers", "{1,NULL,-3}", "[1,null,-3]"),
    ("numbers", "{}", "[]"),
    ("numbers", "{{1,2},{3,4}}", "[[1,2],[3,4]]"),
    ("words", r'{"a,b","NULL",NULL,"q\"x ",""}', r'["a,b","NULL",null,"q\"x ",""]'),
    ("amounts", "{1.50,NaN,1e-18}", '["1.50","NaN","1E-18"]'),
    (
        "moments",
        '{"2026-01-01 00:00:00+00","0044-03-15 00:00:00+00 BC"}',
        '["2026-01-01T00:00:00Z","-0043-03-15T00:00:00Z"]',
    ),
    ("flags", "{t,f,NULL}", "[true,false,null]"),
    ("bytes", "", ""),
    ("bytes", r"\x00ff10", "00ff10"),
    ("word", "", ""),
    ("word", "trailing  ", "trailing  "),
    ("word", "emoji 😀 und Größe, \\ ' \"", "emoji 😀 und Größe, \\ ' \""),
    ("word", "ü" * 60_000, "ü" * 60_000),
    ("public", "00000000-0000-0000-0000-00000000000A", "00000000-0000-0000-0000-00000000000a"),
)


DELETED = 900  # the key of a row that was deleted
TYPES = {"VARIANT": "PARSE_JSON(%s)", "ARRAY": "AS_ARRAY(PARSE_JSON(%s))", "VARCHAR": "%s"}


def place(column: str, text: str) -> int:
    """The number of the row whose column was given this text."""
    return next(n for n, (name, given, _) in enumerate(VALUES) if (name, given) == (column, text))


def key(number: int) -> tuple[str, str]:
    """A row's key: two rows share each first part."""
    return str(number // 2), f"é{number}"


def make(owner: Any, cursor: Any, shard: Shard) -> None:
    """The table on the shard, in raw and in staging, with all its rows."""
    declared = ", ".join(f'"{name}" {kinds[1]}' for name, kinds in COLUMNS.items())
    database.rows(owner, f"DROP TABLE IF EXISTS edges; CREATE TABLE edges ({declared}, PRIMARY KEY (id, part))")
    database.rows(owner, "GRANT SELECT ON edges TO cdc")
    for number, (column, text, _) in enumerate(VALUES):
        database.rows(owner, f'INSERT INTO edges (id, part, "{column}") VALUES (%s, %s, %s)', (*key(number), text))
    staging, raw = relation(shard, EDGES), shard.raw_table(EDGES)
    types = ", ".join(f'"{column.upper()}" {kinds[2]}' for column, kinds in COLUMNS.items())
    cursor.execute(
        f"CREATE OR REPLACE TABLE {staging} ({types}, _SPECIAL VARIANT, _SHARD VARCHAR, _IS_DELETED BOOLEAN, "
        "_LSN NUMBER(38, 0), _PARTITION NUMBER(38, 0), _OFFSET NUMBER(38, 0))"
    )
    for number, (column, _, held) in enumerate(VALUES):
        _stage(cursor, staging, shard, number, column, held)
    cursor.execute(
        f"INSERT INTO {staging} (ID, PART, _SHARD, _IS_DELETED, _LSN, _PARTITION, _OFFSET) "
        f"VALUES ({DELETED}, 'x', '{shard.name}', TRUE, 1, 0, {DELETED})"
    )
    cursor.execute(
        f"CREATE OR REPLACE TABLE {raw} "
        "(RECORD_CONTENT VARIANT, RECORD_METADATA VARIANT, KAFKA_PARTITION NUMBER(38, 0), KAFKA_OFFSET NUMBER(38, 0))"
    )
    cursor.execute(
        f"INSERT INTO {raw} SELECT OBJECT_CONSTRUCT('op', 'c')::VARIANT, "
        "OBJECT_CONSTRUCT('key', OBJECT_CONSTRUCT('id', ID, 'part', PART))::VARIANT, _PARTITION, _OFFSET "
        f"FROM {staging}"
    )


def _stage(cursor: Any, staging: str, shard: Shard, number: int, column: str, held: str | Special) -> None:
    """One row of staging as it should be."""
    if isinstance(held, Special):
        into, value, text = "_SPECIAL", f"OBJECT_CONSTRUCT('{column}', %s)::VARIANT", held.text
    else:
        kind = COLUMNS[column][2]
        into, value, text = f'"{column.upper()}"', TYPES.get(kind, f"CAST(%s AS {kind})"), held
    first, second = key(number)
    cursor.execute(
        f"INSERT INTO {staging} (ID, PART, {into}, _SHARD, _IS_DELETED, _LSN, _PARTITION, _OFFSET) "
        f"SELECT {first}, %s, {value}, '{shard.name}', FALSE, 1, 0, {number}",
        (second, text),
    )
