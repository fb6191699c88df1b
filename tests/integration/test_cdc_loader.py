"""The loader, replay and audit on a real Kafka and the local warehouse, killed and frozen meanwhile."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from sqlglot import exp

from catchment.cdc.declared import application
from catchment.cdc.loader import audit, replay, tables
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import Kafka
from catchment.cdc.loader.ranges import ReplayRequest
from catchment.cdc.loader.warehouse import LoaderWarehouse
from catchment.cdc.loader.write import Target
from catchment.cdc.repair import topic as topic_repair
from catchment.cdc.systems import Systems
from catchment.connection import Connection
from catchment.errors import NeedsPerson
from catchment.warehouse.names import WATERMARKS
from local.cdc.stack import Stack, free_ports

TARGETS = tables.targets(application())
USERS, ACCOUNTS, EVENTS, INVOICES = (
    TARGETS[f"s0.public.{name}"] for name in ("users", "accounts", "events", "invoices")
)
WAIT = 90.0  # seconds; the machine may be busy
ROOT = Path(__file__).parents[2]
PARTS = ("s3", "warehouse", "kafka", "loader")


@dataclass
class Bed:
    """The running parts, what was committed to Kafka, and a session of the warehouse."""

    stack: Stack
    committed: dict[str, dict[tuple[int, int], bytes | None]] = field(default_factory=dict)

    def connection(self, name: str) -> Connection:
        return Connection.from_env(name, self.stack.environment())

    def kafka(self) -> Any:
        return closing(Kafka(self.connection("kafka")))

    def warehouse(self, name: str = "test") -> Any:
        return closing(LoaderWarehouse.open(self.connection("snowflake_default"), name))

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.warehouse() as warehouse, warehouse.transaction("ask") as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def make(self, *targets: Target, partitions: int = 3) -> None:
        with closing(self.admin()) as admin:
            admin.create_topics([NewTopic(t.topic, num_partitions=partitions, replication_factor=1) for t in targets])

    def admin(self) -> Any:
        return KafkaAdminClient(bootstrap_servers=self.broker)

    @property
    def broker(self) -> str:
        return f"127.0.0.1:{self.stack.settings.ports.kafka}"

    def produce(self, target: Target, *values: bytes | None, key: bytes = b'{"id":1}', partition: int = 0) -> list[int]:
        with closing(KafkaProducer(bootstrap_servers=self.broker, acks="all")) as producer:
            sent = [producer.send(target.topic, value=v, key=key, partition=partition) for v in values]
            offsets = [future.get(30).offset for future in sent]
        known = self.committed.setdefault(target.topic, {})
        known.update({(partition, o): v for o, v in zip(offsets, values, strict=True)})
        return offsets

    def in_raw(self, target: Target) -> list[tuple[int, int]]:
        rows = self.sql(f"SELECT KAFKA_PARTITION, KAFKA_OFFSET FROM {target.table} ORDER BY 1, 2")
        return [(int(p), int(o)) for p, o in rows]

    def is_loaded(self, target: Target) -> bool:
        return set(self.in_raw(target)) >= set(self.committed[target.topic])

    def wait(self, condition: Callable[[], bool], seconds: float = WAIT) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.stack.log_file("loader").read_text()[-3000:]
            time.sleep(0.2)


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    with Stack(tmp_path_factory.mktemp("loader"), free_ports(), parts=PARTS) as stack:
        yield Bed(stack)


def test_records_arrive_as_they_are(bed: Bed) -> None:
    values = (
        b'{"op":"c","after":{"id":123456789012345678901234567890123456,"price":"1.10","x":1e-7}}',
        '{"op":"c","after":{"t":"\\u0000 \\ud83d\\ude00 é 😀 \\"quoted\\" it\'s \\\\ $1 ?"}}'.encode(),
        b'{\n  "pretty": [1,\n 2]\n}',
        None,
        b"null",
    )
    bed.make(USERS)
    offsets = bed.produce(USERS, *values)
    (poison,) = bed.produce(USERS, b"\x00\x01 not json \xff")
    bed.committed[USERS.topic].pop((0, poison))
    bed.wait(lambda: bed.is_loaded(USERS))
    bed.wait(lambda: bool(bed.sql("SELECT 1 FROM RAW.CATCHMENT.REJECTS WHERE STREAM = 's0.users'")))
    rows = bed.sql(f"SELECT RECORD_CONTENT, RECORD_METADATA FROM {USERS.table} ORDER BY KAFKA_OFFSET")
    contents = [content for content, _ in rows]
    assert contents[0] == values[0].decode()
    assert json.loads(contents[1]) == json.loads(values[1])
    assert json.loads(contents[2]) == {"pretty": [1, 2]}
    assert contents[3:] == [None, "null", None]
    assert [bool(json.loads(metadata).get("rejected")) for _, metadata in rows] == [False] * 5 + [True]
    metadata = json.loads(rows[0][1])
    assert metadata.pop("CreateTime") > 1_700_000_000_000
    assert metadata == {"topic": USERS.topic, "partition": 0, "offset": offsets[0], "key": {"id": 1}}
    ((file, number, reason, record),) = bed.sql(
        "SELECT FILE, ROW_NUMBER, REASON, RECORD FROM RAW.CATCHMENT.REJECTS WHERE STREAM = 's0.users'"
    )
    assert (file, int(number)) == (f"kafka://{USERS.topic}/0", poison)
    assert reason.startswith("is not UTF-8")
    assert "not json" in record


@dataclass
class Writer:
    """A process that commits transactions all the time, and can be killed (`tests/support/transactions.py`)."""

    bed: Bed
    targets: tuple[Target, ...]
    known: Path
    started: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.started += 1
        arguments = (self.bed.broker, self.known, self.started, *(target.topic for target in self.targets))
        command = [sys.executable, "-m", "tests.support.transactions", *map(str, arguments)]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def commits(self) -> int:
        """How many transactions are known to be committed; the file's last line may be half written."""
        return len(self.known.read_bytes().splitlines()) if self.known.exists() else 0

    def remember(self) -> None:
        """Tell the bed what is in Kafka. A commit that was not answered before a kill may be there as well."""
        for line in self.known.read_text(encoding="utf-8").splitlines(keepends=True):
            for topic, partition, offset, value in json.loads(line) if line.endswith("\n") else ():
                self.bed.committed[topic][partition, offset] = value.encode()


