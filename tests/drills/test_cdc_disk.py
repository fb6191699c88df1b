"""A shard whose disk is full, on a disk of its own: said before its heartbeats stop, which need no new page.

Debezium's docs on WAL disk space (DBZ-892) and Altinity/clickhouse-sink-connector 246: a slot that nobody reads fills
the disk, and the connector says that it runs. DBZ-2617: a heartbeat that failed was no failure. Right: `disk_full` in
the first run after a write is refused, while the database still answers; well again in the first run with room.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from catchment.cdc.health.gather_shard import shard_facts
from catchment.cdc.health.policy import State
from catchment.connection import Connection
from local.cdc.stack import Stack, free_ports
from tests.support.cdc_health import Watch, slot, well
from tests.support.drill import S1, Drill


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    """A stack whose shards are on a small disk."""
    disk = tmp_path / "shards"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        with Stack(tmp_path, free_ports(), parts=("shard_s1",), scale=0.02) as stack:
            yield Drill(stack)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_told_while_the_database_still_answers(drill: Drill) -> None:
    """Reports of slots that filled a disk: the application's inserts failed for hours before anybody was told why."""
    assert seen(drill) == State.HEALTHY
    blob = drill.stack.settings.var / "shards" / "blob"
    with blob.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 65_536):
            pass
    with pytest.raises(psycopg2.Error, match="No space left on device"):
        drill.sql(S1, "CREATE TABLE internal.more AS SELECT repeat(md5(g::text), 9) FROM generate_series(1, 9000) g")
    assert seen(drill) == State.DISK_FULL
    blob.unlink()
    assert seen(drill) == State.HEALTHY


def seen(drill: Drill) -> State:
    """By what the database says; no connector runs here, so slot and heartbeat are as if one did."""
    connection = Connection.from_env(S1.connection, drill.stack.environment())
    found = replace(shard_facts(S1, connection), heartbeat=3.0, slot=slot())
    return Watch().see(well(shards={**well().shards, "s1": found})).state(S1.connector)
