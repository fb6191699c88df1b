"""Damage to what remembers progress: dbt's watermarks and the loader's ledger, moved past what was never merged."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.chaos_cdc.settling import SETTLE_SECONDS, settle
from bench.check_reconcile.bed import Bed, Outcome, judged
from bench.check_reconcile.damages import Damage
from catchment.cdc import pipeline
from catchment.cdc import shard as database
from catchment.cdc.declared import Table
from catchment.warehouse.names import KAFKA_OFFSET, KAFKA_PARTITION, OFFSETS, WATERMARKS
from local.cdc.stack import Stack

KIND = "progress past what was merged"

# Rows that go the whole way: what Debezium, the loader and dbt make of edge values must compare equal.
ODD = """
INSERT INTO accounts (id, external_id, name, balance, settings, notes, feature_flags, created_at, updated_at) VALUES
    (-5, 'x''\\"1', 'Größe ✨ 中文 💶', 'NaN', '{"bb": 1.50, "a": {"z": [1.0, 2.00, "x, {y}"], "k": "1.50"}, "c": 1e3}',
        '', '{}', 'infinity', '-infinity'),
    (-4, '', E'line\\nbreak\\ttab', 12345678901234.5678, 'null', NULL, '{1,NULL,-3}',
        '0001-01-01 00:00:00+00', 'infinity'),
    (-3, '1:x', 'n  ', -0.0001, '"text with \\\\ and \\" in it"', repeat('ü', 9000), NULL,
        '2026-11-23 12:00:00.123456+05', '9999-12-31 23:59:59.999999'),
    (-2, '-', '-', 0, '[]', '-', '{2147483647}', '0044-03-15 00:00:00+00 BC', '20222-03-01 00:00:00.5'),
    (-1, 'e', 'e', 0, '{"n": 12345678901234567890}', NULL, NULL, '1582-10-10 00:00:00+00', '0001-03-15 00:00:00 BC');
INSERT INTO users (id, account_id, email, is_active, preferences, avatar, public_id) VALUES
    (-2, 1, 'odd@x', false, '{}', '\\x00ff10', '00000000-0000-0000-0000-000000000001'),
    (-1, 1, 'none@x', true, NULL, '', 'ffffffff-ffff-ffff-ffff-ffffffffffff');
INSERT INTO customers (id, account_id, external_id, born, health_score, tags) VALUES
    (-12, 1, 'bc', '0044-03-15 BC', 5e-324, '{}'), (-11, 1, 'far', '20222-03-01', 1.7976931348623157e308, NULL),
    (-10, 1, 'old', '1582-10-10', 2.2250738585072014e-308, NULL),
    (-9, 1, 'nan', '0001-01-01', 'NaN', '{}'), (-8, 1, 'inf', '9999-12-31', 'Infinity', NULL),
    (-7, 1, '-inf', 'infinity', '-Infinity', NULL), (-6, 1, 'tiny', NULL, 1e-12, NULL),
    (-5, 1, 'huge', NULL, -1.5e22, NULL), (-4, 1, 'third', NULL, 1 / 3.0::float8, NULL),
    (-3, 1, 'zero', NULL, -0.0, NULL);
"""


def progress(bed: Bed, stack: Stack) -> Iterator[Outcome]:
    """Changes that nobody merges, and a ledger that says they were. Not undone: these come last."""
    users, customers = bed.shard.table("users"), bed.shard.table("customers")
    with bed.systems.owner(bed.shard) as owner:
        database.rows(owner, "UPDATE customers SET city = 'Nowhere' WHERE id = -9")
    settle(bed.systems, bed.application, lambda _: None)
    with bed.systems.warehouse() as session:
        session.cursor().execute(
            f"UPDATE {WATERMARKS} AS w SET NEXT_OFFSET = r.newest "
            f"FROM (SELECT {KAFKA_PARTITION} AS part, MAX({KAFKA_OFFSET}) + 1 AS newest "
            f"FROM {bed.shard.raw_table(customers)} GROUP BY 1) AS r "
            f"WHERE w.TOPIC = '{bed.shard.topic(customers)}' AND w.KAFKA_PARTITION = r.part"
        )
    yield from _compared(bed, customers, "dbt's watermark", "-9")
    stack.stop("loader")
    with bed.systems.owner(bed.shard) as owner:
        database.rows(owner, "UPDATE users SET title = 'lost' WHERE id = -2")
        wanted = pipeline.lsn_now(owner)
        deadline = time.monotonic() + SETTLE_SECONDS
        while (pipeline.captured(owner, bed.shard) or 0) < wanted and time.monotonic() < deadline:
            time.sleep(0.5)
    ends = pipeline.ends(bed.systems.look_up("kafka"), [bed.shard.topic(table) for table in bed.shard.tables])
    with bed.systems.warehouse() as session:
        for partition, end in ends.items():
            session.cursor().execute(
                f"UPDATE {OFFSETS} SET NEXT_OFFSET = {end} WHERE TOPIC = '{partition.topic}' "
                f"AND KAFKA_PARTITION = {partition.number}"
            )
    yield from _compared(bed, users, "the loader's ledger", "-2")


def _compared(bed: Bed, table: Table, what: str, key: str) -> Iterator[Outcome]:
    damage = Damage(KIND, what, (), frozenset({(key,)}))
    (result,) = bed.compared(bed.shard, [table])
    yield from judged([damage], result)