def test_nothing_is_lost_or_doubled_while_everything_is_killed(bed: Bed, tmp_path: Path) -> None:
    bed.make(ACCOUNTS, EVENTS)
    bed.committed.update({ACCOUNTS.topic: {}, EVENTS.topic: {}})
    writer = Writer(bed, (ACCOUNTS, EVENTS), tmp_path / "committed.jsonl")
    chance = random.Random(2)
    writer.start()
    try:
        for fault in ("loader", "warehouse", "writer", "loader", "freeze", "loader", "kafka", "loader"):
            before = writer.commits()
            bed.wait(lambda before=before: writer.commits() > before)
            time.sleep(chance.uniform(1.5, 3))
            if fault == "freeze":
                bed.stack.freeze("warehouse")
                time.sleep(3)
                bed.stack.thaw("warehouse")
                continue
            if fault != "writer":
                bed.stack.kill(fault)
                time.sleep(0.3)
                bed.stack.start(fault)
            if fault in ("writer", "kafka"):  # kafka-python's producer may wait for ever for a broker that was killed
                writer.kill()
                writer.start()
    finally:
        writer.kill()
    writer.remember()
    for target in (ACCOUNTS, EVENTS):
        bed.produce(target, b'{"last":true}', partition=0)
        bed.wait(lambda target=target: bed.is_loaded(target))
        time.sleep(1)
        found = bed.in_raw(target)
        assert len(found) == len(set(found))
        with bed.kafka() as kafka, bed.warehouse("audit") as warehouse:
            audited = audit.audit([target], kafka, warehouse)
        assert audited.bad == ()
        assert len(bed.committed[target.topic]) > 1000
        contents = bed.sql(f"SELECT KAFKA_PARTITION, KAFKA_OFFSET, RECORD_CONTENT FROM {target.table}")
        loaded = {(int(p), int(o)): json.loads(content) for p, o, content in contents}
        sent = {place: json.loads(value or b"") for place, value in bed.committed[target.topic].items()}
        assert {place for place, value in sent.items() if loaded[place] != value} == set()


