"""What an account gets: which statements, for which settings, in which order, and how a refusal reads.

The golden files are the whole account as SQL, for a reviewer: the local warehouse enforces little of it. After a wanted
change of the templates, `PYTHONPATH=plugins python tests/unit/test_provision.py` writes them again.
"""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import groupby
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from catchment.connection import Connection
from catchment.errors import NeedsPerson
from catchment.landing import RecordFormat
from catchment.reads.http_list import HttpList
from catchment.reads.s3_files import S3Files
from catchment.spec import SourceSpec, Stream
from catchment.warehouse.formats import format_of
from catchment.warehouse.names import STAGE, stage_of
from catchment.warehouse.provision import Settings, Statement, apply, key_body, render, select, with_roles
from tests.support import make

GOLDEN = Path(__file__).parents[1] / "golden" / "snowflake"
PRODUCTION = Settings(
    bucket="acme-landing",
    storage_integration="CATCHMENT_S3",
    storage_role_arn="arn:aws:iam::123456789012:role/snowflake-landing",
    service_public_key="MIIB" + "A" * 388,
    service_public_key_2="MIIB" + "B" * 388,
    loading_size="SMALL",
    loading_credits=2000,
    transforming_size="MEDIUM",
)
BODY = "MIIB" + "A" * 388
PEM = f"-----BEGIN PUBLIC KEY-----\n{BODY[:64]}\n{BODY[64:]}\n-----END PUBLIC KEY-----\n"
# sqlglot only passes these through as text: the golden files are what is read and reviewed.
PASSED_THROUGH = re.compile(
    r"(CREATE|ALTER) (ROLE|USER|RESOURCE MONITOR|STORAGE INTEGRATION)\b"
    r"|ALTER WAREHOUSE\b"
    r"|GRANT ROLE \w+ TO (ROLE|USER) \w+"
    r"|GRANT [A-Z, ]+ ON (ALL|FUTURE) (TABLES|VIEWS) IN SCHEMA \w+\.\w+ TO ROLE \w+"
)


def a_source(name: str, *streams: str) -> SourceSpec:
    return SourceSpec(
        name=name,
        title=name,
        streams=tuple(Stream(name=s, key=("id",), read=HttpList(path=s, records=s)) for s in streams),
    )


def rendered() -> dict[str, str]:
    statements = with_roles(render(PRODUCTION, [a_source("zendesk", "tickets", "users")]))
    return {
        f"{step}.sql": "".join(f"{s.sql};\n" for s in of_step)
        for step, of_step in groupby(statements, key=lambda s: s.step)
    }


class Recorder:
    """A connection that keeps what it is told, and refuses one statement."""

    def __init__(self, refuse: str = "nothing") -> None:
        self.told: list[str] = []
        self.refuse = refuse
        self.closed = False

    def cursor(self) -> Recorder:
        return self

    def execute(self, command: str, /) -> None:
        if self.refuse in command:
            raise RuntimeError("Insufficient privileges")
        self.told.append(command)

    def close(self) -> None:
        self.closed = True


def sql(settings: Settings = PRODUCTION) -> str:
    return ";\n".join(s.sql for s in render(settings, [a_source("zendesk", "tickets", "users")]))


def test_the_account_is_as_reviewed() -> None:
    assert rendered() == {path.name: path.read_text(encoding="utf-8") for path in GOLDEN.glob("*.sql")}


def test_every_stream_has_its_raw_table_in_its_sources_schema() -> None:
    text = sql()

    assert "CREATE SCHEMA IF NOT EXISTS RAW.ZENDESK" in text
    assert "CREATE TABLE IF NOT EXISTS RAW.ZENDESK.TICKETS (" in text
    assert "CREATE TABLE IF NOT EXISTS RAW.ZENDESK.USERS (" in text


def test_nothing_is_ever_dropped_or_replaced() -> None:
    assert not re.findall(r"(?i)\b(DROP|OR REPLACE|TRUNCATE TABLE|DELETE FROM|REVOKE)\b", sql())


def test_every_creation_is_only_of_what_is_missing() -> None:
    creations = [s for s in render(PRODUCTION, [a_source("zendesk", "tickets")]) if s.sql.startswith("CREATE")]

    assert creations
    assert [s.sql for s in creations if "IF NOT EXISTS" not in s.sql.splitlines()[0]] == []


def test_without_an_integration_the_stage_names_no_credentials() -> None:
    text = sql(Settings())

    assert "URL = 's3://catchment-landing/'" in text
    assert "STORAGE_INTEGRATION" not in text
    assert "STORAGE INTEGRATION" not in text


