"""What is tried: types with their edge values, the roles of a column, and the ways by which a value arrives.

Values are SQL literals, so that Postgres alone says what they are. Each is cast to the column's type.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MEGABYTE = 2**20


class Way(Enum):
    """How a row came to be what it is when it is compared. The number is the first of its rows' ids."""

    INITIAL = 1_000
    INCREMENTAL = 2_000
    INSERT = 3_000
    UPDATE = 4_000
    UNCHANGED = 5_000
    KEY_CHANGE = 6_000
    DELETE = 7_000

    @property
    def words(self) -> str:
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True)
class Subject:
    """One column to try. `made` is its type in DDL where that is not what is declared; `more` follows the type.

    `words` say that on the page.

    `special` says in words which values are NULL in their column and stand in `_special`; `key_values` are tried in a
    key, where not all values can be.
    """

    name: str
    declared: str
    values: tuple[str, ...]
    made: str = ""
    more: str = ""
    special: str = ""
    words: str = ""
    key_values: tuple[str, ...] = ()
    can_be_key: bool = True
    can_be_null: bool = True

    @property
    def ddl(self) -> str:
        return f'"{self.name}" {self.made or self.declared} {self.more}'.rstrip()


def quoted(*texts: str) -> tuple[str, ...]:
    return tuple("'" + text.replace("'", "''") + "'" for text in texts)


_DIGITS = "12345678901234567890123456789012345678"
_DATES = (
    *("0001-01-01", "0022-03-01", "0044-03-15 BC", "0001-12-31 BC", "0400-02-29"),
    *("1500-02-28", "1582-10-04", "1582-10-10", "1582-10-15", "1700-02-28", "1899-12-31", "1970-01-01", "2024-02-29"),
    *("9999-12-31", "10000-01-01", "20222-03-01", "infinity", "-infinity"),
)
_TIMES = (
    *("0001-01-01 00:00:00", "0044-03-15 12:34:56.789 BC", "4713-01-01 00:00:00 BC", "1500-02-28 23:59:59.999999"),
    *("1582-10-10 10:10:10", "1582-10-15 00:00:00", "1883-11-18 12:03:57", "1969-12-31 23:59:59.999999"),
    *("2024-02-29 12:00:00.000001", "2024-03-31 02:30:00", "9999-12-31 23:59:59.999999", "10000-01-01 00:00:00"),
    *("20222-03-01 01:02:03", "294246-01-01 00:00:00", "294247-01-10 04:00:55", "294276-12-31 23:59:59.999999"),
    *("infinity", "-infinity"),
)
_ZONED = tuple(f"{text}+00" if "BC" not in text and "inf" not in text else text for text in _TIMES)
_TEXTS = (
    *("", " ", "ends in blanks   ", "  begins", "a\tb\nc\r\n", "\\u0000 is no NUL", "\\x00", "null", "NaN", "''\"`"),
    *("Größe ✨ 👩‍👩‍👧‍👦", "\U0010f7ff", "e\u0301", "[1,2]", '{"a": 1}', "V", "N", "2024-01-01"),
    *("\x01\x1f\x7f", "\u2028", "\ufeffmark", "?1", "+1"),
)
_JSON = (
    *("null", "true", '""', '" "', "{}", "[]", "0", "-1.5", "1.10", _DIGITS, "0.123456789012345", "1e-7"),
    *(
        '{"b": 1, "a": {"c": [1, null, "x"]}}',
        '{"": ""}',
        '"👩‍👩‍👧‍👦 Größe"',
        '{"n": 12345678901234567890}',
        "[[1],[2]]",
    ),
)
MOODS = ("happy", "so so", "Größe ✨", "it's", 'say "hi"', "a,b", "back\\slash", "{x}", "NULL", "", " led ", "x" * 63)
"""The labels of the enum `mood`; `feeling` is a domain of it."""
_TWICE = "objects that have a key twice"
_AS_WRITTEN = ('{"a": 1, "a": 2}', ' { "b" : [ ] } ', '"\\u0000"')
_ENDLESS = ("Infinity", "-Infinity")
_YEARS = "infinity, years before 1 and beyond 9999"
_OLD = "; read by a snapshot, every day before 1582-10-25, with the word (uncertain)"
_LARGE = "repeat('Straße ✨ ', 300)"

