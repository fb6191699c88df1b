"""COPY INTO from files that others wrote: CSV and Parquet, of other buckets, by a named format.

The files are written by Python's `csv` and by pyarrow, which share no code with the CSV reader that is tried.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import snowflake.connector

ProgrammingError = snowflake.connector.ProgrammingError
CSV_FORMAT = """CREATE FILE FORMAT VENDOR_CSV TYPE = CSV SKIP_HEADER = 1 FIELD_OPTIONALLY_ENCLOSED_BY = '"'
    ESCAPE_UNENCLOSED_FIELD = NONE NULL_IF = ()"""
OBJECT = "OBJECT_CONSTRUCT_KEEP_NULL('id', $1, 'name', $2, 'note', $3)"


@pytest.fixture
def vendor(sql, s3, schema):
    """An external stage VENDOR on a bucket of its own, and a table RECORDS; call it to put a file there."""
    bucket = f"vendor-{schema.lower()}"
    s3.create_bucket(Bucket=bucket)
    sql(f"CREATE STAGE VENDOR URL='s3://{bucket}/exports/'")
    sql(CSV_FORMAT)
    sql("CREATE FILE FORMAT VENDOR_PARQUET TYPE = PARQUET")
    sql("CREATE TABLE RECORDS (RECORD_CONTENT VARIANT, RECORD_METADATA VARIANT, BATCH_ID VARCHAR NOT NULL)")
    return lambda name, body: s3.put_object(Bucket=bucket, Key=f"exports/{name}", Body=body)


@pytest.fixture
def copy(sql, schema):
    """Loads files by reference, as the platform does; gives COPY's results without the file's name."""

    def run(*files: str, record: str = OBJECT, form: str = "VENDOR_CSV", on_error: str = "CONTINUE") -> list:
        names = ", ".join(f"'{name}'" for name in files)
        return [
            row[1:]
            for row in sql(
                f"""COPY INTO {schema}.RECORDS (RECORD_CONTENT, RECORD_METADATA, BATCH_ID)
                FROM (SELECT {record},
                    OBJECT_CONSTRUCT('file', METADATA$FILENAME, 'row', METADATA$FILE_ROW_NUMBER), %(batch)s
                    FROM @RAW.{schema}.VENDOR/day=1)
                FILES = ({names}) FILE_FORMAT = (FORMAT_NAME = 'RAW.{schema}.{form}')
                ON_ERROR = {on_error} FORCE = TRUE""",
                {"batch": "b-1"},
            )
        ]

    return run


@pytest.fixture
def contents(sql):
    def run() -> list:
        rows = sql("SELECT RECORD_CONTENT FROM RECORDS ORDER BY RECORD_METADATA:row::NUMBER")
        return [json.loads(content) for (content,) in rows]

    return run


def written(*rows: tuple[str, str, str], **options: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, **options).writerows([("id", "name", "note"), *rows])
    return text.getvalue().encode()


ROWS = (
    ("1", "plain", "a"),
    ("2", 'O\'Brien, "the" man', "line one\nline two\r\nline three"),
    ("3", "Zoë 😀", " kept spaces "),
    ("4", "007", "1,234.50"),
    ("5", "\\N", "back\\slash"),
)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_csv_is_read_as_it_was_written(vendor, copy, contents, sql, newline, quoting, ending):
    body = written(*ROWS, lineterminator=newline, quoting=quoting)
    vendor(f"day=1/a.{ending}", gzip.compress(body) if ending.endswith("gz") else body)
    assert copy(f"a.{ending}") == [("LOADED", 5, 5, 5, 0, None, None, None, None)]
    assert contents() == [dict(zip(("id", "name", "note"), row, strict=True)) for row in ROWS]
    assert sql("SELECT RECORD_METADATA:file::VARCHAR, RECORD_METADATA:row::NUMBER, BATCH_ID FROM RECORDS ORDER BY 2")[
        0
    ] == (f"exports/day=1/a.{ending}", 1, "b-1")


def test_an_empty_field_is_null_and_an_enclosed_empty_one_is_not(vendor, copy, contents):
    """Snowflake, CREATE FILE FORMAT: EMPTY_FIELD_AS_NULL is of two successive delimiters, not of an enclosed field."""
    vendor("day=1/a.csv", b'id,name,note\n1,,""\n2,x\n3,x,y,too,many\n')
    assert copy("a.csv")[0][:3] == ("LOADED", 3, 3)
    assert contents() == [
        {"id": "1", "name": None, "note": ""},
        {"id": "2", "name": "x", "note": None},  # with a SELECT, ERROR_ON_COLUMN_COUNT_MISMATCH is ignored
        {"id": "3", "name": "x", "note": "y"},
    ]


def test_bad_records_of_csv_are_rejected_one_by_one(vendor, copy, contents):
    vendor("day=1/a.csv", b'id,name,note\n1,"a"b,c\n2,\xff,c\n\n"3\n3",x,y\n4,"never closed\n5,x,y\n')
    (result,) = copy("a.csv")
    assert result[:5] == ("PARTIALLY_LOADED", 5, 1, 5, 4)
    assert (result[5].startswith("Found text after the closing quote"), result[6]) == (True, 2)
    assert contents() == [{"id": "3\n3", "name": "x", "note": "y"}]
    with pytest.raises(ProgrammingError, match="Found text after the closing quote"):
        copy("a.csv", on_error="ABORT_STATEMENT")


def test_a_large_csv_file_is_read_in_pieces(vendor, copy, contents):
    rows = [(str(n), "é\n" * (n % 50), '"' * (n % 7)) for n in range(60_000)]
    vendor("day=1/a.csv", written(*rows))
    assert copy("a.csv")[0][:3] == ("LOADED", 60_000, 60_000)
    assert [(r["id"], r["name"] or "", r["note"] or "") for r in contents()] == rows


def test_a_backslash_outside_of_quotes_is_refused_unless_it_is_no_escape(sql, vendor, copy):
    """Snowflake, CREATE FILE FORMAT: ESCAPE_UNENCLOSED_FIELD is a backslash by default. Few who write CSV mean that."""
    sql("CREATE FILE FORMAT BARE TYPE = CSV")
    vendor("day=1/a.csv", b"1,C:\\temp,x\n")
    with pytest.raises(ProgrammingError, match="ESCAPE_UNENCLOSED_FIELD = NONE"):
        copy("a.csv", form="BARE")


def test_lines_come_as_text_where_the_delimiter_is_none(sql, vendor, copy, contents):
    """A way to reject JSON lines one by one: Snowflake's CONTINUE skips the rest of a JSON file after a bad line."""
    sql("CREATE FILE FORMAT LINES TYPE = CSV FIELD_DELIMITER = NONE ESCAPE_UNENCLOSED_FIELD = NONE NULL_IF = ()")
    vendor("day=1/a.jsonl", b'{"a":"x, \\"y\\""}\n{"a":1,"a":2}\n{"a":3}\n')
    assert copy("a.jsonl", record="TRY_PARSE_JSON($1)", form="LINES")[0][:3] == ("LOADED", 3, 3)
    assert sql("SELECT RECORD_METADATA:row::NUMBER FROM RECORDS WHERE RECORD_CONTENT IS NULL") == [(2,)]


