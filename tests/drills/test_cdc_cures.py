"""Cures as their pages have them, tried on the real parts; then both sides are recounted by plain SQL, row by row."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from threading import Event, Thread
from types import MappingProxyType
from typing import Any

import psycopg2
import pytest

from bench.databases import run_models
from catchment.cdc.declared import Application, Shard, application
from catchment.cdc.health.check import Report, check
from catchment.cdc.health.policy import State
from catchment.cdc.loader.kafka import arguments
from catchment.cdc.repair import snapshot
from catchment.cdc.repair import topic as topic_repair
from catchment.cdc.systems import Systems
from local.settings import ROOT
from tests.support.drill import RUN, S0, S1, Drill, sentence

pytestmark = pytest.mark.timeout(900)
# Columns whose values both sides print alike.
COLUMNS = {
    "customers": ("id", "account_id", "external_id", "email", "contact_name", "country", "city", "biography"),
    "users": ("id", "account_id", "email", "full_name", "title", "is_active"),
    "events": ("id", "body"),
}


def asked(drill: Drill, sql: str) -> list[tuple[Any, ...]]:
    return drill.warehouse(lambda cursor: (cursor.execute(sql), cursor.fetchall())[1])  # type: ignore[no-any-return]


def at_the_end(drill: Drill) -> None:
    drill.until(lambda: not drill.run().facts.behind(), 120, "the loader is at the end")


def merge(drill: Drill, table: str, of: Application | None = None, *options: str) -> None:
    """dbt's models of a table, as its DAG runs them."""
    folder = drill.stack.settings.var / ("models" if of is None else "models_after")  # parsed once
    select = f"config.meta.table:application.{table}"
    run_models(of or application(), drill.look_up("snowflake_default"), folder, select, *options)


def differences(drill: Drill, shard: Shard, table: str) -> tuple[set[Any], set[Any]]:
    """Rows that the shard alone has, and rows that staging alone has."""
    columns = ", ".join(COLUMNS[table])
    here = set(drill.sql(shard, f"SELECT {columns} FROM {table}"))
    there = asked(
        drill,
        f"SELECT {columns} FROM ANALYTICS.STAGING.STG_APPLICATION__{table.upper()} "
        f"WHERE _SHARD = '{shard.name}' AND NOT _IS_DELETED",
    )
    assert len(there) == len(set(there))
    assert here
    return here - set(there), set(there) - here


def resnapshot(drill: Drill, shard: Shard, table: str, id_: str) -> None:
    systems = Systems(drill.look_up)
    asked_for = snapshot.request(systems, shard, shard.table(table), id_)
    drill.until(lambda: snapshot.progress(systems, asked_for).done, 120, "the snapshot is in raw")
    assert "are in raw again" in snapshot.verify(asked_for, snapshot.progress(systems, asked_for))


# --- two loaders ----------------------------------------------------------------------------------------------------


def test_two_loaders_are_told_with_host_and_process_and_lose_and_double_nothing(drill: Drill) -> None:
    """confluentinc/kafka-connect-storage-cloud 800: a worker that was thought dead wrote on, over what the next one had
    written; rows were gone, and nothing told. A deployment whose old pod lives on is the same.

    Right: every record once, and the second loader is named by host and process until it is gone.
    """
    at_the_end(drill)
    with writing(drill) as written, another_loader(drill) as another:
        pids = {another.pid, drill.stack.pid("loader")}
        drill.until(lambda: len(movers(drill)) > 1, 60, "both have loaded")
        drill.run()
        reports: list[Report] = []
        while not reports or drill.state(reports[-1], "loader") != State.TWO_LOADERS:
            assert len(reports) < 2, "\n".join(line for report in reports for line in report.lines())
            time.sleep(55)  # runs are a minute apart, and each of the two loads for some seconds, then waits
            reports.append(drill.run())
        text = sentence(reports[-1], "loader")
        assert {int(pid) for pid in re.findall(r"@[^:]+:(\d+)", text)} == pids, text
        assert ["docs/runbooks/cdc_loader_stuck.md" in a.text for a in reports[-1].decision.alerts] == [True]
        another.send_signal(signal.SIGTERM)
        assert another.wait(60) == 0
        drill.run()
        time.sleep(20)
        drill.until(lambda: drill.state(drill.run(), "loader") == State.HEALTHY, 90, "one loader is left")
    at_the_end(drill)
    assert written
    for shard in (S0, S1):
        for table in ("users", "events"):
            offsets = asked(drill, f"SELECT KAFKA_PARTITION, KAFKA_OFFSET FROM {shard.raw_table(shard.table(table))}")
            assert len(offsets) == len(set(offsets))
            assert set(offsets) == in_kafka(drill, shard.topic(shard.table(table)))