def files(*buckets: str) -> SourceSpec:
    """A source that is files, one stream for each bucket."""
    reads = [S3Files(prefix=f"s{number}/", bucket=bucket) for number, bucket in enumerate(buckets)]
    streams = tuple(Stream(name=f"s{number}", key=("id",), read=read) for number, read in enumerate(reads))
    return SourceSpec(name="events", title="Events", streams=streams)


def bucket_in_connection(**extra: str) -> Callable[[str], Connection]:
    return lambda conn_id: make.connection(extra=extra)


@pytest.mark.parametrize("spec", [files("acme-events", "acme-events"), files("", ""), files("acme-events", "")])
def test_a_bucket_that_only_the_connection_names_gets_its_stage(spec: SourceSpec) -> None:
    """Found by reading: nothing made the stage, and the first load failed because there is none.

    Snowflake's reference, CREATE STORAGE INTEGRATION: a stage's URL must be among STORAGE_ALLOWED_LOCATIONS, so the
    bucket must stand there, too.
    """
    statements = render(PRODUCTION, [spec], look_up=bucket_in_connection(bucket="acme-events"))
    (stage,) = (s.sql for s in statements if s.step == "source_stages")
    assert "CREATE STAGE IF NOT EXISTS RAW.EVENTS.FILES" in stage
    assert "URL = 's3://acme-events/'" in stage
    allowed = [s.sql for s in statements if "STORAGE_ALLOWED_LOCATIONS" in s.sql]
    assert len(allowed) == 2
    assert all("STORAGE_ALLOWED_LOCATIONS = ('s3://acme-landing/', 's3://acme-events/')" in sql for sql in allowed)


@pytest.mark.parametrize("extra", [{}, {"bucket": "s3://acme-events/"}, None])
def test_a_source_of_files_without_a_bucket_is_refused_with_where_to_name_it(extra: dict[str, str] | None) -> None:
    look_up = partial(Connection.from_env, env={}) if extra is None else bucket_in_connection(**extra)
    with pytest.raises(NeedsPerson, match=r'`bucket` in the extra of the connection "events".*AIRFLOW_CONN_EVENTS'):
        render(PRODUCTION, [files("")], look_up=look_up)


def test_a_source_in_two_buckets_is_refused_for_it_has_one_stage() -> None:
    with pytest.raises(NeedsPerson, match=r"several buckets \(acme-a, acme-b\).*a source of each"):
        render(PRODUCTION, [files("acme-a", "acme-b")])


def test_connections_of_sources_that_are_no_files_are_not_asked_for() -> None:
    render(PRODUCTION, [a_source("zendesk", "tickets")], look_up=partial(Connection.from_env, env={}))


def test_without_a_public_key_no_user_is_made() -> None:
    assert "CREATE USER" in sql()
    assert "CREATE USER" not in sql(Settings())


def test_the_reporting_roles_can_read_no_raw_record() -> None:
    granted: dict[str, set[str]] = {}
    for role, to in re.findall(r"GRANT ROLE (\w+) TO ROLE (\w+)", sql()):
        granted.setdefault(to, set()).add(role)

    def reach(role: str) -> set[str]:
        return {role}.union(*(reach(held) for held in granted.get(role, ())))

    assert not [role for role in reach("REPORTER") | reach("ANALYST") if role.startswith("RAW")]
    assert {"RAW_ZENDESK_R", "ANALYTICS_MARTS_RW"} <= reach("TRANSFORMER")
    assert "RAW_ZENDESK_RW" not in reach("TRANSFORMER")
    assert not [role for role in reach("LOADER") if role.startswith("ANALYTICS")]


def test_the_loader_may_use_every_format_and_stage_that_a_load_names() -> None:
    """Found by reading: formats of others' files, and the stages over their buckets, were granted to nobody."""
    read = S3Files(bucket="theirs", prefix="a/", pattern=r"\.csv$", record_format=RecordFormat.CSV, columns=("id",))
    spec = SourceSpec(name="events", title="events", streams=(Stream(name="clicks", key=("id",), read=read),))
    text = ";\n".join(s.sql for s in render(PRODUCTION, [spec]))
    formats = {name for how in map(format_of, RecordFormat) for name in (how.file_format, how.lines) if name}
    assert {f"GRANT USAGE ON FILE FORMAT {name} TO ROLE LOADER" for name in formats} <= set(text.split(";\n"))
    assert f"GRANT USAGE ON STAGE {stage_of('events')} TO ROLE LOADER" in text
    assert f"GRANT USAGE ON STAGE {STAGE} TO ROLE LOADER" in text