def test_csv_without_a_select_goes_into_the_tables_columns(sql, vendor):
    sql("CREATE TABLE TYPED (ID NUMBER, NAME VARCHAR, AT TIMESTAMP_NTZ)")
    vendor("a.csv", b"id,name,at\n1,a,2026-01-02 03:04:05\n2,b\n3,c,\n")
    (result,) = sql(
        "COPY INTO TYPED FROM @VENDOR FILES=('a.csv') FILE_FORMAT=(FORMAT_NAME=VENDOR_CSV) ON_ERROR=CONTINUE FORCE=TRUE"
    )
    assert result[1:4] == ("PARTIALLY_LOADED", 3, 2)
    assert "Number of columns in file (2)" in result[6]
    assert sql("SELECT ID, NAME, AT::VARCHAR FROM TYPED ORDER BY ID") == [
        (1, "a", "2026-01-02 03:04:05.000"),
        (3, "c", None),
    ]


def test_text_of_csv_does_not_become_a_variant_by_itself(vendor, copy):
    vendor("day=1/a.csv", b"id\n1\n")
    with pytest.raises(ProgrammingError, match="PARSE_JSON"):
        copy("a.csv", record="$1")


def parquet(**columns: pa.Array) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="gzip")
    return sink.getvalue()


MOMENT = datetime(2026, 1, 31, 23, 30, 0, 123456)  # noqa: DTZ001 (pyarrow gives it the column's zone)
PARQUET_VALUES = [
    (pa.array([9007199254740993]), 9007199254740993),
    (pa.array([True]), True),
    (pa.array([1.5]), 1.5),
    (pa.array([2.0]), 2),
    (pa.array(["Zoë \"x\"\n"]), 'Zoë "x"\n'),
    (pa.array([b"bytes"]), "bytes"),
    (pa.array([date(2026, 1, 31)]), "2026-01-31"),
    (pa.array([MOMENT], pa.timestamp("us", "UTC")), "2026-01-31 23:30:00.123456"),
    (pa.array([datetime(2026, 1, 31, tzinfo=UTC)], pa.timestamp("ms", "UTC")), "2026-01-31 00:00:00.000"),
    (pa.array([[1, None, 3]]), [1, None, 3]),
    (pa.array([[{"a": 1, "b": ["x"]}]]), [{"a": 1, "b": ["x"]}]),
    (pa.array([{"at": MOMENT.replace(microsecond=0), "n": None}],
              pa.struct({"at": pa.timestamp("us", "UTC"), "n": pa.int32()})),
     {"at": "2026-01-31 23:30:00.000", "n": None}),
    (pa.array(["red"]).dictionary_encode(), "red"),
    (pa.array([None], pa.int64()), None),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value"), PARQUET_VALUES, ids=lambda v: str(getattr(v, "type", "")))
def test_a_row_of_parquet_is_an_object(vendor, copy, contents, column, value):
    vendor("day=1/part-00000.gz.parquet", parquet(ID=pa.array([7]), v=column))
    assert copy("part-00000.gz.parquet", record="$1", form="VENDOR_PARQUET") == [
        ("LOADED", 1, 1, 1, 0, None, None, None, None)
    ]
    assert contents() == [{"ID": 7, "v": value}]


def test_a_decimal_of_parquet_keeps_its_digits(vendor, copy, sql):
    """In the record. A path into it (`v:d`) is a double in DuckDB, exact to 15 digits; Snowflake has 38."""
    large = Decimal("12345678901234567890.10")
    vendor("day=1/a.parquet", parquet(v=pa.array([large, Decimal("1.10"), None], pa.decimal128(38, 2))))
    copy("a.parquet", record="$1", form="VENDOR_PARQUET")
    rows = sql(
        "SELECT RECORD_CONTENT, RECORD_CONTENT:v::NUMBER(38, 2) FROM RECORDS ORDER BY RECORD_METADATA:row::NUMBER"
    )
    assert [text for text, _ in rows] == ['{"v":12345678901234567890.10}', '{"v":1.10}', '{"v":null}']
    assert [value for _, value in rows[1:]] == [Decimal("1.10"), None]


@pytest.mark.parametrize("option", ["", "USE_LOGICAL_TYPE = TRUE"])
def test_a_time_that_only_the_logical_type_names_is_a_number_by_default(sql, vendor, copy, contents, option):
    """snowflake-connector-python's `write_pandas` warns of it (`use_logical_type`): timestamps came as numbers."""
    sql(f"CREATE FILE FORMAT PARQUET_TIMES TYPE = PARQUET {option}")
    vendor("day=1/a.parquet", parquet(at=pa.array([MOMENT], pa.timestamp("us")), t=pa.array([time(1, 2)])))
    copy("a.parquet", record="$1", form="PARQUET_TIMES")
    as_times = {"at": "2026-01-31 23:30:00.123456", "t": "01:02:00.000"}
    assert contents() == [as_times if option else {"at": 1769902200123456, "t": 3_720_000_000}]


def test_columns_of_parquet_are_named_and_cast(vendor, sql):
    sql("CREATE TABLE TYPED (ID NUMBER, NAME VARCHAR)")
    vendor("a.parquet", parquet(id=pa.array([1, 2]), name=pa.array(["a", None])))
    sql("""COPY INTO TYPED FROM (SELECT $1:id::NUMBER, $1:name::VARCHAR FROM @VENDOR/)
           FILES=('a.parquet') FILE_FORMAT=(FORMAT_NAME=VENDOR_PARQUET) FORCE=TRUE""")
    assert sql("SELECT * FROM TYPED ORDER BY 1") == [(1, "a"), (2, None)]


def test_a_file_that_is_not_parquet_fails_alone(vendor, copy, contents):
    """Snowflake, COPY INTO, ON_ERROR: in Parquet, a parsing error skips the data file."""
    vendor("day=1/a.parquet", b"not parquet at all")
    vendor("day=1/b.parquet", parquet(id=pa.array([1])))
    bad, good = copy("a.parquet", "b.parquet", record="$1", form="VENDOR_PARQUET")
    assert (bad[0], bad[2], good[0], contents()) == ("LOAD_FAILED", 0, "LOADED", [{"id": 1}])


def test_a_parquet_type_that_is_not_known_is_refused(vendor, copy):
    vendor("day=1/a.parquet", parquet(m=pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64()))))
    with pytest.raises(ProgrammingError, match="Unsupported by the local warehouse: the Parquet type map"):
        copy("a.parquet", record="$1", form="VENDOR_PARQUET")


def test_two_stages_are_two_buckets(sql, stage, vendor, schema):
    stage("same.jsonl", b'{"from":"landing"}\n')
    vendor("same.jsonl", b'{"from":"vendor"}\n')
    for name in ("LANDING", "VENDOR"):
        sql(f"COPY INTO LOADED FROM @RAW.{schema}.{name} FILES=('same.jsonl') FILE_FORMAT=(TYPE=JSON) FORCE=TRUE")
    assert sql("SELECT RECORD_CONTENT:from::VARCHAR FROM LOADED ORDER BY 1") == [("landing",), ("vendor",)]
