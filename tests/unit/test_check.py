"""Checking every connection: what is asked, what a failure says, and that none of it hangs or leaves a trace.

Outside reports that are tried here: `airflow connections test` said "failed" and ended with status 0, so scripts that
watch the status took a broken connection for a good one (apache/airflow #72548); and a login that works says nothing
of the rights that a load needs (open-metadata/OpenMetadata #10145).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from catchment import __main__, check, check_systems
from catchment.cdc.declared import Application, Database, Shard
from catchment.check import Check, CheckResult, Outcome
from catchment.connection import Connection, NoConnection
from catchment.errors import CatchmentError, NeedsPerson, Refused, TryAgain, VendorUnavailable
from catchment.platform import Platform, open_client
from catchment.reads.http_export import CursorExport
from catchment.reads.s3_files import S3Files
from catchment.sources import SOURCES
from catchment.spec import SourceSpec
from tests.support import make
from tests.support.store import MemoryStore
from tests.support.vendor import Handler, Reply, Scripted

DATABASE = Database(source="application", database="app", schema="public", publication="p", tables=())
APPLICATION = Application((Shard("s0", DATABASE),))


def look_up(*known: Connection) -> Callable[[str], Connection]:
    by_id = {connection.conn_id: connection for connection in known}

    def found(conn_id: str) -> Connection:
        if conn_id not in by_id:
            raise NoConnection(f'There is no connection "{conn_id}": make it (docs/production.md).')
        return by_id[conn_id]

    return found


def outcomes(*known: Connection, only: tuple[str, ...] = ()) -> dict[str, CheckResult]:
    found = check.select(check.checks(look_up(*known), [make.source()], APPLICATION), only)
    return {result.name: result for result in check.run(found, timedelta(seconds=20))}


STAGES = ["created_on", "name", "database_name", "schema_name", "url"]


class Stages:
    """A session that shows stages, by schema, with their URLs."""

    def __init__(self, **urls: str) -> None:
        self.rows = [(None, "FILES", "RAW", schema, url) for schema, url in urls.items()]
        self.description = [(name,) for name in STAGES]
        self.closed = False

    def cursor(self) -> Stages:
        return self

    def execute(self, sql: str) -> None:
        assert sql == "SHOW STAGES IN DATABASE RAW"

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.rows

    def close(self) -> None:
        self.closed = True


class Bucket(MemoryStore):
    uri = "s3://acme-events/"


def try_files(stages: Stages, **extra: str) -> str:
    """What trying a source comes to that is files in the bucket that its connection names."""
    stream = make.stream("clicks", S3Files(prefix="clicks/"))
    spec = SourceSpec(name="events", title="Events", streams=(stream,))
    connection = Connection(conn_id="events", extra=extra)
    session: Any = stages
    platform = Platform(
        store=MemoryStore(),
        open_session=lambda tag: session,
        look_up=look_up(connection),
        open_bucket=lambda name: Bucket(),
    )
    return check_systems.try_source(spec, look_up(connection), lambda: platform)


def test_files_of_others_have_a_bucket_and_a_stage_over_it() -> None:
    """Found by reading: nothing made the stage over a bucket that only a connection names; the first load said so."""
    stages = Stages(EVENTS="s3://acme-events/")
    said = try_files(stages, bucket="acme-events")
    assert said == "s3://acme-events/clicks/ is empty, and RAW.EVENTS.FILES is over it."
    assert stages.closed


@pytest.mark.parametrize(
    ("stages", "extra", "said"),
    [
        (
            Stages(),
            {"bucket": "acme-events"},
            r"no stage RAW\.EVENTS\.FILES.*run `python -m catchment snowflake-apply`",
        ),
        (
            Stages(EVENTS="s3://old/"),
            {"bucket": "acme-events"},
            r"is over s3://old/, and the files are in s3://acme-ev",
        ),
        (Stages(), {}, r'"events" names no bucket: set `bucket` in its extra'),
    ],
)
def test_what_files_of_others_lack_is_said_with_the_cure(stages: Stages, extra: dict[str, str], said: str) -> None:
    with pytest.raises(NeedsPerson, match=said):
        try_files(stages, **extra)


def ask(handler: Handler, **fields: Any) -> tuple[str, Scripted]:
    """What trying a vendor comes to, and the vendor."""
    spec = make.source(**fields)
    with Scripted(handler).running() as vendor:
        return _try(spec, make.connection(vendor.url)), vendor


def _try(spec: Any, connection: Connection) -> str:
    client = open_client(spec, connection, look_up())
    try:
        return check_systems.try_vendor(client, spec)
    finally:
        client.close()


# --- vendors ---


def test_a_vendor_is_asked_for_one_page_and_no_more() -> None:
    said, vendor = ask(lambda request: Reply.json({"entries": [], "cursor": "next", "has_more": True}))
    assert [request.path for request in vendor.requests] == ["/things"]
    assert "GET /things was answered" in said


def test_a_refused_key_names_the_connection_and_the_page() -> None:
    with pytest.raises(Refused, match=r'"vendor".*docs/runbooks/credentials.md'):
        ask(lambda request: Reply.json({}, status=401))


def test_a_page_of_a_proxy_is_no_answer() -> None:
    """A base URL that names a site and not its API answers 200 with a page of HTML."""
    with pytest.raises(VendorUnavailable, match="is the base URL that of the API"):
        ask(lambda request: Reply(b"<html>Welcome</html>"))


def test_a_list_is_asked_before_an_export_and_a_child_or_a_gated_stream_never() -> None:
    child = make.stream("child", make.http_list("things/{id}/child", parent=make_parent()))
    export = make.stream("export", CursorExport(path="export", records="entries"))
    gated = make.stream("gated", plan_gated=True)
    plain = make.stream("plain")
    asked = check_systems.probe(make.source(child, export, gated, plain))
    assert asked
    assert (asked[0].name, asked[1].path) == ("plain", "plain")


def test_an_export_is_asked_for_the_last_day_alone() -> None:
    asked = check_systems.probe(make.source(make.stream("export", CursorExport(path="export", records="entries"))))
    assert asked
    assert time.time() - asked[1].params["start_time"] == pytest.approx(86_400, abs=60)


@pytest.mark.parametrize("name", [pytest.param(name, id=name) for name, spec in SOURCES.items() if spec.api])
def test_every_source_has_a_request_that_costs_little(name: str) -> None:
    asked = check_systems.probe(SOURCES[name])
    assert asked
    assert asked[1].method == "GET"
    assert "{" not in asked[1].path


def make_parent() -> Any:
    from catchment.spec import Parent

    return Parent("things", field="id", param="id")


# --- landing ---


def test_the_landing_is_as_it_was_when_its_check_is_over() -> None:
    store = MemoryStore()
    assert "can be written, read, listed and deleted" in check_systems.try_landing(store)
    assert store.objects == {}
    assert {key.startswith("landing/") for _, key in store.log} == {True}


@pytest.mark.parametrize("verb", ["put", "get", "list", "delete"])
def test_each_right_that_a_batch_needs_of_the_landing_is_tried(verb: str) -> None:
    with pytest.raises(TryAgain, match=f"could not {verb}"):
        check_systems.try_landing(MemoryStore(fails=lambda did, key: did == verb))


def test_a_store_that_gives_back_something_else_fails() -> None:
    class Liar(MemoryStore):
        def get(self, key: str) -> bytes | None:
            return b"<Error/>"

    store = Liar()
    with pytest.raises(NeedsPerson, match="is not what is read"):
        check_systems.try_landing(store)
    assert store.objects == {}


# --- warehouse ---


def test_a_role_that_sees_too_few_tables_is_told_which_and_what_to_run() -> None:
    wanted = {"RAW.A.B", "RAW.A.C", "RAW.A.D"}
    with pytest.raises(NeedsPerson, match=r"LOADER sees no table RAW\.A\.C \(and 1 more\).*snowflake-apply"):
        check_systems.describe_session("LOADER", "LOADING", wanted, {"RAW.A.B", "RAW.X.Y"})


@pytest.mark.parametrize(("role", "warehouse", "lacks"), [(None, "LOADING", "role"), ("LOADER", None, "warehouse")])
def test_a_session_without_a_role_or_a_warehouse_is_not_well(
    role: str | None, warehouse: str | None, lacks: str
) -> None:
    """Snowflake signs in anybody whose default warehouse is missing; it is the first statement that fails."""
    with pytest.raises(NeedsPerson, match=f"set `{lacks}`"):
        check_systems.describe_session(role, warehouse, (), ())


# --- keys and what is optional ---


@pytest.mark.parametrize(("password", "fits"), [("", False), ("short", False), ("k" * 32, True)])
def test_the_key_of_personal_fields_must_be_long_enough(password: str, fits: bool) -> None:
    result = outcomes(Connection(conn_id="catchment_pii", password=password), only=("catchment_pii",))["catchment_pii"]
    assert (result.outcome is Outcome.OK) is fits
    assert not password or password not in result.said


def test_without_change_data_capture_its_connections_are_not_missed() -> None:
    found = outcomes(only=("kafka_connect", "kafka", "application_s0", "rate_limits"))
    assert {result.outcome for result in found.values()} == {Outcome.SKIPPED}


def test_with_a_part_of_change_data_capture_the_rest_is_missed() -> None:
    found = outcomes(make.connection("http://127.0.0.1:9", conn_id="kafka_connect"), only=("kafka", "application_s0"))
    assert {result.outcome for result in found.values()} == {Outcome.FAILED}
    assert 'There is no connection "kafka"' in found["kafka"].said


def test_a_missing_connection_of_a_source_fails() -> None:
    result = outcomes(only=("vendor",))["vendor"]
    assert result.outcome is Outcome.FAILED
    assert 'There is no connection "vendor"' in result.said


def test_a_secrets_back_end_that_fails_is_told_of_as_such() -> None:
    def broken(conn_id: str) -> Connection:
        raise RuntimeError("AccessDenied")

    found = check.select(check.checks(broken, [make.source()], APPLICATION), ["kafka", "vendor"])
    said = [(result.outcome, result.said) for result in check.run(found)]
    assert all(outcome is Outcome.FAILED and "AccessDenied" in text for outcome, text in said)


def test_an_optional_connection_that_is_not_right_is_not_passed_over() -> None:
    environment = {"AIRFLOW_CONN_RATE_LIMITS": '{"conn_type": "postgres",'}
    found = check.checks(lambda conn_id: Connection.from_env(conn_id, environment), [make.source()], APPLICATION)
    [result] = check.run(check.select(found, ["rate_limits"]))
    assert result.outcome is Outcome.FAILED
    assert "AIRFLOW_CONN_RATE_LIMITS is not a JSON object" in result.said


def test_calls_are_never_sent_without_the_shared_limits_that_somebody_set_up_wrongly() -> None:
    """Read as "there is none", each machine would have kept limits of its own, and called too often."""
    environment = {"AIRFLOW_CONN_RATE_LIMITS": '{"conn_type": "postgres",'}
    with pytest.raises(NeedsPerson, match="AIRFLOW_CONN_RATE_LIMITS"):
        open_client(make.source(), make.connection(), lambda conn_id: Connection.from_env(conn_id, environment))


# --- side by side, with an end ---


def test_a_check_that_hangs_fails_in_time_and_holds_no_other_back() -> None:
    never = threading.Event()
    hanging = Check("deaf", lambda: str(never.wait(30)))
    begun = time.monotonic()
    slow, fine = check.run([hanging, Check("fine", lambda: "Well.")], timedelta(seconds=0.3))
    never.set()
    assert time.monotonic() - begun < 5
    assert (slow.outcome, fine.outcome) == (Outcome.FAILED, Outcome.OK)
    assert "No answer within 0 s" in slow.said
    assert 'connection "deaf"' in slow.said


def test_checks_run_side_by_side() -> None:
    together = threading.Barrier(3, timeout=20)
    waiting = [Check(f"c{n}", lambda: f"{together.wait()}") for n in range(3)]
    assert {result.outcome for result in check.run(waiting, timedelta(seconds=20))} == {Outcome.OK}


def test_a_failure_that_names_no_connection_is_given_one() -> None:
    def fails() -> str:
        raise CatchmentError("It does not answer.")

    [result] = check.run([Check("stage", fails, "snowflake_default")])
    assert result.said == 'It does not answer. See the connection "snowflake_default" (docs/production.md).'


def test_an_error_of_a_library_is_masked() -> None:
    def fails() -> str:
        raise ValueError("no such user ada@example.com")

    [result] = check.run([Check("x", fails)])
    assert "ada@example.com" not in result.said
    assert "ValueError" in result.said


def test_a_name_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(NeedsPerson, match=r"'zendesc'.*Choose from: vendor, .*aws_default"):
        outcomes(only=("zendesc",))


def test_the_table_ends_with_what_failed() -> None:
    results = [
        CheckResult("a", Outcome.FAILED, "Broken.", 1.25),
        CheckResult("long_name", Outcome.OK, "Well."),
        CheckResult("c", Outcome.SKIPPED, "Not set up."),
    ]
    assert check.table(results).splitlines() == [
        "ok       long_name    0.0 s  Well.",
        "skipped  c            0.0 s  Not set up.",
        "failed   a            1.2 s  Broken.",
    ]


@pytest.mark.parametrize(("outcome", "status"), [(Outcome.OK, 0), (Outcome.SKIPPED, 0), (Outcome.FAILED, 1)])
def test_the_command_ends_with_1_when_anything_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], outcome: Outcome, status: int
) -> None:
    monkeypatch.setattr(check, "check_all", lambda *_, **__: [CheckResult("zendesk", outcome, "Seen.")])
    assert __main__.main(["check", "zendesk"]) == status
    assert "zendesk" in capsys.readouterr().out
