"""COPY INTO from JSON lines on S3, as the platform loads its batches."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pytest
import snowflake.connector

from tests.warehouse.servers import BUCKET, Warehouse

ProgrammingError = snowflake.connector.ProgrammingError
BATCH_TABLE = """CREATE TABLE BATCHES (RECORD_CONTENT VARIANT, RECORD_METADATA VARIANT, BATCH_ID VARCHAR NOT NULL,
    LOADED_AT TIMESTAMP_NTZ NOT NULL)"""
LOAD = """COPY INTO {schema}.BATCHES FROM (
    SELECT {record},
           OBJECT_CONSTRUCT('source', 'zendesk', 'file', METADATA$FILENAME, 'row', METADATA$FILE_ROW_NUMBER{more}),
           'batch-1', '2026-01-02 03:04:05.123456'::TIMESTAMP_NTZ
    FROM @RAW.{schema}.LANDING/landing/zendesk/tickets/2026-01-01T00:00:00+00:00/b=1)
    FILES = ('part-0.jsonl.zst', 'part-1.jsonl.gz')
    FILE_FORMAT = (FORMAT_NAME = 'RAW.{schema}.JSON_LINES') ON_ERROR = {on_error} FORCE = TRUE"""


def zst(text: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(text.encode())
    return sink.getvalue().to_pybytes()


def put_batch(stage, first='{"id":1}\n{"id":2}\n', second='{"id":3}\n') -> None:
    folder = "landing/zendesk/tickets/2026-01-01T00:00:00+00:00/b=1"
    stage(f"{folder}/part-0.jsonl.zst", zst(first))
    stage(f"{folder}/part-1.jsonl.gz", gzip.compress(second.encode()))
    stage(f"{folder}/part-9.jsonl", b'{"id": "not named in FILES"}\n')


def test_a_batch_is_loaded_with_the_file_and_row_of_each_record(sql, stage, schema):
    sql(BATCH_TABLE)
    put_batch(stage)
    sql(LOAD.format(schema=schema, record="$1", more="", on_error="CONTINUE"))
    rows = sql("SELECT RECORD_CONTENT, RECORD_METADATA, BATCH_ID, LOADED_AT FROM BATCHES ORDER BY RECORD_CONTENT:id")
    key = f"{schema}/landing/zendesk/tickets/2026-01-01T00:00:00+00:00/b=1"
    assert [(json.loads(r), json.loads(m)) for r, m, *_ in rows] == [
        ({"id": 1}, {"source": "zendesk", "file": f"{key}/part-0.jsonl.zst", "row": 1}),
        ({"id": 2}, {"source": "zendesk", "file": f"{key}/part-0.jsonl.zst", "row": 2}),
        ({"id": 3}, {"source": "zendesk", "file": f"{key}/part-1.jsonl.gz", "row": 1}),
    ]
    assert {(b, t.isoformat()) for *_, b, t in rows} == {("batch-1", "2026-01-02T03:04:05.123456")}


def test_the_record_and_the_parent_of_a_child_line_go_apart(sql, stage, schema):
    sql(BATCH_TABLE)
    put_batch(stage, '{"parent":{"uuid":"c1"},"record":{"id":1}}\n', '{"record":{"id":2}}\n')
    sql(LOAD.format(schema=schema, record="$1:record", more=", 'parent', $1:parent", on_error="CONTINUE"))
    rows = sql("SELECT RECORD_CONTENT, RECORD_METADATA:parent FROM BATCHES ORDER BY RECORD_CONTENT:id")
    assert rows == [('{"id":1}', '{"uuid":"c1"}'), ('{"id":2}', None)]


BAD_LINES = '{"id":1}\n\n{"id":\n{"id":2}\nnope\n'


def test_continue_loads_the_lines_up_to_a_bad_one_skips_the_rest_and_goes_on_with_the_next_file(sql, stage, schema):
    """Snowflake, COPY INTO, ON_ERROR, of JSON: records up to the one with the error are loaded, the rest skipped."""
    sql(BATCH_TABLE)
    put_batch(stage, BAD_LINES)
    first, second = sql(LOAD.format(schema=schema, record="$1", more="", on_error="CONTINUE"))
    assert first[1:6] == ("PARTIALLY_LOADED", 2, 1, 2, 1)
    assert (first[6].startswith("Error parsing JSON"), first[7], first[8], first[9]) == (True, 3, 7, None)
    assert second[1:] == ("LOADED", 1, 1, 1, 0, None, None, None, None)


def test_a_setting_makes_it_go_on_with_the_next_line(tmp_path, s3, s3_endpoint):
    """Some report that Snowflake does. What is built on COPY has to be right either way."""
    server = Warehouse(tmp_path, s3_endpoint, settings={"CATCHMENT_WAREHOUSE_JSON_AFTER_ERROR": "continue"})
    server.start()
    try:
        s3.put_object(Bucket=BUCKET, Key="goes-on/a.jsonl", Body=BAD_LINES.encode())
        with server.connect() as connection:
            cursor = connection.cursor()
            cursor.execute("CREATE DATABASE RAW")
            cursor.execute(f"CREATE STAGE LANDING URL='s3://{BUCKET}/goes-on/'")
            cursor.execute("CREATE TABLE LOADED (RECORD_CONTENT VARIANT)")
            cursor.execute("COPY INTO LOADED FROM @LANDING FILE_FORMAT=(TYPE=JSON) ON_ERROR=CONTINUE FORCE=TRUE")
            assert cursor.fetchall()[0][1:6] == ("PARTIALLY_LOADED", 4, 2, 4, 2)
    finally:
        server.stop()


def test_the_result_of_a_copy_has_snowflakes_columns(connect, stage, schema):
    stage("a.jsonl", b"{}\n")
    cursor = connect().cursor()
    cursor.execute("COPY INTO LOADED FROM @LANDING/a.jsonl FILE_FORMAT = (TYPE = JSON) FORCE=TRUE")
    assert [column.name for column in cursor.description] == [
        *("file", "status", "rows_parsed", "rows_loaded", "error_limit", "errors_seen"),
        *("first_error", "first_error_line", "first_error_character", "first_error_column_name"),
    ]
    assert cursor.fetchall()[0][0] == f"s3://{BUCKET}/{schema}/a.jsonl"


def test_abort_statement_loads_nothing_of_any_file(sql, stage, schema):
    sql(BATCH_TABLE)
    put_batch(stage, second="{broken\n")
    with pytest.raises(ProgrammingError, match=r"(?s)Error parsing JSON.*line 1") as caught:
        sql(LOAD.format(schema=schema, record="$1", more="", on_error="ABORT_STATEMENT"))
    assert caught.value.errno == 100069
    assert sql("SELECT COUNT(*) FROM BATCHES") == [(0,)]


def test_a_rolled_back_load_leaves_no_rows(sql, stage):
    stage("a.jsonl", b'{"id":1}\n')
    sql("BEGIN")
    sql("COPY INTO LOADED FROM @LANDING FILES=('a.jsonl') FILE_FORMAT=(FORMAT_NAME='JSON_LINES') FORCE=TRUE")
    sql("ROLLBACK")
    assert sql("SELECT COUNT(*) FROM LOADED") == [(0,)]


def test_a_copy_that_finds_no_file_says_so(sql, stage):
    copy = "COPY INTO LOADED FROM @LANDING/none/ FILE_FORMAT=(TYPE=JSON) FORCE=TRUE"
    assert sql(copy) == [("Copy executed with 0 files processed.",)]


def test_a_named_file_that_is_missing_is_an_error(sql, stage):
    with pytest.raises(ProgrammingError, match=r"gone\.jsonl' was not found") as caught:
        sql("COPY INTO LOADED FROM @LANDING FILES=('gone.jsonl') FILE_FORMAT=(TYPE=JSON) ON_ERROR=CONTINUE FORCE=TRUE")
    assert caught.value.errno == 91016


def test_columns_may_be_named_and_values_cast(sql, stage):
    sql("CREATE TABLE NAMED (ID NUMBER, NAME VARCHAR, AT TIMESTAMP_NTZ, TAG VARCHAR, REST VARIANT)")
    stage("a.jsonl", b'{"id":9007199254740993,"name":"Zo\xc3\xab","at":"2026-01-02T03:04:05Z"}\n')
    sql("""COPY INTO NAMED (NAME, ID, AT, TAG)
           FROM (SELECT t.$1:name, $1:id::NUMBER, $1:at::TIMESTAMP_NTZ, 'x' FROM @LANDING t)
           FILE_FORMAT=(TYPE=JSON) FORCE=TRUE""")
    (row,) = sql("SELECT ID, NAME, AT, TAG, REST FROM NAMED")
    assert (row[0], row[1], row[2].isoformat(), row[3], row[4]) == (
        9007199254740993,
        "Zoë",
        "2026-01-02T03:04:05",
        "x",
        None,
    )


@pytest.mark.parametrize(
    "record",
    [
        '{"id":123456789012345678901234567890,"n":9007199254740993}',
        '{"emoji":"😀 \\ud83d\\ude00","zalgo":"Z͑ͫ"}',
        '{"half":"\\ud83d","other":"\\uDC00x","both":"\\ude00\\ud83d"}',
        '{"nul":"a\\u0000b"}',
        '{"z":1,"a":{"y":1,"b":2},"A":3}',
        '{"price":1.10,"same":1.1,"exp":1E5,"neg":-0.0}',
        '{"slashes":"\\\\ud83d \\/ \\\\\\\\","quote":"\\"\'"}',
        '{"nested":[[],{},null,[{"a":[null]}]]}',
        '{ "spaces" : 1 ,\t"tab":2}',
        '{"url":"https://x.test/$1?a=:b&c=%s","dollar":"$name"}',
        '"just a string"',
        "null",
        "[1,2]",
    ],
)
def test_a_record_is_kept_exactly(sql, stage, record):
    stage("a.jsonl", record.encode() + b"\n")
    sql("COPY INTO LOADED FROM @LANDING FILE_FORMAT=(TYPE=JSON) FORCE=TRUE")
    assert sql("SELECT RECORD_CONTENT FROM LOADED") == [(record,)]


def test_a_record_with_half_a_surrogate_pair_can_still_be_read_into(sql, stage):
    stage("a.jsonl", b'{"half":"x\\ud83dy","id":7}\n')
    sql("COPY INTO LOADED FROM @LANDING FILE_FORMAT=(TYPE=JSON) FORCE=TRUE")
    assert sql("SELECT RECORD_CONTENT:id::NUMBER, RECORD_CONTENT:half::VARCHAR FROM LOADED") == [(7, "x\ufffdy")]


def test_a_record_beyond_16_megabytes_is_an_error_of_its_row(sql, stage):
    """Snowflake's data types reference: a VARIANT holds 16 MB at most (128 MB in tables of newer accounts)."""
    fits, too_large = ('{"big":"' + "x" * size + '"}' for size in (16_000_000, 17_000_000))
    stage("a.jsonl.gz", gzip.compress(f'{fits}\n{{"id":2}}\n{too_large}\n'.encode(), 1))
    (result,) = sql("COPY INTO LOADED FROM @LANDING FILE_FORMAT=(TYPE=JSON) ON_ERROR=CONTINUE FORCE=TRUE")
    assert result[1:4] == ("PARTIALLY_LOADED", 3, 2)
    assert result[6].startswith("Max LOB size (16777216) exceeded")
    assert sql("SELECT LENGTH(RECORD_CONTENT:big::VARCHAR) FROM LOADED ORDER BY 1") == [(16_000_000,), (None,)]


