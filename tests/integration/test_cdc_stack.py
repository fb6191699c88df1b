"""The real parts together: what is written to a shard arrives on its topic, through everything that happens to them."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from threading import Event
from typing import Any

import psycopg2
import pytest
from kafka import KafkaConsumer, TopicPartition

from catchment.cdc.declared import application
from catchment.cdc.setup.migrate import migrate
from catchment.connection import Connection
from catchment.errors import ContractBroken
from local.application.changes import CHANGES, move_account
from local.application.writer import Writer
from local.cdc import passwords, seed, shards
from local.cdc.stack import Stack, free_ports

pytestmark = pytest.mark.timeout(600)
SECONDS = 60


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), free_ports(), scale=0.02, connectors=True) as stack:
        yield stack


def execute(stack: Stack, shard: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(shards.cluster(stack.settings, stack.credentials, shard).dsn(shards.DATABASE))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def records(stack: Stack, topic: str, *, until: int) -> list[dict[str, Any]]:
    """All changes on a topic, once one of them is of the row with this id."""
    consumer = KafkaConsumer(
        bootstrap_servers=f"127.0.0.1:{stack.settings.ports.kafka}",
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(3)])
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            for batch in consumer.poll(500).values():
                found += [json.loads(record.value) for record in batch if record.value]
            if any((change["after"] or {}).get("id") == until for change in found):
                return found
        raise AssertionError(f"no change of {until} on {topic} within {SECONDS} s; {len(found)} others")
    finally:
        consumer.close()


PUBLISHED = "SELECT tablename::text FROM pg_publication_tables"


def _connections(stack: Stack, shard: str) -> tuple[Connection, Connection]:
    declared, environment = application().shard(shard), stack.environment()
    owner = Connection.from_env(declared.owner_connection, environment)
    return owner, Connection.from_env(declared.connection, environment)


def _password(stack: Stack, shard: str) -> str:
    return passwords.ensure(stack.settings)[shard]


@pytest.mark.parametrize("shard", ["s0", "s1"])
def test_a_row_of_each_shard_arrives_on_its_topic(stack: Stack, shard: str) -> None:
    execute(stack, shard, "INSERT INTO accounts (id, external_id, name) VALUES (77, 'x-77', 'Größe ✨')")
    change = next(c for c in records(stack, f"{shard}.public.accounts", until=77) if c["after"]["id"] == 77)
    assert change["op"] in {"c", "r"}  # r: the first snapshot was still under way
    assert change["after"]["name"] == "Größe ✨"


def test_the_first_rows_arrive_too(stack: Stack) -> None:
    (last,) = execute(stack, "s0", "SELECT max(id) FROM customers")[0]
    here = {change["after"]["id"] for change in records(stack, "s0.public.customers", until=last)}
    assert here == {key for (key,) in execute(stack, "s0", "SELECT id FROM customers")}


def test_a_row_in_a_new_partition_arrives_on_the_topic_of_the_whole_table(stack: Stack) -> None:
    execute(stack, "s1", "SELECT ensure_activity_partitions('2030-01-01', '2030-01-01')")
    execute(
        stack,
        "s1",
        "INSERT INTO activities (id, account_id, kind, occurred_at) VALUES (990077, 1, 'login', '2030-01-05')",
    )
    records(stack, "s1.public.activities", until=990077)


def test_nothing_is_missing_after_the_broker_and_the_database_were_killed(stack: Stack) -> None:
    stack.kill("kafka")
    execute(stack, "s0", "INSERT INTO accounts (id, external_id, name) VALUES (501, 'x-501', 'written without Kafka')")
    stack.kill("shard_s0")
    stack.start("kafka", "shard_s0")
    execute(stack, "s0", "INSERT INTO accounts (id, external_id, name) VALUES (502, 'x-502', 'written afterwards')")
    ids = [change["after"]["id"] for change in records(stack, "s0.public.accounts", until=502)]
    assert ids.count(501) == ids.count(502) == 1


def test_a_frozen_part_answers_nothing_and_goes_on_when_thawed(stack: Stack) -> None:
    stack.freeze("shard_s1")
    try:
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(
                shards.cluster(stack.settings, stack.credentials, "s1").dsn(shards.DATABASE), connect_timeout=2
            )
    finally:
        stack.thaw("shard_s1")
    assert execute(stack, "s1", "SELECT 1") == [(1,)]


def test_both_connector_plugins_are_there(stack: Stack) -> None:
    with urllib.request.urlopen(stack.settings.url("connect", "/connector-plugins"), timeout=10) as reply:
        classes = {plugin["class"].rpartition(".")[2] for plugin in json.load(reply)}
    assert classes == {"PostgresConnector", "SnowflakeSinkConnector"}


def test_no_password_is_shown_by_connect(stack: Stack) -> None:
    file = (stack.settings.secrets / "connect" / "shards.properties").read_text()
    secrets = [line.partition("=")[2] for line in file.splitlines()]
    with urllib.request.urlopen(stack.settings.url("connect", "/connectors?expand=info"), timeout=10) as reply:
        shown = reply.read().decode()
    assert "${file:" in shown
    assert len(secrets) == 2
    assert not [secret for secret in secrets if secret in shown]


def test_preparing_again_changes_nothing(stack: Stack) -> None:
    looked_at = (
        "SELECT (SELECT count(*) FROM accounts), (SELECT rolpassword FROM pg_authid WHERE rolname = 'cdc'), "
        "(SELECT count(*) FROM pg_publication_rel), (SELECT count(*) FROM pg_class)"
    )
    before = execute(stack, "s1", looked_at)
    seed.seed_shards(stack.settings, stack.credentials, stack.environment(), shards=["shard_s1"], rows=True)
    assert execute(stack, "s1", looked_at) == before


def test_the_publication_has_every_declared_table_under_its_root(stack: Stack) -> None:
    published = execute(stack, "s1", PUBLISHED + " WHERE schemaname = 'public'")
    assert {name for (name,) in published} == {table.name for table in application().database("application").tables}


def test_the_role_reads_and_replicates_and_writes_nothing_of_the_application(stack: Stack) -> None:
    connection = psycopg2.connect(
        host="127.0.0.1",
        port=stack.settings.ports.shard_s0,
        dbname="app",
        user="cdc",
        password=_password(stack, "s0"),
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM invoices")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute("DELETE FROM invoices")
    finally:
        connection.close()


@contextmanager
def writing(stack: Stack, *, rate: float) -> Iterator[list[Writer]]:
    """The application's writers, one a shard, while the test looks on."""
    dsns = {s: shards.cluster(stack.settings, stack.credentials, s).dsn(shards.DATABASE) for s in ("s0", "s1")}
    stop = Event()
    writers = [Writer(shard, dsns, rate=rate, stop=stop, draw=Random(shard)) for shard in dsns]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        stop.set()
        for writer in writers:
            writer.join(10)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_generator_writes_every_kind_of_change(stack: Stack) -> None:
    wanted = {change.__name__ for change, _ in CHANGES} | {move_account.__name__, "rolled_back"}
    with writing(stack, rate=200) as writers:
        wait_until(lambda: all(wanted == set(writer.progress.done) for writer in writers))
        assert [writer.progress.problem for writer in writers] == [None, None]


