"""Expressions that Snowflake's documentation promises a value for, and which the platform and its models use."""

# ruff: noqa: DTZ001 (TIMESTAMP_NTZ is fetched without a time zone)
from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
import snowflake.connector

RECORD = (
    '{"s":"open","n":5,"a":[1,2],"o":{"k":"x"},"b":true,"z":null,"f":1.5,"d":"2026-01-31","ts":"2026-01-31T10:00:00Z",'
    '"c-d":1,"big":9007199254740993,"nbsp":" \u00a0x "}'
)
VARIANTS = [
    ("v:s = 'open'", True),
    ("'open' = v:s", True),
    ("v:n = 5", True),
    ("v:n > 4", True),
    ("v:b = true", True),
    ("v:s IN ('open', 'x')", True),
    ("v:s LIKE 'op%'", True),
    ("v:s || 'x'", "openx"),
    ("UPPER(v:s)", "OPEN"),
    ("v:d = '2026-01-31'::DATE", True),
    ("v:d BETWEEN '2026-01-01'::DATE AND '2026-02-01'::DATE", True),
    ("IFF(v:s = 'open', 'y', 'n')", "y"),
    ("COALESCE(v:q::VARCHAR, 'x')", "x"),
    ("v:z IS NULL", False),
    ("v:q IS NULL", True),
    ("IS_NULL_VALUE(v:z)", True),
    ("STRIP_NULL_VALUE(v:z)", None),
    ("v:z::VARCHAR", None),
    ("v:z::NUMBER", None),
    ("v:o.k::VARCHAR", "x"),
    ("v:a[1]::NUMBER", 2),
    ("v:a[9]", None),
    ("v['s']::VARCHAR", "open"),
    ("GET(v, 's')::VARCHAR", "open"),
    ("GET_PATH(v, 'o.k')::VARCHAR", "x"),
    ('v:"c-d"::NUMBER', 1),
    ("v:big::NUMBER", 9007199254740993),
    ("v:d::DATE", date(2026, 1, 31)),
    ("v:ts::TIMESTAMP_NTZ", datetime(2026, 1, 31, 10)),
    ("v:f::NUMBER(10,2)", Decimal("1.50")),
    ("v:f::FLOAT", 1.5),
    ("v:n::VARCHAR", "5"),
    ("v:o::VARCHAR", '{"k":"x"}'),
    ("TO_VARCHAR(v:s)", "open"),
    ("v:b::BOOLEAN", True),
    ("CASE WHEN v:b::BOOLEAN THEN 1 ELSE 0 END", 1),
    ("ARRAY_SIZE(v:a)", 2),
    ("ARRAY_TO_STRING(ARRAY_SORT(SPLIT('b,\"a,,Z', ',')), '|')", '|"a|Z|b'),
    ("ARRAY_SORT(PARSE_JSON('[10, 9, 1.5]'))[0]::FLOAT", 1.5),
    ("ARRAY_TO_STRING(v:a, '-')", "1-2"),
    ("OBJECT_KEYS(v:o)", '["k"]'),
    ("ARRAY_CAT(ARRAY_CONSTRUCT(1), ARRAY_CONSTRUCT(2))", "[1,2]"),
    ("ARRAY_TO_STRING(ARRAY_CONSTRUCT('a', 'b'), ',')", "a,b"),
    ("OBJECT_DELETE(PARSE_JSON('{\"a\":1,\"b\":2}'), 'b')", '{"a":1}'),
    ("OBJECT_CONSTRUCT('a', 1, 'b', NULL)", '{"a":1}'),
    ("OBJECT_CONSTRUCT('a', v:s, 'z', v:z, 'q', v:q)", '{"a":"open","z":null}'),
    ("OBJECT_CONSTRUCT_KEEP_NULL('a', 1, 'b', NULL)", '{"a":1,"b":null}'),
    ('PARSE_JSON(\'{"price":1.10,"z":1,"a":2}\')', '{"price":1.10,"z":1,"a":2}'),
    ("PARSE_JSON('')", None),
    ("TRY_PARSE_JSON('{')", None),
    ('TRY_PARSE_JSON(\'{"a":1,"a":2}\')', None),
    ('TRY_PARSE_JSON(\'{"o":[{"a":1,"\\\\u0061":2}]}\')', None),
    ('TRY_PARSE_JSON(\'[{"a":"{"},{"a":2}]\')', '[{"a":"{"},{"a":2}]'),
    ("TO_JSON(v:o)", '{"k":"x"}'),
    ("SPLIT('a,b', ',')[0]::VARCHAR", "a"),
]
NUMBERS = [
    ("TRY_TO_NUMBER('x')", None),
    ("TRY_TO_NUMBER('12')", 12),
    ("TRY_TO_DECIMAL('1.555', 10, 2)", Decimal("1.56")),
    ("TRY_TO_DOUBLE('1.5')", 1.5),
    ("TRY_TO_BOOLEAN('yes')", True),
    ("TRY_CAST('x' AS NUMBER)", None),
    ("'12.5'::NUMBER", 13),
    ("DIV0(1, 0) = 0", True),
    ("7 / 2::FLOAT", 3.5),
    ("MOD(7, 3)", 1),
    ("ROUND(2.5)", 3),
    ("ROUND(-2.5)", -3),
    ("ROUND(1.005, 2)", Decimal("1.01")),
    ("TRUNC(1.99, 1)", Decimal("1.9")),
    ("ZEROIFNULL(NULL)", 0),
    ("EQUAL_NULL(NULL, NULL)", True),
    ("GREATEST(1, NULL)", None),
    ("LEAST(2, 1)", 1),
    ("NVL(NULL, 'x')", "x"),
    ("NVL2(NULL, 1, 2)", 2),
    ("DECODE(1, 1, 'a', 'b')", "a"),
    ("IFF(1 = 1, 'a', 'b')", "a"),
]
TEXTS = [
    ("CONCAT('a', NULL)", None),
    ("CONCAT_WS('-', 'a', NULL)", None),
    ("LTRIM('007', '0')", "7"),
    ("RTRIM('700', '0')", "7"),
    ("TRIM('  a ')", "a"),
    # Snowflake's TRIM takes away spaces (U+0020) and no other white space: so does a value typed in a sheet keep them.
    ("TRIM(' \u00a0a\u00a0 ')", "\u00a0a\u00a0"),
    ("LTRIM(' \u00a0a')", "\u00a0a"),
    ("RTRIM('a\u2003 ')", "a\u2003"),
    ("TRIM(v:nbsp)", "\u00a0x"),
    ("TRIM('\u00a0a ', '\u00a0 ')", "a"),
    ("LPAD('7', 3, '0')", "007"),
    ("SPLIT_PART('a-b-c', '-', -1)", "c"),
    ("REGEXP_REPLACE('a1b2', '[0-9]', '')", "ab"),
    ("REGEXP_SUBSTR('a12b', '[0-9]+')", "12"),
    ("REGEXP_LIKE('abc', 'a')", False),
    ("'abc' RLIKE 'a.*'", True),
    ("'a' ILIKE 'A'", True),
    ("'abc' LIKE ANY ('x%', 'a%')", True),
    ("SUBSTR('abc', -2)", "bc"),
    ("CHARINDEX('b', 'abc')", 2),
    ("REPLACE('abc', 'b')", "ac"),
    ("STARTSWITH('abc', 'a')", True),
    ("INITCAP('ab cd')", "Ab Cd"),
    ("MD5('a')", "0cc175b9c0f1b6a831c399e269772661"),
    ("1.10::VARCHAR", "1.10"),
    ("1.0::FLOAT::VARCHAR", "1"),
    ("TRUE::VARCHAR", "true"),
    ("'paid $usd'", "paid $usd"),
]
TIMES = [
    ("CONVERT_TIMEZONE('UTC', 'America/New_York', '2026-01-01 12:00:00'::TIMESTAMP_NTZ)", datetime(2026, 1, 1, 7)),
    ("CONVERT_TIMEZONE('America/New_York', 'UTC', '2026-07-01 12:00:00'::TIMESTAMP_NTZ)", datetime(2026, 7, 1, 16)),
    ("CONVERT_TIMEZONE('Europe/Berlin', '2026-01-31T23:30:00Z'::TIMESTAMP_TZ)::DATE", date(2026, 2, 1)),
    (
        "CONVERT_TIMEZONE('Europe/Berlin', '2026-01-31T23:30:00Z'::TIMESTAMP_TZ)::TIMESTAMP_NTZ",
        datetime(2026, 2, 1, 0, 30),
    ),
    (
        "DATE_TRUNC('month', CONVERT_TIMEZONE('Europe/Berlin', '2026-01-31T23:30:00Z'::TIMESTAMP_TZ))::DATE",
        date(2026, 2, 1),
    ),
    ("'2026-01-31T23:30:00+02:00'::TIMESTAMP_NTZ", datetime(2026, 1, 31, 23, 30)),
    ("TO_TIMESTAMP_NTZ(1700000000)", datetime(2023, 11, 14, 22, 13, 20)),
    ("TO_TIMESTAMP_NTZ(1700000000000, 3)", datetime(2023, 11, 14, 22, 13, 20)),
    ("TRY_TO_TIMESTAMP('x')", None),
    ("TRY_TO_TIMESTAMP_NTZ('2026-01-01 00:00:00')", datetime(2026, 1, 1)),
    ("TRY_CAST('x' AS TIMESTAMP_NTZ)", None),
    ("TRY_TO_DATE('2026-13-01')", None),
    ("TRY_CAST('2026-01-01' AS DATE)", date(2026, 1, 1)),
    ("DATE_TRUNC('month', '2026-01-31'::DATE)", date(2026, 1, 1)),
    ("DATE_TRUNC('week', '2026-01-31'::DATE)", date(2026, 1, 26)),
    ("DATE_TRUNC(month, '2026-01-31 10:00:00'::TIMESTAMP_NTZ)", datetime(2026, 1, 1)),
    ("LAST_DAY('2026-02-03'::DATE)", date(2026, 2, 28)),
    ("LAST_DAY('2026-02-03'::DATE, 'year')", date(2026, 12, 31)),
    ("DATEADD('month', 1, '2026-01-31'::DATE)", date(2026, 2, 28)),
    ("DATEADD(day, 1, '2026-01-31'::DATE)", date(2026, 2, 1)),
    ("ADD_MONTHS('2026-02-28'::DATE, 1)", date(2026, 3, 31)),
    ("DATEDIFF('month', '2026-01-31'::DATE, '2026-02-01'::DATE)", 1),
    ("DATEDIFF('hour', '2026-01-31 10:59:00'::TIMESTAMP, '2026-01-31 11:01:00'::TIMESTAMP)", 1),
    ("DATEDIFF('week', '2026-01-25'::DATE, '2026-01-26'::DATE)", 1),
    ("DAYOFWEEK('2026-01-25'::DATE)", 0),
    ("TO_CHAR('2026-01-05'::DATE, 'YYYY-MM')", "2026-01"),
    ("TO_CHAR(ts, 'YYYY-MM')", "2026-01"),
    ("TO_VARCHAR(ts, 'DY DD MON YYYY HH24:MI:SS.FF3')", "Mon 05 Jan 2026 17:02:03.400"),
    ("TO_CHAR(ts, 'YYYY-MM-DD\"T\"HH12:MIPM')", "2026-01-05T05:02PM"),
    ("TO_CHAR(d, 'YYYYMMDD')", "20260105"),
    ("TO_CHAR(DATE_TRUNC('month', ts), 'MMMM YY')", "January 26"),
    ("TO_DATE('05.01.2026', 'DD.MM.YYYY')", date(2026, 1, 5)),
    ("DATE_FROM_PARTS(2026, 1, 5)", date(2026, 1, 5)),
    ("'2026-01-05'::DATE + 1", date(2026, 1, 6)),
    ("'2026-01-05'::DATE - '2026-01-01'::DATE", 4),
    ("'2026-01-05 01:02:03'::TIMESTAMP_NTZ::VARCHAR", "2026-01-05 01:02:03.000"),
    ("NULL::TIMESTAMP_NTZ", None),
    ("NULL::TIMESTAMP_TZ", None),
    ("'1969-12-31 23:59:59.5'::TIMESTAMP_NTZ", datetime(1969, 12, 31, 23, 59, 59, 500000)),
]