@pytest.mark.parametrize(
    ("line", "twice"),
    [
        ('{"id":1,"id":2}', "id"),
        ('{"a":{"b":[{"k":1,"x":0,"k":1}]}}', "k"),
        ('{"k":1,"\\u006b":2}', "k"),
    ],
)
def test_a_key_that_comes_twice_in_an_object_is_an_error_of_its_row(sql, stage, line, twice):
    """Snowflake, CREATE FILE FORMAT: ALLOW_DUPLICATE is FALSE by default, so the parser takes no duplicate key.

    A vendor's record with two `id`s was taken, with the first of them, and another record of that key was lost.
    """
    stage("a.jsonl", f'{{"id":0}}\n[{{"id":1}},{{"id":1}}]\n{line}\n'.encode())
    (result,) = sql("COPY INTO LOADED FROM @LANDING FILE_FORMAT=(TYPE=JSON) ON_ERROR=CONTINUE FORCE=TRUE")
    assert result[1:4] == ("PARTIALLY_LOADED", 3, 2)
    assert result[6:8] == (f'Error parsing JSON: duplicate object attribute "{twice}"', 3)
    with pytest.raises(ProgrammingError, match="duplicate object attribute"):
        sql("COPY INTO LOADED FROM @LANDING FILE_FORMAT=(FORMAT_NAME=JSON_LINES) FORCE=TRUE")