def test_an_audit_finds_what_a_replay_fixes(bed: Bed) -> None:
    bed.make(INVOICES)
    offsets = bed.produce(INVOICES, *(b'{"n":%d}' % n for n in range(40)))
    bed.wait(lambda: bed.is_loaded(INVOICES))
    partition = Partition(INVOICES.topic, 0)
    with bed.kafka() as kafka, bed.warehouse("audit") as warehouse:
        assert audit.audit([INVOICES], kafka, warehouse).bad == ()
        with warehouse.transaction("break") as cursor:
            cursor.execute(
                f"INSERT INTO {WATERMARKS} (MODEL, TOPIC, KAFKA_PARTITION, NEXT_OFFSET, UPDATED_AT) "
                f"SELECT 'stg', '{INVOICES.topic}', 0, 40, '2026-01-01'::TIMESTAMP_NTZ"
            )
            cursor.execute(f"DELETE FROM {INVOICES.table} WHERE KAFKA_OFFSET BETWEEN 5 AND 9")
            cursor.execute(f"INSERT INTO {INVOICES.table} SELECT * FROM {INVOICES.table} WHERE KAFKA_OFFSET = 20")
            # One row as Snowflake's own sink writes it: without the typed columns.
            cursor.execute(
                f"UPDATE {INVOICES.table} SET KAFKA_PARTITION = NULL, KAFKA_OFFSET = NULL WHERE KAFKA_OFFSET = 30"
            )
        ledger = warehouse.ledger()[partition]
        bad = audit.audit([INVOICES], kafka, warehouse).bad
        assert [(f.kind, f.start, f.end, f.records) for f in bad] == [("gap", 5, 9, 5), ("duplicate", 20, 20, 1)]
        found = replay.plan(
            ReplayRequest(topic=INVOICES.topic, partitions=(0,), from_offset=bad[0].start, to_offset=bad[1].end),
            INVOICES,
            kafka,
            warehouse,
        )
        done = [replay.replay(r, INVOICES, kafka, warehouse, lambda _: None) for r in found]
        assert [(d.before, d.after, d.rejected) for d in done] == [(12, 16, 0)]
        assert bed.sql(f"SELECT NEXT_OFFSET FROM {WATERMARKS} WHERE TOPIC = '{INVOICES.topic}'") == [(5,)]
        assert audit.audit([INVOICES], kafka, warehouse).bad == ()
        (again,) = replay.plan(
            ReplayRequest(topic=INVOICES.topic, partitions=(0,), from_time=datetime.now(UTC) - timedelta(hours=1)),
            INVOICES,
            kafka,
            warehouse,
        )
        everything = replay.replay(again, INVOICES, kafka, warehouse, lambda _: None)
        assert (everything.before, everything.after) == (len(offsets), len(offsets))
        assert audit.audit([INVOICES], kafka, warehouse, full=True).bad == ()
        assert warehouse.ledger()[partition].next_offset >= ledger.next_offset
        with pytest.raises(NeedsPerson, match="loaded up to offset"):
            replay.plan(
                ReplayRequest(topic=INVOICES.topic, partitions=(0,), from_offset=5000, to_offset=6000),
                INVOICES,
                kafka,
                warehouse,
            )


