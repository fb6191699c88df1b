"""The server itself: who is let in, what survives, what one session does to another, what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import pytest
import snowflake.connector

from tests.warehouse.servers import REPOSITORY, Warehouse

ProgrammingError = snowflake.connector.ProgrammingError


def work(rows: int) -> str:
    """A statement whose time grows with the square of `rows`; 30,000 take some seconds."""
    numbers = f"(SELECT SEQ8() n FROM TABLE(GENERATOR(ROWCOUNT => {rows})))"
    return f"SELECT SUM(SQRT(a.n * b.n)) FROM {numbers} a, {numbers} b"


SLOW = work(300_000)


@pytest.fixture
def own(tmp_path, s3_endpoint):
    server = Warehouse(tmp_path, s3_endpoint)
    server.start()
    yield server
    server.stop(kill=True)


def test_a_wrong_password_is_refused(warehouse):
    with pytest.raises(snowflake.connector.DatabaseError, match="Incorrect username or password") as caught:
        warehouse.connect(password="wrong")
    assert caught.value.errno == 390100


def test_an_unknown_database_is_refused_and_not_made(warehouse):
    with pytest.raises(snowflake.connector.DatabaseError, match="NOWHERE does not exist"):
        warehouse.connect(database="NOWHERE")
    with warehouse.connect() as connection:
        names = [row[1] for row in connection.cursor().execute("SHOW DATABASES").fetchall()]
    assert "RAW" in names
    assert "NOWHERE" not in names


def test_health_is_told_without_a_login(warehouse):
    with urllib.request.urlopen(f"http://127.0.0.1:{warehouse.port}/healthz") as reply:
        assert b'"ok"' in reply.read()


def test_everything_survives_a_kill(own, s3):
    with own.connect() as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE DATABASE KEPT")
        cursor.execute("CREATE TABLE KEPT.PUBLIC.T (A NUMBER, B VARIANT, C TIMESTAMP_NTZ) COMMENT = 'told'")
        cursor.execute("CREATE VIEW KEPT.PUBLIC.V AS SELECT A, B:x::VARCHAR AS X FROM KEPT.PUBLIC.T")
        cursor.execute("CREATE STAGE KEPT.PUBLIC.LANDING URL = 's3://warehouse-tests/kept/'")
        cursor.execute("CREATE FILE FORMAT KEPT.PUBLIC.LINES TYPE = JSON")
        cursor.execute('INSERT INTO KEPT.PUBLIC.T SELECT 1, PARSE_JSON(\'{"x":"y"}\'), NULL')
    own.stop(kill=True)
    own.start()
    with own.connect(database="KEPT", schema="PUBLIC") as connection:
        cursor = connection.cursor()
        assert cursor.execute("SELECT A, X FROM V").fetchall() == [(1, "y")]
        copy = "COPY INTO T (B) FROM @LANDING/none/ FILE_FORMAT = (FORMAT_NAME = LINES) FORCE = TRUE"
        assert cursor.execute(copy).fetchall() == [("Copy executed with 0 files processed.",)]
        comments = "SELECT COMMENT FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME = 'T'"
        assert cursor.execute(comments).fetchall() == [("told",)]


def test_an_old_session_is_told_to_log_in_again(own):
    connection = own.connect()
    own.stop()
    own.start()
    with pytest.raises(snowflake.connector.Error, match="Log in again"):
        connection.cursor().execute("SELECT 1")


def test_a_killed_client_leaves_no_open_transaction(warehouse, connect, schema):
    connect().cursor().execute("CREATE TABLE T AS SELECT 1 AS A")
    client = f"""