def movers(drill: Drill) -> set[str]:
    return {str(name).rpartition(" ")[0] for (name,) in asked(drill, "SELECT LOADER FROM RAW.CATCHMENT.OFFSETS")}


@contextmanager
def another_loader(drill: Drill) -> Iterator[subprocess.Popen[bytes]]:
    """A second loader of the same name: an old deployment, or a terminal that was forgotten."""
    environment = {**drill.stack.environment(), "PYTHONPATH": f".{os.pathsep}plugins"}
    environment.pop("CATCHMENT_CDC_STATUS", None)
    with (drill.stack.settings.log / "another.log").open("wb") as log:
        another = subprocess.Popen(
            [sys.executable, "-m", "catchment", "cdc-load"], env=environment, cwd=ROOT, stdout=log, stderr=log
        )
        try:
            yield another
        finally:
            if another.poll() is None:
                another.kill()
                another.wait()


@contextmanager
def writing(drill: Drill) -> Iterator[list[int]]:
    """The application writes all the while; the numbers of its rounds."""
    written: list[int] = []
    stop = Event()

    def write() -> None:
        while not stop.wait(0.2):
            for shard in (S0, S1):
                drill.sql(shard, f"UPDATE users SET title = 'n{len(written)}' WHERE id % 10 = {len(written) % 10}")
                drill.sql(shard, f"UPDATE events SET body = 'n{len(written)}' WHERE id % 10 = 1")
            written.append(len(written))

    thread = Thread(target=write)
    thread.start()
    try:
        yield written
    finally:
        stop.set()
        thread.join(30)