SUBJECTS = (
    Subject("small", "smallint", quoted("0", "-1", "32767", "-32768")),
    Subject("whole", "integer", quoted("0", "-1", "2147483647", "-2147483648")),
    Subject("large", "bigint", quoted("0", "-1", "9223372036854775807", "-9223372036854775808")),
    Subject(
        "exact",
        "numeric",
        quoted("0", "-1", "0.10", "1e-9", "1.00000000049", "0.000000000000000001", "-1e-18", "123456789.123456789")
        + quoted(_DIGITS, "-" + _DIGITS, _DIGITS + "9", "1e60", "99999999999999999999999999999.999999999", "1e29")
        + quoted("NaN", "Infinity", "-Infinity"),
        special="more than 9 decimals or 29 digits before them, NaN, infinity",
    ),
    Subject("price", "numeric(18,4)", quoted("0", "-0.0001", "99999999999999.9999", "1.10", "NaN"), special="NaN"),
    Subject("digits", "numeric(38,0)", quoted("0", "9" * 38, "-" + "9" * 38, "NaN"), special="NaN"),
    Subject("fraction", "numeric(38,18)", quoted("0", "1e-18", "-1e-18", "99999999999999999999.999999999999999999")),
    Subject(
        "wei", "text", quoted("0", "1" * 78, "-" + "9" * 78), made="numeric(78,0)", words="`numeric(78,0)` in Postgres"
    ),
    Subject("single", "real", quoted("0", "1.1", "-3.4028235e38", "1e-45", "16777217", "NaN", "Infinity", "-Infinity")),
    Subject(
        "double",
        "double precision",
        quoted("0", "-0", "0.1", "-1.7976931348623157e308", "5e-324", "1e22", "NaN", "Infinity", "-Infinity"),
    ),
    Subject("yes", "boolean", quoted("true", "false")),
    Subject("words", "text", (*quoted(*_TEXTS), _LARGE, f"repeat('ab', {MEGABYTE // 2})")),
    Subject("vary", "varchar", (*quoted(*_TEXTS), _LARGE)),
    Subject("short", "varchar(20)", quoted("", "blanks  ", "12345678901234567890", "✨")),
    Subject("fixed", "char(5)", quoted("", "ab", "ab   ", "✨", "12345")),
    Subject("letter", "char(1)", quoted("x", "", "✨")),
    Subject("uid", "uuid", quoted("00000000-0000-0000-0000-000000000000", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11")),
    Subject("mood", "enum", quoted(*MOODS), made="mood"),
    Subject(
        "feeling", "enum", quoted("happy", ""), made="feeling", words="a domain of it in Postgres", can_be_key=False
    ),
    Subject("day", "date", quoted(*_DATES), special=_YEARS + _OLD, key_values=quoted(*_DATES[8:-2])),
    Subject("clock", "time", quoted("00:00", "23:59:59.999999", "12:00:00.1")),
    Subject("clock3", "time(3)", quoted("00:00", "23:59:59.999", "12:00:00.1")),
    Subject("moment", "timestamp", quoted(*_TIMES), special=_YEARS),
    Subject(
        "moment3",
        "timestamp(3)",
        quoted("2024-02-29 12:00:00.001", "infinity"),
        special=_YEARS,
    ),
    Subject("moment6", "timestamp(6)", quoted("2024-02-29 12:00:00.000001", "20222-03-01 00:00:00"), special=_YEARS),
    Subject("zoned", "timestamptz", quoted(*_ZONED, "2024-02-29 12:00:00.000001+05:45"), special=_YEARS),
    Subject(
        "zoned3",
        "timestamptz(3)",
        quoted("2024-02-29 12:00:00.001-08", "-infinity"),
        special=_YEARS,
    ),
    Subject(
        "span",
        "interval",
        quoted("0", "1 year 2 mons 3 days 04:05:06.789", "-1 day +00:00:00.000001", "1 mon -1 day", "100000:00:00")
        + quoted("178000000 years", "-00:00:01", "0.000001 s", "-1 year -1 mon -1 day -01:01:01.5")
        + quoted("-178000000 years", "2147483647 days", "-2147483648 days", "1 day -24:00:00")
        + quoted("2147483647:59:59.999999", "-2147483647:59:59.999999"),
    ),
    Subject("span3", "interval(3)", quoted("1 day 00:00:00.123", "0")),
    Subject(
        "doc",
        "json",
        (*quoted(*_JSON, '{"a": 1, "a": 2}', ' { "b" : [ ] } ', '"\\u0000"'), f"to_json({_LARGE})"),
        special=_TWICE,
        can_be_key=False,
    ),
    Subject("docb", "jsonb", (*quoted(*_JSON), f"to_jsonb({_LARGE})")),
    Subject("bytes", "bytea", (*quoted("", "\\x00ff", "\\x5c78", "\\xdeadbeef"), f"convert_to({_LARGE}, 'UTF8')")),
    Subject(
        "host", "inet", quoted("127.0.0.1", "10.0.0.0/8", "::1", "2001:db8::/32", "192.168.1.5/24", "::ffff:1.2.3.4")
    ),
    Subject("net", "cidr", quoted("10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0")),
    Subject("mac", "macaddr", quoted("08:00:2B:01:02:03")),
    Subject("mac8", "macaddr8", quoted("08:00:2b:01:02:03:04:05")),
    Subject("smalls", "smallint[]", quoted("{}", "{0,NULL,-32768}")),
    Subject(
        "wholes", "integer[]", (*quoted("{}", "{NULL}", "{1,-2147483648}", "[0:1]={4,5}"), "array_fill(7, ARRAY[2000])")
    ),
    Subject("larges", "bigint[]", quoted("{}", "{9223372036854775807,NULL,-9223372036854775808}")),
    Subject("truths", "boolean[]", quoted("{}", "{t,f,NULL}")),
    Subject("texts", "text[]", (*quoted("{}", '{""," ","a,b","\\"q\\"",NULL,"null","✨"}'), f"ARRAY[{_LARGE}, '']")),
    Subject("varies", "varchar(10)[]", quoted("{}", '{"a  ","",NULL}')),
    Subject("uids", "uuid[]", quoted("{}", "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11,NULL}")),
    Subject("e_mail", "varchar(30)", quoted("a@b.c", "ends  "), made="e_mail"),
    Subject("labels", "text[]", quoted("{}", "{a,NULL}"), made="labels"),
    Subject("fee", "numeric(12,3)", quoted("0", "-999999999.999"), made="fee"),
    Subject("amount", "numeric(12,3)", quoted("0", "1.100", "-999999999.999"), made="amount"),
    Subject("userId", "integer", quoted("0", "-7")),
    Subject("createdAt", "timestamptz", quoted("2024-02-29 12:00:00+00", "infinity"), special=_YEARS),
    *(Subject(word, "text", quoted("", "reserved")) for word in ("end", "user", "order", "select", "desc", "window")),
    *(Subject(word, "text", quoted("", "reserved")) for word in ("default", "value", "key", "analyze", "array")),
    Subject("defaulted", "integer", quoted("0", "7"), more="DEFAULT 7"),
    Subject(
        "counted",
        "bigint",
        quoted("1", "9223372036854775807"),
        more="GENERATED BY DEFAULT AS IDENTITY",
        can_be_null=False,
    ),
)

_TOO_LARGE = "rows of more than 16,000,000 bytes as JSON come without values, which `_unresolved` names"


def _large(name: str, declared: str, value: str) -> Subject:
    return Subject(name, declared, (value,), special=_TOO_LARGE, can_be_key=False, can_be_null=False)


LARGE = {
    _large("large_text", "text", f"repeat('x', {15 * MEGABYTE})"): (Way.INITIAL, Way.UNCHANGED),
    _large("large_doc", "jsonb", f"to_jsonb(repeat('x', {15 * MEGABYTE}))"): (Way.INCREMENTAL, Way.INSERT),
    _large("large_bytes", "bytea", f"decode(repeat('00', {7 * MEGABYTE}), 'hex')"): (Way.UPDATE, Way.KEY_CHANGE),
    _large("huge_text", "text", f"repeat('x', {16 * MEGABYTE})"): tuple(Way),
    _large("huge_doc", "jsonb", f"to_jsonb(repeat('x', {16 * MEGABYTE}))"): (Way.INSERT, Way.UNCHANGED),
    _large("huge_bytes", "bytea", f"decode(repeat('00', {8 * MEGABYTE}), 'hex')"): (Way.INITIAL, Way.KEY_CHANGE),
}
"""Values as large as a row may be, and larger, and the ways by which they are tried, each in a table of its own: the
local warehouse needs 1 GB for each that it merges."""

REFUSED_TYPES = (
    *("numeric(78,0)", "money", "bit(1)", "bit(64)", "bit varying(3)", "time with time zone", "xml", "citext"),
    *("hstore", "ltree", "point", "line", "lseg", "box", "path", "polygon", "circle", "geometry(Point,4326)"),
    *("geography", "int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange", "int4multirange"),
    *("datemultirange", "tsvector", "tsquery", "jsonpath", "vector(3)", "oid", "regclass", "xid8", "pg_lsn", "name"),
    *("serial", "enum[]", "numeric(5,-2)", "numeric(3,5)"),
    *("numeric[]", "real[]", "double precision[]", "date[]", "timestamp[]", "timestamptz[]", "time[]", "interval[]"),
    *("json[]", "jsonb[]", "bytea[]", "inet[]", "cidr[]", "macaddr[]", "char(3)[]", "money[]", "point[]"),
    "int4range[]",
)
"""Types that no column may be declared with."""

REFUSED_IN_KEY = ("json", "integer[]", "text[]", "time", "timestamp", "timestamp(3)", "timestamptz", "timestamptz(6)")
"""Types that no key may have; those of times may where a surrogate_key is named."""

REFUSED_NAMES = ("valid_from", "valid_to", "is_current", "_order", "_special", "größe", "with blank")

LIMITS = (
    "A `time` of 24:00 arrives as 00:00 (Debezium).",
    "A `date` before Christ that a snapshot reads arrives without BC (Debezium): before the year 1583 it is NULL with "
    "(uncertain) in `_special`, later years BC can't be known from others.",
    "A `date` before 1582-10-25 or infinite in a key is another key in a snapshot than in the stream (Debezium).",
    "A value of several dimensions in a column that is declared as a plain array arrives as NULLs (Debezium).",
    "Rows of a table that becomes a partition are not sent, until they change: the table is to be read again.",
    "Rows that go with their partition (DROP, DETACH, TRUNCATE of it) stay here, for no delete is sent: the comparison "
    "names them. A retention job that deletes rows before it drops their partition keeps both alike.",
    "An `interval` of more than 2,147,483,647 hours stops the shard, in a snapshot and in the stream (Postgres' JDBC "
    "driver can't read it): the connector tries again without end, RUNNING.",
    "A lower bound of an array is not kept: `[0:1]={1,2}` is `[1, 2]`.",
    "The text `__debezium_unavailable_value` as a value is taken for one that was left out: it is NULL and in "
    "`_unresolved`, and for an hour each run merges the table's last changes again, as the value may still come.",
    "Snowflake keeps numbers in JSON of more than 38 digits as doubles.",
)
"""What is known to be wrong and can't be known from a declaration or a catalog."""