import sys; sys.path.insert(0, {str(REPOSITORY)!r})
from tests.warehouse.servers import USER, PASSWORD
import snowflake.connector
c = snowflake.connector.connect(user=USER, password=PASSWORD, account="local", host="127.0.0.1", port={warehouse.port},
    protocol="http", database="RAW", schema={schema!r},
    session_parameters={{"CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False}}).cursor()
c.execute("BEGIN"); c.execute("DELETE FROM T"); print("deleted", flush=True)
import time; time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", client], stdout=subprocess.PIPE, env=dict(os.environ))
    assert process.stdout is not None
    assert process.stdout.readline() == b"deleted\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    cursor = connect().cursor()
    deadline = time.monotonic() + 10
    while True:
        try:
            cursor.execute("UPDATE T SET A = 2")
            break
        except ProgrammingError:
            assert time.monotonic() < deadline, "the dead client's transaction is still open"
            time.sleep(0.2)
    assert cursor.execute("SELECT A FROM T").fetchall() == [(2,)]


def test_a_statement_that_takes_too_long_is_ended_by_the_client(connect):
    cursor = connect().cursor()
    started = time.monotonic()
    with pytest.raises(ProgrammingError) as caught:
        cursor.execute(SLOW, timeout=1)
    assert (caught.value.errno, time.monotonic() - started < 15) == (604, True)
    assert cursor.execute("SELECT 1").fetchall() == [(1,)]


@pytest.mark.parametrize("ends", [(), ("COMMIT",)])
def test_a_statement_that_is_asked_again_is_run_once(connect, ends):
    cursor = connect(socket_timeout=1).cursor()
    cursor.execute("CREATE TABLE T (N NUMBER)")
    if ends:
        cursor.execute("BEGIN")
    started = time.monotonic()
    cursor.execute(f"INSERT INTO T {work(30_000)}")
    assert time.monotonic() - started > 1.5  # it was asked for again meanwhile
    for end in ends:
        cursor.execute(end)
    assert connect().cursor().execute("SELECT COUNT(*) FROM T").fetchall() == [(1,)]


def test_a_large_answer_that_is_asked_for_again_is_given(connect):
    cursor = connect(socket_timeout=1).cursor()
    rows = f"SELECT s.x, g.n FROM ({work(30_000)}) s(x), (SELECT SEQ8() n FROM TABLE(GENERATOR(ROWCOUNT => 300000))) g"
    assert len(cursor.execute(rows).fetchall()) == 300_000


def test_the_history_has_tag_user_and_errors(connect, schema):
    cursor = connect(session_parameters={"QUERY_TAG": "from-login"}).cursor()
    cursor.execute(f"SELECT 1 AS {schema}_A")
    cursor.execute("ALTER SESSION SET QUERY_TAG = '{\"dag\": \"it''s\"}'")
    with pytest.raises(ProgrammingError):
        cursor.execute(f"SELECT {schema}_B")
    rows = cursor.execute(f"""SELECT QUERY_TAG, USER_NAME, EXECUTION_STATUS
        FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY())
        WHERE CONTAINS(QUERY_TEXT, '{schema}_') ORDER BY START_TIME""").fetchall()
    assert rows == [("from-login", "LOADER", "SUCCESS"), ('{"dag": "it\'s"}', "LOADER", "FAILED_WITH_ERROR")]


def test_eight_connections_write_and_read_without_an_error(connect):
    connect().cursor().execute("CREATE TABLE T (WORKER NUMBER, N NUMBER)")
    failures = []

    def work(worker):
        cursor = connect().cursor()
        try:
            for n in range(10):
                cursor.execute("BEGIN")
                cursor.execute(f"DELETE FROM T WHERE WORKER = {worker} AND N = {n}")
                cursor.execute(f"INSERT INTO T VALUES ({worker}, {n})")
                cursor.execute("COMMIT")
                cursor.execute("SELECT COUNT(*) FROM T").fetchall()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=[i]) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert connect().cursor().execute("SELECT COUNT(*), COUNT(DISTINCT WORKER, N) FROM T").fetchall() == [(80, 80)]


MERGE = """MERGE INTO T USING (SELECT COLUMN1 AS ID, COLUMN2 AS V FROM VALUES (1, 'new'), (2, 'two')) S ON T.ID = S.ID
    WHEN MATCHED THEN UPDATE SET T.V = S.V WHEN NOT MATCHED THEN INSERT (ID, V) VALUES (ID, V)"""


def test_merges_at_once_insert_a_key_once(connect):
    connect().cursor().execute("CREATE TABLE T (ID NUMBER, V VARCHAR)")
    failures = []

    def work():
        try:
            connect().cursor().execute(MERGE.replace("(ID, V) VALUES (ID, V)", "(ID, V) VALUES (S.ID, S.V)"))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert connect().cursor().execute("SELECT ID, V FROM T ORDER BY ID").fetchall() == [(1, "new"), (2, "two")]


def test_a_merge_counts_and_rolls_back_in_a_transaction(sql):
    sql("CREATE TABLE T AS SELECT 1 AS ID, 'old' AS V")
    sql("BEGIN")
    assert sql(MERGE.replace("(ID, V) VALUES (ID, V)", "(ID, V) VALUES (S.ID, S.V)")) == [(1, 1)]
    sql("ROLLBACK")
    assert sql("SELECT * FROM T") == [(1, "old")]


def test_a_merge_whose_source_repeats_a_key_is_an_error(sql):
    sql("CREATE TABLE T AS SELECT 1 AS ID, 0 AS V")
    with pytest.raises(ProgrammingError):
        sql("""MERGE INTO T USING (SELECT 1 AS ID, V FROM (SELECT 1 AS V UNION ALL SELECT 2)) S
            ON T.ID = S.ID WHEN MATCHED THEN UPDATE SET V = S.V""")


def test_ddl_ends_the_transaction(sql):
    sql("CREATE TABLE T (A NUMBER)")
    sql("BEGIN")
    sql("INSERT INTO T VALUES (1)")
    sql("CREATE TABLE U (B VARCHAR(5))")
    sql("ROLLBACK")
    assert sql("SELECT COUNT(*) FROM T") == [(1,)]


def test_a_sum_of_money_is_exact(sql):
    sql("CREATE TABLE T AS SELECT 9007199254740993::NUMBER AS CENTS UNION ALL SELECT 1")
    assert sql("SELECT SUM(CENTS) FROM T") == [(9007199254740994,)]


def test_a_count_of_nothing_is_zero(sql):
    sql("CREATE TABLE T AS SELECT COLUMN1 AS N, COLUMN2 AS G FROM VALUES (1, 'a'), (2, 'a'), (3, 'b')")
    assert sql("SELECT COUNT_IF(N > 1), COUNT_IF(N > 9) FROM T") == [(2, 0)]
    assert sql("SELECT COUNT_IF(N > 1) FROM T WHERE N > 9") == [(0,)]
    assert sql("SELECT N, COUNT_IF(N > 1) OVER (PARTITION BY G) FROM T ORDER BY N") == [(1, 1), (2, 1), (3, 1)]


@pytest.mark.parametrize("word", ["ORDER", "group", "START", "ROWS", "INCREMENT", "CONSTRAINT", "CURRENT_DATE"])
def test_a_reserved_word_names_no_column(sql, word):
    """Snowflake's reference, "Reserved & limited keywords"."""
    with pytest.raises(ProgrammingError) as caught:
        sql(f"CREATE TABLE T (A NUMBER, {word} VARCHAR)")
    assert caught.value.errno == 1003
    sql(f'CREATE TABLE T (A NUMBER, "{word}" VARCHAR, DATE VARCHAR, AT VARCHAR, TYPE VARCHAR)')


DELETES = [
    """DELETE FROM T USING (SELECT DISTINCT V:"id"::VARCHAR AS K FROM GONE) S
       WHERE T.RECORD_CONTENT:"id"::VARCHAR = S.K AND T.B = 'x'""",
    """DELETE FROM RAW.{schema}.T AS R USING RAW.{schema}.GONE AS S
       WHERE R.RECORD_CONTENT:"id" = S.V:"id" AND R.B = 'x'""",
    """DELETE FROM T WHERE (RECORD_CONTENT:"id"::VARCHAR) IN (SELECT V:"id"::VARCHAR FROM GONE) AND B = 'x'""",
    """DELETE FROM T WHERE (RECORD_CONTENT:"id"::VARCHAR, B) IN (SELECT V:"id"::VARCHAR, 'x' FROM GONE)""",
]


@pytest.mark.parametrize("delete", DELETES)
@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_rows_are_deleted_by_keys_inside_a_record(sql, schema, delete, end):
    sql("""CREATE TABLE T AS SELECT PARSE_JSON(COLUMN1) AS RECORD_CONTENT, COLUMN2 AS B FROM VALUES
        ('{"id":"a"}', 'x'), ('{"id":"a"}', 'y'), ('{"id":"b"}', 'x'), ('{"id":null}', 'x'), ('{}', 'x')""")
    sql("""CREATE TABLE GONE AS SELECT PARSE_JSON(COLUMN1) AS V FROM VALUES ('{"id":"a"}'), ('{"id":"a"}'), ('{}')""")
    sql("BEGIN")
    assert sql(delete.format(schema=schema)) == [(1,)]
    assert sql("SELECT COUNT(*) FROM T") == [(4,)]
    sql(end)
    assert sql("SELECT COUNT(*) FROM T") == [(4 if end == "COMMIT" else 5,)]


def test_not_null_is_enforced(sql):
    sql("CREATE TABLE T (ID NUMBER NOT NULL)")
    with pytest.raises(snowflake.connector.Error, match="NOT NULL"):
        sql("INSERT INTO T VALUES (NULL)")


def test_flatten_keeps_order_and_with_outer_the_empty_rows(sql):
    sql("""CREATE TABLE T AS SELECT COLUMN1 AS ID, PARSE_JSON(COLUMN2) AS V FROM VALUES
        (1, '{"a":["x","y"]}'), (2, '{"a":[]}'), (3, '{}')""")
    flatten = "SELECT T.ID, F.INDEX, F.VALUE::VARCHAR FROM T, LATERAL FLATTEN(INPUT => T.V:a{}) F"
    assert sql(flatten.format("")) == [(1, 0, "x"), (1, 1, "y")]
    assert sorted(sql(flatten.format(", OUTER => TRUE")), key=str) == [
        (1, 0, "x"),
        (1, 1, "y"),
        (2, None, None),
        (3, None, None),
    ]


def test_days_can_be_generated_and_walked(sql):
    spine = "SELECT DATEADD(day, SEQ4(), '2026-01-01'::DATE)::VARCHAR FROM TABLE(GENERATOR(ROWCOUNT => 3))"
    walked = """WITH D AS (
            SELECT '2026-01-01'::DATE AS X UNION ALL SELECT DATEADD(day, 1, X)::DATE FROM D WHERE X < '2026-01-03')
        SELECT X::VARCHAR FROM D ORDER BY X"""
    assert sql(spine) == sql(walked) == [("2026-01-01",), ("2026-01-02",), ("2026-01-03",)]


def test_who_and_where_is_told(connect, schema):
    cursor = connect(role="LOADER_ROLE", warehouse="LOADING").cursor()
    cursor.execute("USE WAREHOUSE OTHER")
    told = ("ROLE", "WAREHOUSE", "USER", "DATABASE", "SCHEMA", "SESSION")
    asked = ", ".join(f"CURRENT_{what}()" for what in told)
    assert cursor.execute(
        f"SELECT {asked.replace('CURRENT_SESSION()', 'CURRENT_SESSION() IS NOT NULL')}"
    ).fetchall() == [("LOADER_ROLE", "OTHER", "LOADER", "RAW", schema, True)]


@pytest.mark.parametrize(
    "statement",
    [
        "GRANT SELECT ON ALL TABLES IN SCHEMA RAW.PUBLIC TO ROLE READER",
        "/* why */ GRANT ROLE READER TO USER X;",
        "REVOKE ALL ON DATABASE RAW FROM ROLE READER",
        "CREATE ROLE IF NOT EXISTS READER COMMENT = 'reads'",
        "CREATE WAREHOUSE IF NOT EXISTS LOADING WAREHOUSE_SIZE = XSMALL AUTO_SUSPEND = 60",
        "ALTER WAREHOUSE LOADING SET RESOURCE_MONITOR = M",
        "CREATE OR REPLACE RESOURCE MONITOR M WITH CREDIT_QUOTA = 1 TRIGGERS ON 90 PERCENT DO NOTIFY",
        "CREATE USER IF NOT EXISTS LOADER TYPE = SERVICE RSA_PUBLIC_KEY = 'abc' DEFAULT_ROLE = LOADER",
        "CREATE STORAGE INTEGRATION IF NOT EXISTS S3 TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' ENABLED = TRUE "
        "STORAGE_AWS_ROLE_ARN = 'arn' STORAGE_ALLOWED_LOCATIONS = ('s3://b/')",
        "USE SECONDARY ROLES NONE",
        "ALTER SESSION UNSET QUERY_TAG",
    ],
)
def test_a_statement_of_provisioning_is_accepted(sql, statement):
    assert sql(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SHOW GRANTS",
        "SHOW GRANTS ON TABLE T",
        "SHOW ROLES",
        "SHOW USERS",
        "SELECT * FROM RAW.INFORMATION_SCHEMA.TABLES AT (OFFSET => -60)",
        "UNDROP TABLE T",
        "DROP DATABASE RAW",
        "CREATE OR REPLACE DATABASE RAW",
        "SELECT ARRAY_APPEND(ARRAY_CONSTRUCT(1), 2)",
        "SELECT TYPEOF(PARSE_JSON('1'))",
        "ALTER TABLE A SWAP WITH B",
        "EXPLAIN SELECT 1",
        "LIST @S",
        "ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = 1",
        "CALL SOMETHING()",
        "EXECUTE IMMEDIATE 'SELECT 1'",
        "CREATE TASK T AS SELECT 1",
        "CREATE STREAM S ON TABLE T",
        "CREATE PROCEDURE P() RETURNS INT LANGUAGE SQL AS 'SELECT 1'",
        "CREATE DYNAMIC TABLE D TARGET_LAG = '1 hour' WAREHOUSE = W AS SELECT 1",
        "SELECT * FROM TABLE(INFER_SCHEMA(LOCATION => '@S', FILE_FORMAT => 'F'))",
        "SELECT * FROM SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY",
        "ALTER SESSION SET TIMEZONE = 'Europe/Berlin'",
        "PRAGMA database_list",
        "SELECT * FROM TABLE(FLATTEN(INPUT => PARSE_JSON('[1]'), RECURSIVE => TRUE))",
    ],
)
def test_what_is_not_done_is_refused_with_a_sentence(sql, statement):
    with pytest.raises(ProgrammingError, match="Unsupported by the local warehouse"):
        sql(statement)


def test_tables_and_views_are_listed_each_with_its_kind(sql, schema):
    sql("CREATE TABLE A (X NUMBER)")
    sql("CREATE VIEW B AS SELECT X FROM A")
    listed = f"SELECT TABLE_NAME, TABLE_TYPE FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = '{schema}' ORDER BY 1"
    assert sql(listed) == [("A", "BASE TABLE"), ("B", "VIEW")]
