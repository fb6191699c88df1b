"""Record what Debezium writes to Kafka for a few changes of each kind: `python -m tests.dbt.cdc.record`.

`recorded/debezium.jsonl` is its output, made on the project's own parts. Run it again when Debezium's version or the
connectors' settings change; the test that reads it compares two ways into the warehouse, so any records will do.
"""

from __future__ import annotations

import base64
import json
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg2
from kafka import KafkaConsumer, TopicPartition

from local.cdc import shards
from local.cdc.stack import Stack, free_ports

RECORDED = Path(__file__).with_name("recorded") / "debezium.jsonl"
TABLES = ("accounts", "users", "customers", "activities", "events")
SECONDS = 90

BEFORE = (
    "SELECT ensure_activity_partitions(current_date, current_date + 1)",
    """INSERT INTO accounts VALUES (1, 'a1', 'Zoë “quoted” \\ 😀', 'active', 12345678901234.5678,
        '{"b": 1e2, "a": [null]}', repeat('long', 3000), '{1,NULL,-2147483648}',
        '2026-11-20 01:02:03.123456+02', '2026-11-20 01:02:03.123456')""",
    "INSERT INTO customers (id, account_id, external_id, born, health_score) VALUES (1, 1, 'c1', 'infinity', 'NaN')",
)
AFTER = (
    """INSERT INTO accounts
        VALUES (2, 'a2', E'line\\nbreak\\ttab\\u0001', 'trial', 0.1000, 'null', '', '{}', now(), now())""",
    "UPDATE accounts SET name = 'the long notes stay' WHERE id = 1",
    "UPDATE accounts SET id = 3 WHERE id = 1",
    "DELETE FROM accounts WHERE id = 2",
    """INSERT INTO users (id, account_id, email, avatar, preferences, last_seen_at)
        VALUES (9007199254740993, 1, 'Ada@example.com ', '\\x00ff', '{"n": 12345678901234567890123}', '-infinity')""",
    """INSERT INTO customers (id, account_id, external_id, born, health_score, tags, profile, biography)
        VALUES (2, 1, 'c2', '0044-03-15 BC', 1.7976931348623157e308, '{1,2}', '{"__proto__": {}}',
            repeat('é', 5000))""",
    "UPDATE customers SET city = 'Köln', health_score = '-Infinity' WHERE id = 2",
    "UPDATE customers SET health_score = 0.1 WHERE id = 1",
    "DELETE FROM customers WHERE id = 1",
    """INSERT INTO activities (id, account_id, kind, amount, payload)
        VALUES (1, 1, 'call', 'NaN', '"text"'), (2, 1, 'mail', -0.0001, '1.10')""",
    "DELETE FROM activities WHERE id = 2",
    "INSERT INTO events (account_id, name, body) VALUES (1, 'gone soon', 'x')",
    "TRUNCATE events",
    """INSERT INTO events (account_id, name, properties, duration_ms)
        VALUES (1, 'after it', '{"a": {"b": [1, "2"]}}', 1e-7)""",
)


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="record-") as folder,
        Stack(Path(folder), free_ports(), rows=False) as stack,
    ):
        connection = psycopg2.connect(shards.cluster(stack.settings, stack.credentials, "s0").dsn(shards.DATABASE))
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in BEFORE:
                cursor.execute(statement)
            stack.apply_connectors()
            _read(stack, lambda found: any(r["topic"] == "s0.public.customers" for r in found))
            for statement in AFTER:
                cursor.execute(statement)
        connection.close()
        found = _read(stack, lambda found: any(b"after it" in base64.b64decode(r["value"] or "") for r in found))
    RECORDED.parent.mkdir(exist_ok=True)
    RECORDED.write_text("".join(json.dumps(record) + "\n" for record in found))
    print(f"{len(found)} records in {RECORDED}")


def _read(stack: Stack, enough: Any) -> list[dict[str, Any]]:
    """All records of the tables' topics, once they are enough, by topic, partition and offset."""
    topics = {f"s0.public.{table}" for table in TABLES}
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        consumer = KafkaConsumer(
            bootstrap_servers=f"127.0.0.1:{stack.settings.ports.kafka}",
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        consumer.assign([TopicPartition(topic, n) for topic in topics & consumer.topics() for n in range(3)])
        found: list[dict[str, Any]] = []
        while batches := consumer.poll(3000) if consumer.assignment() else {}:
            found += [_as_text(record) for records in batches.values() for record in records]
        consumer.close()
        if enough(found):
            return sorted(found, key=lambda r: (r["topic"], r["partition"], r["offset"]))
    raise SystemExit(f"the records did not come within {SECONDS} s")


def _as_text(record: Any) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": _base64(record.key),
        "value": _base64(record.value),
        "headers": [[name, _base64(value)] for name, value in _pairs(record.headers)],
    }


def _pairs(headers: Iterable[tuple[str, bytes]] | None) -> Iterable[tuple[str, bytes]]:
    return headers or ()


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


if __name__ == "__main__":
    main()