def test_with_the_defaults_a_loader_that_never_sleeps_is_neither_stopped_nor_warned_of() -> None:
    """Found by reading: with change data capture it never sleeps, and a quota of 100 ended on the fifth day."""
    (monitor,) = re.findall(r"CREATE RESOURCE MONITOR IF NOT EXISTS CDC_MONITOR .*?;", sql(Settings()), re.DOTALL)
    quota, warned = (int(found) for found in re.findall(r"CREDIT_QUOTA = (\d+).*?ON (\d+) PERCENT", monitor, re.S)[0])
    hours_of_the_longest_month = 31 * 24
    credits_an_hour = {"XSMALL": 1}[Settings().cdc_size]
    assert hours_of_the_longest_month * credits_an_hour < quota * warned / 100


def test_all_of_it_parses_as_snowflake() -> None:
    logging.disable(logging.WARNING)
    try:
        parsed = {
            s.sql: sqlglot.parse_one(s.sql, read="snowflake")
            for s in with_roles(render(PRODUCTION, [a_source("zendesk", "tags")]))
        }
    finally:
        logging.disable(logging.NOTSET)

    unknown = [text for text, tree in parsed.items() if isinstance(tree, exp.Command)]
    assert [text for text in unknown if not PASSED_THROUGH.match(text)] == []


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_env(
        {"CATCHMENT_LANDING_BUCKET": "acme-landing", "CATCHMENT_SNOWFLAKE_LOADING_CREDITS": "7", "PATH": "/bin"}
    )

    assert (settings.bucket, settings.loading_credits, settings.ad_hoc_size) == ("acme-landing", 7, "XSMALL")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("CATCHMENT_SNOWFLAKE_SERVICE_USR", "x", "CATCHMENT_SNOWFLAKE_SERVICE_USR is not a setting"),
        ("CATCHMENT_LANDING_BUCKET", "s3://acme/landing", "without s3://"),
        ("CATCHMENT_SNOWFLAKE_LOADING_SIZE", "HUGE", "choose one of XSMALL"),
        ("CATCHMENT_SNOWFLAKE_LOADING_CREDITS", "a lot", "a whole number above zero"),
        ("CATCHMENT_SNOWFLAKE_STORAGE_INTEGRATION", "S3", "Set both"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_give(name: str, value: str, says: str) -> None:
    with pytest.raises(NeedsPerson, match=re.escape(says)):
        Settings.from_env({name: value})


@pytest.mark.parametrize("key", [PEM, BODY, ""])
def test_a_public_key_is_taken_as_pem_or_as_its_body(key: str) -> None:
    assert key_body(key) == (BODY if key else "")


@pytest.mark.parametrize("key", ["-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "not a key', X = '1"])
def test_any_other_key_is_refused_and_not_repeated_in_the_message(key: str) -> None:
    with pytest.raises(NeedsPerson) as caught:
        key_body(key)

    assert key not in str(caught.value)


def test_only_the_named_steps_are_selected_and_an_unknown_one_is_named() -> None:
    statements = render(Settings(), [a_source("zendesk", "tickets")])

    assert {s.step for s in select(statements, ["schemas", "raw_tables"])} == {"schemas", "raw_tables"}
    assert select(statements, []) == statements
    with pytest.raises(NeedsPerson, match=r"no step 'tables'.*raw_tables"):
        select(statements, ["tables"])


def test_each_role_is_taken_once_before_what_needs_it() -> None:
    connection, done = Recorder(), []
    apply(connection, (Statement("a", "R", "1"), Statement("a", "R", "2"), Statement("b", "S", "3")), done.append)

    assert connection.told == ["USE ROLE R", "1", "2", "USE ROLE S", "3"]
    assert [s.sql for s in done] == connection.told
    assert connection.closed


def test_a_refusal_stops_there_and_says_the_step_the_role_and_what_to_do() -> None:
    connection = Recorder(refuse="CREATE RESOURCE MONITOR")

    with pytest.raises(NeedsPerson) as caught:
        apply(connection, render(Settings(), []))

    assert re.match(
        r"snowflake-apply, step resource_monitors: the warehouse refused 'CREATE RESOURCE MONITOR .*' to the role "
        r"ACCOUNTADMIN: Insufficient privileges\. .* run it again\.",
        str(caught.value),
    )
    assert connection.told[-1] == "USE ROLE ACCOUNTADMIN"
    assert connection.closed


def test_it_needs_no_airflow() -> None:
    code = "import sys, catchment.warehouse.provision; sys.exit('airflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": "plugins"}, check=False).returncode == 0


if __name__ == "__main__":
    for old in GOLDEN.glob("*.sql"):
        old.unlink()
    for name, text in rendered().items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
