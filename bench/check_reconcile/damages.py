"""Twenty kinds of damage, each with the rows that must be named; and changes that are none.

`{staging}` and `{raw}` stand for the relations of the table of edges; `{row}` for the condition of the damage's row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from bench.check_reconcile.edges import DELETED, VALUES, key, place

Key = tuple[str, ...]


@dataclass(frozen=True)
class Damage:
    """One way to spoil what is right. `keys` must be named; `touches` are rows that it leaves as good as they were.

    `keyless`: how many rows lose their key.
    """

    kind: str
    what: str
    statements: tuple[str, ...]
    keys: frozenset[Key] = field(default_factory=frozenset)
    keyless: int = 0
    touches: frozenset[Key] = field(default_factory=frozenset)

    @property
    def rows(self) -> frozenset[Key]:
        return self.keys | self.touches


def damages() -> Iterator[Damage]:
    """Everything that is done to staging and raw by hand."""
    # Rows that nothing else damages, so that most can be done at once.
    any_row, twin, moved, stale, dead = 1, 2, 7, 6, 9
    yield _row("a row deleted", "any", any_row, "DELETE FROM {staging} WHERE {row}")
    yield _row("a row deleted", "the first", 0, "DELETE FROM {staging} WHERE {row}")
    yield _row("a row deleted", "the last", len(VALUES) - 1, "DELETE FROM {staging} WHERE {row}")
    yield Damage(
        "a row doubled",
        "three of them",
        ("INSERT INTO {staging} SELECT * FROM {staging} WHERE _OFFSET IN (3, 10, 40)",),
        frozenset(key(number) for number in (3, 10, 40)),
    )
    yield _row(
        "a row doubled",
        "as a deleted one",
        twin,
        f"{_COPY} {{row}}",
        "UPDATE {staging} SET _IS_DELETED = TRUE WHERE {row} AND _LSN = 0",
    )
    yield from _numbers()
    yield from _times()
    yield _set("NULL and the empty text", "'' to NULL", "word", "", "NULL")
    yield _row("NULL and the empty text", "NULL to ''", 0, "UPDATE {staging} SET WORD = '' WHERE {row}")
    yield _set("NULL and the empty text", "of bytes", "bytes", "", "NULL")
    yield _set("the end of a text", "one less", "word", "trailing  ", "'trailing '")
    yield _set("the end of a text", "those of a char(n)", "code", "ab", "'ab'")
    yield _set("the end of a text", "in an array", "words", WORDS, _array(r'["a,b","NULL",null,"q\"x",""]'))
    yield _set("the end of a text", "one letter of 60,000", "word", "ü" * 60_000, "SUBSTR(WORD, 2) || 'u'")
    yield from _documents()
    yield _set("a boolean flipped", "true", "flag", "true", "FALSE")
    yield _set("a boolean flipped", "to NULL", "flag", "false", "NULL")
    yield _set("a byte", "one bit of it", "bytes", r"\x00ff10", "'00ff11'")
    yield from _arrays()
    yield from _specials()
    yield from _keys()
    shard = "UPDATE {staging} SET _SHARD = 's1' WHERE {row}"
    yield _row("a row moved to another shard", "one", moved, shard)
    yield _row("a stale row", "an older text", stale, "UPDATE {staging} SET WORD = 'older', _LSN = 0 WHERE {row}")
    alive = f"UPDATE {{staging}} SET _IS_DELETED = FALSE WHERE ID = {DELETED}"
    yield Damage("a deleted row alive again", "on no shard", (alive,), frozenset({(str(DELETED), "x")}))
    yield _row(
        "a deleted row alive again", "a living one deleted", dead, "UPDATE {staging} SET _IS_DELETED = TRUE WHERE {row}"
    )
    yield from _records()


def harmless() -> Iterator[Damage]:
    """Changes that change no value: none may be called a difference."""
    doc = r'{"bb": 1.50, "a": [1.0, "x  \" y, {1.0}, \\"], "é": null}'
    again = _document(r'{"a":[1.00,"x  \" y, {1.0}, \\"],"é":null,"bb":1.5}')
    spelled = "OBJECT_CONSTRUCT('day', '0044-03-15 BC')::VARIANT"
    zone = "'2026-01-01 02:00:00+02:00'::TIMESTAMP_TZ"
    copied = (f"{_COPY} _OFFSET = 3", "UPDATE {staging} SET _SHARD = 's9' WHERE _LSN = 0 AND _OFFSET = 3")
    for damage in (
        _set("harmless", "names of a document in another order", "doc", doc, again),
        _set("harmless", "a year before Christ as Postgres spells it", "day", "0044-03-15 BC", spelled, "_SPECIAL"),
        _set("harmless", "the same moment in another zone", "moment", "2026-01-01 00:00:00+00", zone),
        Damage("harmless", "a row of another shard", copied, frozenset({key(3)})),
    ):
        yield replace(damage, keys=frozenset(), touches=damage.keys)


WORDS = r'{"a,b","NULL",NULL,"q\"x ",""}'
_COPY = (
    "INSERT INTO {staging} (ID, PART, _SHARD, _IS_DELETED, _LSN, _PARTITION, _OFFSET) "
    "SELECT ID, PART, _SHARD, _IS_DELETED, 0, _PARTITION, _OFFSET FROM {staging} WHERE"
)


def _numbers() -> Iterator[Damage]:
    kind = "a number off by 1e-18"
    exact = "0.000000000000000001"
    yield _set(kind, "more", "exact", exact, "CAST('0.000000000000000002' AS NUMBER(38, 18))")
    yield _set(kind, "less, to 0", "exact", exact, "CAST(0 AS NUMBER(38, 18))")
    yield _set(kind, "rounded where it was special", "free", exact, "CAST(0 AS NUMBER(38, 9)), _SPECIAL = NULL")
    yield _set(kind, "rounded to nine digits", "free", "1.00000000049", "CAST(1 AS NUMBER(38, 9)), _SPECIAL = NULL")
    kind = "a double's last bit"
    yield _set(kind, "of pi", "ratio", "3.141592653589793", "CAST('3.1415926535897936' AS FLOAT)")
    yield _set(kind, "of the smallest", "ratio", "5e-324", "CAST('1e-323' AS FLOAT)")
    yield _set(kind, "of the largest", "ratio", "1.7976931348623157e308", "CAST('1.7976931348623155e308' AS FLOAT)")
    yield _set(kind, "of a real", "single", "0.1", "CAST('0.10000000149011612' AS FLOAT)")


def _times() -> Iterator[Damage]:
    kind = "a time off by 1 µs"
    at, moment = "2026-01-01 12:00:00.000001", "2026-01-01 12:00:00.123456+05:30"
    yield _set(kind, "timestamp", "at", at, "'2026-01-01 12:00:00.000002'::TIMESTAMP_NTZ")
    yield _set(kind, "timestamptz", "moment", moment, "'2026-01-01 06:30:00.123457+00:00'::TIMESTAMP_TZ")
    yield _set(kind, "time", "clock", "23:59:59.999999", "'23:59:59.999998'::TIME")
    yield _set(kind, "interval", "span", "1 year 2 mons 3 days 04:05:06.789", "'P1Y2M3DT4H5M6.789001S'")
    kind = "a time off by an hour or a day"
    yield _set(kind, "timestamp", "at", at, "'2026-01-01 13:00:00.000001'::TIMESTAMP_NTZ")
    yield _set(kind, "the zone lost", "moment", moment, "'2026-01-01 12:00:00.123456+00:00'::TIMESTAMP_TZ")
    yield _set(kind, "24:00 as 00:00", "clock", "24:00:00", "'00:00:00'::TIME, _SPECIAL = NULL")
    yield _set(kind, "date", "day", "9999-12-31", "'9999-12-30'::DATE")
    yield _set(kind, "ten days of another calendar", "day", "1582-10-10", "'1582-10-20'::DATE")
    yield _set(kind, "before Christ to after", "day", "0044-03-15 BC", "'0044-03-15'::DATE, _SPECIAL = NULL")


def _documents() -> Iterator[Damage]:
    kind, doc = "a value in a document", r'{"bb": 1.50, "a": [1.0, "x  \" y, {1.0}, \\"], "é": null}'
    large, other = "12345678901234567890123456789012345678", '{"b" : 1,\n "a" : [ true , false ] }'
    yield _set(kind, "a number", "doc", large, _document("12345678901234567890123456789012345679"))
    yield _set(kind, "1 for true", "document", other, _document('{"a":[1,false],"b":1}'))
    yield _set(kind, "null to NULL", "doc", "null", "NULL")
    yield _set(kind, "a blank in a text", "doc", doc, _document(r'{"bb":1.5,"a":[1,"x \" y, {1.0}, \\"],"é":null}'))
    kind = "parts of a document that changed places"
    yield _set(kind, "in an array", "document", other, _document('{"a":[false,true],"b":1}'))
    yield _set(kind, "between names", "doc", doc, _document(r'{"é":1.5,"a":[1,"x  \" y, {1.0}, \\"],"bb":null}'))


def _arrays() -> Iterator[Damage]:
    kind = "an array's element"
    yield _set(kind, "changed", "numbers", "{1,NULL,-3}", _array("[1,null,3]"))
    yield _set(kind, "NULL", "numbers", "{1,NULL,-3}", _array("[1,null,null]"))
    yield _set(kind, "in another order", "numbers", "{1,NULL,-3}", _array("[-3,null,1]"))
    yield _set(kind, "those of a matrix", "numbers", "{{1,2},{3,4}}", _array("[null,null]"))
    yield _set(kind, "the word NULL", "words", WORDS, _array(r'["a,b",null,null,"q\"x ",""]'))
    yield _set(kind, "1e-18 of it", "amounts", "{1.50,NaN,1e-18}", _array('["1.50","NaN","0"]'))
    yield _set(kind, "empty to NULL", "numbers", "{}", "NULL")


def _specials() -> Iterator[Damage]:
    kind = "a special text"
    yield _set(kind, "changed", "day", "20222-03-01", "OBJECT_CONSTRUCT('day', '+20222-03-02Z')::VARIANT", "_SPECIAL")
    yield _set(kind, "lost", "free", "NaN", "NULL", "_SPECIAL")
    yield _set(
        kind, "the other infinity", "day", "infinity", "OBJECT_CONSTRUCT('day', '-infinity')::VARIANT", "_SPECIAL"
    )
    yield _set(
        kind,
        "the last year as infinity",
        "at",
        "294276-12-31 23:59:59.999999",
        "OBJECT_CONSTRUCT('at', 'infinity')::VARIANT",
        "_SPECIAL",
    )
    yield _set(kind, "beside a value", "free", "1.5", "OBJECT_CONSTRUCT('free', 'NaN')::VARIANT", "_SPECIAL")


def _keys() -> Iterator[Damage]:
    kind = "a key changed"
    first, second = key(12)
    other = frozenset({(first, second), (str(int(first) + 5000), second)})
    yield Damage(kind, "its number", ("UPDATE {staging} SET ID = ID + 5000 WHERE _OFFSET = 12",), other)
    first, second = key(17)
    blank = frozenset({(first, second), (first, second + " ")})
    yield Damage(kind, "a blank", ("UPDATE {staging} SET PART = PART || ' ' WHERE _OFFSET = 17",), blank)
    lost = "UPDATE {staging} SET ID = NULL WHERE _OFFSET = 19"
    yield Damage(kind, "lost", (lost,), frozenset({key(19)}), keyless=1)


def _records() -> Iterator[Damage]:
    kind = "a record of raw"
    yield _row(kind, "removed", 24, "DELETE FROM {raw} WHERE KAFKA_OFFSET = 24")
    yield _row(kind, "twice", 25, "INSERT INTO {raw} SELECT * FROM {raw} WHERE KAFKA_OFFSET = 25")
    other = "OBJECT_CONSTRUCT('key', OBJECT_CONSTRUCT('id', 77, 'part', 'y'))::VARIANT"
    yield _row(kind, "of another key", 30, f"UPDATE {{raw}} SET RECORD_METADATA = {other} WHERE KAFKA_OFFSET = 30")


def _array(text: str) -> str:
    return f"AS_ARRAY({_document(text)})"


def _document(text: str) -> str:
    escaped = text.replace("\\", "\\\\")
    return f"PARSE_JSON('{escaped}')"


def _set(kind: str, what: str, column: str, given: str, value: str, into: str = "") -> Damage:
    """The value of the row whose column was given a text."""
    name = into or f'"{column.upper()}"'
    return _row(kind, what, place(column, given), f"UPDATE {{staging}} SET {name} = {value} WHERE {{row}}")


def _row(kind: str, what: str, number: int, *statements: str) -> Damage:
    done = tuple(statement.replace("{row}", f"_OFFSET = {number}") for statement in statements)
    return Damage(kind, what, done, frozenset({key(number)}))