# Snowflake's reference, "Date and time input and output formats", AUTO: slashes mean MM/DD/YYYY and dashes YYYY-MM-DD;
# "TO_DATE": a whole number is seconds since 1970, or milliseconds if that is too far away.
DATE_TEXTS = [
    ("2026-03-04", date(2026, 3, 4)),
    ("03/04/2026", date(2026, 3, 4)),
    ("3/4/2026", date(2026, 3, 4)),
    ("04-MAR-2026", date(2026, 3, 4)),
    ("2026-03-04 23:59:59", date(2026, 3, 4)),
    ("2026/03/04", None),
    ("13/01/2026", None),
    ("04.03.2026", None),
    ("20260304", date(1970, 8, 23)),
    ("1772582400000", date(2026, 3, 4)),
    ("4 March", None),
    ("", None),
]


@pytest.fixture(scope="module")
def value(warehouse):
    with warehouse.connect(database="RAW") as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE OR REPLACE SCHEMA RAW.FUNCTIONS")
        cursor.execute(
            f"CREATE TABLE T AS SELECT PARSE_JSON('{RECORD}') AS v, '2026-01-05 17:02:03.4'::TIMESTAMP_NTZ AS ts, "
            "'2026-01-05'::DATE AS d, 5 AS n, 'open' AS s"
        )
        yield lambda expression: cursor.execute(f"SELECT {expression} FROM T").fetchall()[0][0]