def test_bytes_that_are_not_utf8_are_rejected_by_line(sql, stage):
    stage("a.jsonl", b'{"id":1}\n{"id":"\xff"}\n')
    (result,) = sql("COPY INTO LOADED FROM @LANDING FILE_FORMAT=(TYPE=JSON) ON_ERROR=CONTINUE FORCE=TRUE")
    assert result[1:4] == ("PARTIALLY_LOADED", 2, 1)
    assert result[6:8] == ("Invalid UTF8 detected in the line", 2)


@pytest.mark.parametrize(
    "option",
    [
        "ON_ERROR=SKIP_FILE",
        "PURGE=TRUE",
        "PATTERN='.*'",
        "SIZE_LIMIT=10",
        "VALIDATION_MODE=RETURN_ERRORS",
        "MATCH_BY_COLUMN_NAME=CASE_INSENSITIVE",
        "FILE_FORMAT=(TYPE=JSON STRIP_OUTER_ARRAY=TRUE)",
        "FILE_FORMAT=(TYPE=JSON STRIP_NULL_VALUES=TRUE)",
        "FILE_FORMAT=(TYPE=JSON ALLOW_DUPLICATE=TRUE)",
        "FILE_FORMAT=(TYPE=CSV TRIM_SPACE=TRUE)",
        "FILE_FORMAT=(TYPE=CSV ENCODING='ISO-8859-1')",
        "FILE_FORMAT=(TYPE=CSV ESCAPE='x')",
        "FILE_FORMAT=(TYPE=PARQUET USE_VECTORIZED_SCANNER=TRUE)",
        "FILE_FORMAT=(TYPE=AVRO)",
    ],
)
def test_an_option_that_is_not_done_is_an_error(sql, stage, option):
    stage("a.jsonl", b"{}\n")
    file_format = "" if "FILE_FORMAT" in option else "FILE_FORMAT=(TYPE=JSON)"
    with pytest.raises(ProgrammingError, match="Unsupported by the local warehouse"):
        sql(f"COPY INTO LOADED FROM @LANDING {file_format} {option} FORCE=TRUE")


def test_a_copy_that_would_need_the_load_history_is_an_error(sql, stage):
    stage("a.jsonl", b"{}\n")
    for force in ("", "FORCE=FALSE"):
        with pytest.raises(ProgrammingError, match="Unsupported by the local warehouse: COPY without FORCE"):
            sql(f"COPY INTO LOADED FROM @LANDING FILE_FORMAT=(TYPE=JSON) {force}")


def test_unloading_is_an_error(sql, stage):
    with pytest.raises(ProgrammingError, match="unload"):
        sql("COPY INTO @LANDING/out FROM LOADED FILE_FORMAT=(TYPE=JSON)")