def in_kafka(drill: Drill, topic: str) -> set[tuple[int, int]]:
    """Every committed record of a topic, by another client's reading from its start."""
    from kafka import KafkaConsumer, TopicPartition  # type: ignore[import-untyped]

    with closing(
        KafkaConsumer(
            **arguments(drill.look_up("kafka")),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
    ) as consumer:
        places = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        ends, found = consumer.end_offsets(places), set()
        deadline = time.monotonic() + 60
        while any(consumer.position(place) < ends[place] for place in places):
            assert time.monotonic() < deadline, f"{topic} can't be read to its end"
            for place, records in consumer.poll(500).items():
                found |= {(place.partition, record.offset) for record in records}
        return found


# --- a topic that was made again ------------------------------------------------------------------------------------


def test_a_topic_that_was_made_again_is_loaded_again_and_every_row_is_equal(drill: Drill) -> None:
    """snowflake-kafka-connector 690 and redpanda-data/docs PR 805: of a topic made again nothing is loaded, without a
    word, for the sink remembers offsets of before; the advice is to drop the table.

    Right: told; the form copies what there was, loads it from the start, reads the table again, and no row differs.
    """
    from kafka import KafkaAdminClient

    table, topics = S1.table("customers"), f"{S1.connector}/topics"
    at_the_end(drill)
    merge(drill, "customers")
    assert differences(drill, S1, "customers") == (set(), set())
    drill.stop(S1)
    drill.stack.stop("loader")
    drill.sql(S1, "UPDATE customers SET city = 'lost' WHERE id % 3 = 0")
    drill.retry_on_rebalance(lambda c: c.resume(S1.connector))
    drill.settled()
    drill.until(lambda: drill.run().facts.behind(), 60, "what will be lost is in Kafka")
    drill.stop(S1)
    with closing(KafkaAdminClient(**arguments(drill.look_up("kafka")))) as admin:
        admin.delete_topics([S1.topic(table)])
    gone = drill.run()
    assert drill.state(gone, topics) == State.TOPIC_REPLACED
    drill.stack.start("loader")
    drill.retry_on_rebalance(lambda c: c.resume(S1.connector))
    drill.settled()
    drill.sql(S1, "UPDATE customers SET country = 'XX'")
    drill.until(lambda: S1.topic(table) in drill.run().facts.topics, 60, "Debezium makes it again")  # type: ignore[operator]
    report = drill.run(after=RUN)
    assert drill.state(report, topics) == State.TOPIC_REPLACED
    assert f"{S1.topic(table)} (id" in sentence(report, topics)

    systems = Systems(drill.look_up)
    assert any("copy RAW.APPLICATION.S1_CUSTOMERS to" in step for step in topic_repair.plan(systems, S1, table))
    assert "The loader goes on" in topic_repair.go_on(systems, S1, table, reason="a drill")
    resnapshot(drill, S1, "customers", "drill-made-again")
    drill.until(lambda: drill.state(drill.run(), topics) == State.HEALTHY, 60, "the topic is loaded")
    merge(drill, "customers")
    for shard in (S0, S1):
        assert differences(drill, shard, "customers") == (set(), set())


# --- a type that changed --------------------------------------------------------------------------------------------


def test_a_table_whose_type_changed_is_read_again_and_its_models_built_from_scratch(
    drill: Drill,
) -> None:
    """rocicorp/mono PR 6612: `ALTER COLUMN … TYPE … USING` rewrites every row, and logical decoding sends none of them:
    the replica kept the old values for ever. airbyte 80920: likewise, until somebody asked for a full refresh.

    Right: told at once; declared, read again and built from scratch by the one form, every row has its new value.
    """
    tables = f"{S1.connector}/tables"
    at_the_end(drill)
    merge(drill, "users")
    changed = "ALTER TABLE users ALTER is_active DROP DEFAULT, ALTER is_active TYPE {} USING {}"
    for shard in (S0, S1):
        drill.sql(shard, changed.format("text", "CASE WHEN is_active THEN 'yes' ELSE 'no' END"))
        drill.sql(shard, "UPDATE users SET is_active = 'maybe' WHERE id % 7 = 0")
    try:
        report = drill.run()
        assert drill.state(report, tables) == State.TYPE_CHANGED
        assert "is text, declared as boolean" in sentence(report, tables)
        assert "cdc_resnapshot" in sentence(report, tables)
        at_the_end(drill)
        merge(drill, "users")
        stale = (
            "SELECT COUNT(*) FROM ANALYTICS.STAGING.STG_APPLICATION__USERS WHERE IS_ACTIVE IS NULL AND _SPECIAL IS NULL"
        )
        assert asked(drill, stale) == [(0,)]  # what does not fit is in _special

        declared = with_type("users", "is_active", "text")
        deployed = check(declared, drill.look_up, drill.memory, "deployed", clock=lambda: drill.clock + RUN)
        assert deployed.decision.state(tables) == State.HEALTHY
        for shard in (S0, S1):
            resnapshot(drill, shard, "users", f"drill-type-{shard.name}")
        merge(drill, "users", declared, "--full-refresh")
        for shard in (S0, S1):
            assert differences(drill, shard, "users") == (set(), set())
    finally:
        for shard in (S0, S1):
            drill.sql(shard, changed.format("boolean", "is_active = 'yes'"))
    assert drill.state(drill.run(after=2 * RUN), tables) == State.HEALTHY


def with_type(table: str, column: str, kind: str) -> Application:
    """The declaration as whoever follows the page changes it."""
    declared = application()
    database = declared.database("application")
    tables = tuple(
        replace(t, columns=MappingProxyType({**t.columns, column: kind})) if t.name == table else t
        for t in database.tables
    )
    database = replace(database, tables=tables)
    return replace(declared, shards=tuple(replace(shard, of=database) for shard in declared.shards))


# --- a row that no broker takes -------------------------------------------------------------------------------------


def test_a_row_that_no_broker_takes_is_set_aside_with_its_key_also_when_it_is_read_again(
    drill: Drill,
) -> None:
    """airbyte 34887 (rows over the limit: the key is kept, the rest is NULL and noted) and debezium PR 7459 (a record
    over the brokers' limit fails the task; columns are cut, and nothing says which). Kafka's `errors.tolerance` skips
    no such record where Connect writes exactly once.

    Right: it is cut so that it passes, and never taken for the whole: the loader sets it aside with its key.
    """
    merge(drill, "events")
    ((id_,),) = drill.sql(
        S1, "UPDATE events SET body = repeat('x', 90000000) WHERE id = (SELECT min(id) FROM events) RETURNING id"
    )
    drill.sql(S1, "UPDATE users SET title = 'after the row'")
    after = "SELECT COUNT(*) FROM RAW.APPLICATION.S1_USERS WHERE RECORD_CONTENT:after.title = 'after the row'"
    drill.until(lambda: asked(drill, after)[0][0] > 0, 240, "what comes after it is in raw")
    assert drill.state(drill.run(), S1) == State.HEALTHY
    assert set_aside(drill, id_) == 1
    resnapshot(drill, S1, "events", "drill-large")
    assert drill.tasks(S1) == ["RUNNING"]
    assert set_aside(drill, id_) == 2

    merge(drill, "events")
    row = f"FROM ANALYTICS.STAGING.STG_APPLICATION__EVENTS WHERE _SHARD = 's1' AND ID = {id_}"
    assert asked(drill, f"SELECT BODY, _UNRESOLVED IS NOT NULL, _REJECTED_OFFSET IS NOT NULL {row}") == [
        (None, True, True)
    ]
    drill.sql(S1, "UPDATE events SET body = 'short' WHERE id = %s", id_)
    drill.until(lambda: not drill.run().facts.behind(), 60, "the loader is at the end")
    merge(drill, "events")
    assert differences(drill, S1, "events") == (set(), set())


def set_aside(drill: Drill, id_: int) -> int:
    """How many records of that key the loader set aside for their size."""
    rows = asked(
        drill,
        "SELECT COUNT(*) FROM RAW.APPLICATION.S1_EVENTS WHERE RECORD_METADATA:rejected::VARCHAR LIKE '%16000000%' "
        f"AND RECORD_METADATA:key.id::NUMBER = {id_}",
    )
    return int(rows[0][0])


# --- a snapshot of the other kind -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["blocking", "BLOCKING", "initial_blocking"])
def test_a_blocking_snapshot_can_not_be_asked_for(drill: Drill, kind: str) -> None:
    """Popsink/debezium-connector-ibmi 27 (streaming stood for good, heartbeats went on), DBZ-9055 (streaming did not
    go on after it), DBZ-7903 (a restart lost it); and what it has read is sent again by the stream, as newer.

    Right: refused where it is asked for, in a word that says what to do.
    """
    data = f'{{"data-collections": ["public.users"], "type" : "{kind}"}}'
    with pytest.raises(psycopg2.errors.CheckViolation, match="snapshots_must_be_incremental_not_blocking"):
        drill.sql(S1, "INSERT INTO cdc.signals VALUES ('blocking', 'execute-snapshot', %s)", data)
    assert drill.sql(S1, "SELECT count(*) FROM cdc.signals WHERE id = 'blocking'") == [(0,)]