@pytest.mark.parametrize(("expression", "expected"), VARIANTS + NUMBERS + TEXTS + TIMES)
def test_an_expression_has_snowflakes_value(value, expression, expected):
    got = value(expression)
    assert (got, type(got)) == (expected, type(expected))


@pytest.mark.parametrize("text", ["'{}'", "COLUMN1", "v:text::VARCHAR"], ids=["literal", "column", "variant"])
@pytest.mark.parametrize(("typed", "expected"), DATE_TEXTS)
def test_a_text_is_the_same_date_wherever_it_stands(sql, text, typed, expected):
    """Read as month first in a literal and not at all in a column, a date typed in a sheet was NULL here only."""
    source = f"(SELECT COLUMN1, OBJECT_CONSTRUCT('text', COLUMN1) AS v FROM VALUES ('{typed}'))"
    text = text.format(typed)
    asked = f"TRY_CAST({text} AS DATE), TRY_TO_DATE({text})"
    assert sql(f"SELECT {asked} FROM {source}") == [(expected, expected)]
    for cast in (f"{text}::DATE", f"TO_DATE({text})", f"CAST({text} AS DATE)"):
        if expected is None:
            with pytest.raises(snowflake.connector.ProgrammingError):
                sql(f"SELECT {cast} FROM {source}")
        else:
            assert sql(f"SELECT {cast} FROM {source}") == [(expected,)]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("03/04/2026 10:30:00", datetime(2026, 3, 4, 10, 30)), ("2026/03/04 10:30:00", None), ("13/01/2026 00:00", None)],
)
def test_a_text_is_the_same_time_wherever_it_stands(sql, typed, expected):
    asked = f"TRY_CAST('{typed}' AS TIMESTAMP_NTZ), TRY_TO_TIMESTAMP(COLUMN1)"
    assert sql(f"SELECT {asked} FROM VALUES ('{typed}')") == [(expected, expected)]