def test_the_generator_rides_out_a_dead_database_and_the_other_shard_is_written_to_meanwhile(stack: Stack) -> None:
    with writing(stack, rate=20) as (of_s0, of_s1):
        wait_until(lambda: of_s1.progress.done.total() > 0)
        stack.kill("shard_s1")
        wait_until(lambda: of_s1.progress.problem is not None)
        before = of_s0.progress.done.total()
        wait_until(lambda: of_s0.progress.done.total() > before)
        stack.start("shard_s1")
        wait_until(lambda: of_s1.progress.problem is None)


def test_a_migration_never_takes_a_table_out_of_the_publication_nor_sets_a_password_again(stack: Stack) -> None:
    declared = application().database("application")
    fewer = replace(declared, tables=declared.tables[:1])
    owner, replicator = _connections(stack, "s0")
    before = execute(stack, "s0", PUBLISHED + " UNION ALL SELECT rolpassword FROM pg_authid WHERE rolname = 'cdc'")
    migrate(fewer, owner, replace(replicator, password="another one, which is not the role's"))
    assert (
        execute(stack, "s0", PUBLISHED + " UNION ALL SELECT rolpassword FROM pg_authid WHERE rolname = 'cdc'") == before
    )


def test_a_migration_for_a_table_that_is_not_there_changes_nothing_and_names_it(stack: Stack) -> None:
    declared = application().database("application")
    missing = replace(declared.tables[0], name="not_there")
    execute(stack, "s0", "CREATE TABLE there_now (id bigint PRIMARY KEY)")
    there = replace(declared.tables[0], name="there_now")
    with pytest.raises(ContractBroken, match=r"no table public\.not_there"):
        migrate(replace(declared, tables=(there, missing)), *_connections(stack, "s0"))
    assert ("there_now",) not in execute(stack, "s0", PUBLISHED)
    migrate(replace(declared, tables=(there,)), *_connections(stack, "s0"))
    assert ("there_now",) in execute(stack, "s0", PUBLISHED)