def test_two_loaders_double_nothing(bed: Bed) -> None:
    environment = {**bed.stack.environment(), "CATCHMENT_CDC_NAME": "another", "PYTHONPATH": ".:plugins"}
    environment.pop("CATCHMENT_CDC_STATUS", None)
    another = subprocess.Popen([sys.executable, "-m", "catchment", "cdc-load"], env=environment, cwd=ROOT)
    try:
        for n in range(20):
            bed.produce(INVOICES, *(b'{"round":%d}' % n for _ in range(20)), partition=n % 3)
            time.sleep(0.2)
        bed.wait(lambda: bed.is_loaded(INVOICES))
        bed.stack.kill("loader")
        bed.produce(INVOICES, b'{"with":"one loader left"}')
        bed.wait(lambda: bed.is_loaded(INVOICES))
        bed.stack.start("loader")
    finally:
        another.send_signal(signal.SIGTERM)
        assert another.wait(30) == 0
    time.sleep(1)
    assert len(bed.in_raw(INVOICES)) == len(set(bed.in_raw(INVOICES))) == len(bed.committed[INVOICES.topic])


def test_a_topic_that_is_made_again_stops_and_the_others_go_on(bed: Bed) -> None:
    before = bed.in_raw(USERS)
    with closing(bed.admin()) as admin:
        admin.delete_topics([USERS.topic])
        time.sleep(1)
    bed.make(USERS)
    bed.produce(USERS, *(b"{}" for _ in range(30)))
    bed.produce(INVOICES, b'{"goes":"on"}')
    bed.wait(lambda: bed.is_loaded(INVOICES))
    status = bed.stack.settings.run / "loader.json"
    bed.wait(lambda: USERS.topic in json.loads(status.read_text())["stopped"])
    assert "made again" in json.loads(status.read_text())["stopped"][USERS.topic]
    assert bed.in_raw(USERS) == before

    shard = application().shard("s0")
    said = topic_repair.go_on(Systems(bed.connection), shard, shard.table("users"), reason="a drill")
    assert "The loader goes on" in said

    bed.wait(lambda: len(bed.in_raw(USERS)) == 30)
    assert bed.sql(f"SELECT MAX(EPOCH), COUNT(*) FROM RAW.CATCHMENT.EPOCHS WHERE TOPIC = '{USERS.topic}'") == [(1, 3)]


def test_a_loader_that_is_told_to_stop_loads_what_it_has_and_ends_well(bed: Bed) -> None:
    pid = bed.stack.pid("loader")
    bed.produce(INVOICES, *(b'{"n":%d}' % n for n in range(100)))
    os.kill(pid, signal.SIGTERM)
    bed.wait(lambda: not bed.stack.is_up("loader"))
    assert "ended:" in bed.stack.log_file("loader").read_text()
    bed.stack.stop("loader")
    bed.stack.start("loader")
    bed.wait(lambda: bed.is_loaded(INVOICES))
    found = bed.in_raw(INVOICES)
    assert len(found) == len(set(found))


def test_every_statement_of_loader_replay_and_audit_parses_as_snowflake(bed: Bed) -> None:
    history = bed.sql(
        "SELECT DISTINCT QUERY_TEXT FROM TABLE(RAW.INFORMATION_SCHEMA.QUERY_HISTORY()) WHERE QUERY_TAG LIKE '%loader%'"
    )
    sent = [text for (text,) in history if not text.upper().startswith(("BEGIN NAME ", "SHOW TRANSACTIONS"))]
    assert {text.split(maxsplit=1)[0].upper() for text in sent} >= {"MERGE", "INSERT", "SELECT", "DELETE", "UPDATE"}
    for text in sent:
        (statement,) = sqlglot.parse(text, dialect="snowflake")
        assert statement is not None, text
        assert not isinstance(statement, exp.Command), text