@pytest.mark.parametrize("alias", list("abcdefgijklmnopqrstuvwxyz"))
def test_a_table_may_have_any_letter_for_an_alias(sql, alias):
    """An alias `e` was looked up among the names inside FLATTEN's macro; so were those of other functions on arrays."""
    sql("""CREATE TABLE T AS SELECT 1 AS ID, PARSE_JSON('{"l":["p","q"],"o":{"p":1,"q":2}}') AS X""")
    item = "h"
    assert sql(f"""SELECT {alias}.ID, {item}.VALUE::VARCHAR, OBJECT_DELETE({alias}.X:o, 'p'),
            ARRAY_TO_STRING({alias}.X:l, '-'), ARRAY_SORT({alias}.X:l)
        FROM T {alias}, LATERAL FLATTEN(INPUT => {alias}.X:l) {item} ORDER BY 2""") == [
        (1, item_value, '{"q":2}', "p-q", '["p","q"]') for item_value in "pq"
    ]


@pytest.mark.parametrize("bind", ["PARSE_JSON('{}')", "PARSE_JSON(COLUMN1)", "PARSE_JSON(?)"])
def test_parse_json_refuses_a_key_that_comes_twice(connect, bind):
    """Snowflake's reference, PARSE_JSON: without the parameter 'd', a repeated key is an error."""
    cursor = connect(paramstyle="qmark").cursor()
    text = '{"a":{"b":1,"b":2}}'
    statement = f"SELECT {bind.format(text)}, 'a ? b' FROM VALUES ('{text}')"
    with pytest.raises(snowflake.connector.ProgrammingError, match="duplicate object attribute"):
        cursor.execute(statement, (text,) if "?)" in bind else None)
    with pytest.raises(snowflake.connector.ProgrammingError, match="Unsupported by the local warehouse"):
        cursor.execute("SELECT PARSE_JSON('{}', 'd')")


@pytest.mark.parametrize("argument", ["v:n", "5", "n::NUMBER", "(v:d)", "n", "v", "ts"])
@pytest.mark.parametrize("kind", ["NUMBER(10, 2)", "DATE", "TIMESTAMP_NTZ"])
def test_try_cast_takes_text_alone(value, argument, kind):
    """Snowflake's reference, "Conversion functions": those with a TRY_ prefix only support string expressions.

    A VARIANT in a TRY_CAST was cast here, and on an account the model does not compile.
    """
    if kind != "TIMESTAMP_NTZ" or not argument.isalpha():  # of columns it is not known
        with pytest.raises(snowflake.connector.ProgrammingError, match="Function TRY_CAST cannot be used"):
            value(f"TRY_CAST({argument} AS {kind})")
    assert value(f"TRY_CAST(v:s::VARCHAR AS {kind})") is None
    assert value(f"TRY_CAST(s AS {kind})") is None


@pytest.mark.parametrize(
    "expression",
    ["STRFTIME(ts, '%Y')", "REGEXP_MATCHES(s, 'o')", "LIST_SORT(v:a)", "EPOCH(ts)", "(SELECT 1 FROM READ_TEXT('x'))"],
)
def test_a_function_that_is_duckdbs_and_not_snowflakes_is_refused(value, expression):
    """A model with it would pass here and not compile on an account."""
    with pytest.raises(snowflake.connector.ProgrammingError, match="is DuckDB's and not Snowflake's"):
        value(expression)


@pytest.mark.parametrize(
    "expression",
    ["1 / 0", "5 % 0", "1 / (v:n - 5)", "'a'::NUMBER", "NO_SUCH_FUNCTION(1)", "TO_CHAR(1.5, '9.0')", "TO_CHAR(d, 'Q')"],
)
def test_what_has_no_value_is_an_sql_error(value, expression):
    with pytest.raises(snowflake.connector.ProgrammingError):
        value(expression)
