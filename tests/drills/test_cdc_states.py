"""States that were decided by facts alone, provoked on the real parts, each cured as its page says.

docs/runbooks/cdc_connector_health.md says of every state which test provokes it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from catchment.cdc.declared import application
from catchment.cdc.health.check import check
from catchment.cdc.health.policy import State
from catchment.cdc.setup import migrate
from local.cdc import shards
from tests.support.drill import POLICY, RUN, S0, S1, Drill, sentence, streaming

pytestmark = pytest.mark.timeout(900)
TABLES, SNAPSHOTS = f"{S1.connector}/tables", f"{S1.connector}/snapshots"


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """A stack whose slots may hold little WAL back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(shards.OPTIONS, "max_slot_wal_keep_size", "96MB")
        with streaming(tmp_path_factory.mktemp("stack")) as drill:
            yield drill


def well(drill: Drill, subject: str) -> None:
    drill.until(lambda: drill.state(drill.run(), subject) == State.HEALTHY, 90, f"{subject} is well again")


def test_a_table_that_left_the_publication_is_unpublished_until_a_migration(drill: Drill) -> None:
    """PeerDB 2799: tables beside the publication were mirrored, and nothing of them came."""
    drill.sql(S1, f"ALTER PUBLICATION {S1.of.publication} DROP TABLE users")
    reports = [drill.run(), drill.run()]
    assert [drill.state(report, S1.connector) for report in reports] == [State.UNPUBLISHED] * 2
    assert "public.users" in sentence(reports[-1], S1.connector)
    assert [alert.subject for alert in reports[-1].decision.alerts] == [S1.connector]
    migrate.migrate(S1.of, drill.look_up(S1.owner_connection), drill.look_up(S1.connection))
    well(drill, S1.connector)


def test_row_security_and_a_lost_grant_are_a_changed_table(drill: Drill) -> None:
    """Postgres' docs, "Row Security Policies": whoever is under a policy misses rows, and is told nothing."""
    drill.sql(S1, "ALTER TABLE users ENABLE ROW LEVEL SECURITY")
    secured = drill.run()
    drill.sql(S1, "ALTER TABLE users DISABLE ROW LEVEL SECURITY")
    assert drill.state(secured, TABLES) == State.TABLE_CHANGED
    assert "would miss rows" in sentence(secured, TABLES)
    well(drill, TABLES)


def test_a_snapshot_that_can_not_be_counted_is_said_at_the_second_try(drill: Drill) -> None:
    """By reading: a count that failed left its snapshot pending for ever, and nobody knew whether rows were missing."""
    drill.clock = datetime.now(UTC)
    drill.run(after=timedelta(0))
    time.sleep(1)
    asked = '{"data-collections": ["public.users"], "type": "incremental"}'
    drill.sql(S1, "INSERT INTO cdc.signals VALUES ('uncounted', 'execute-snapshot', %s)", asked)
    drill.run(after=datetime.now(UTC) - drill.clock)
    time.sleep(25)  # it is over, and old enough to be counted
    drill.sql(S1, "REVOKE SELECT ON users FROM cdc")
    try:
        for _ in range(2):
            drill.run(after=datetime.now(UTC) - drill.clock)
            assert any("not counted" in line for line in drill.count())
        report = drill.run(after=RUN)
    finally:
        drill.sql(S1, "GRANT SELECT ON users TO cdc")
    assert drill.state(report, SNAPSHOTS) == State.SNAPSHOT_UNCOUNTED
    assert drill.state(report, TABLES) == State.TABLE_CHANGED
    assert "may not read it" in sentence(report, TABLES)
    drill.count()
    well(drill, SNAPSHOTS)


def test_a_connector_that_nobody_declares_is_named_and_left_alone(drill: Drill) -> None:
    less = replace(application(), shards=(S1,))
    report = check(less, drill.look_up, drill.memory, "less", policy=POLICY, clock=lambda: drill.clock + RUN)
    assert report.decision.state(S0.connector) == State.UNDECLARED
    assert [a for a in report.decision.actions if a.subject == S0.connector] == []
    assert drill.tasks(S0) == ["RUNNING"]
    well(drill, S0.connector)


def test_a_warehouse_that_is_down_blinds_nothing_and_is_well_when_it_is_back(drill: Drill) -> None:
    """A count or a record that the warehouse refused ended the run of before: nothing was restarted meanwhile."""
    drill.run()
    drill.stack.kill("warehouse")
    try:
        reports = [drill.run() for _ in range(4)]
        assert [drill.state(report, "warehouse") for report in reports] == [State.WAREHOUSE_DOWN] * 4
        assert [alert.subject for report in reports for alert in report.decision.alerts] == ["warehouse"]
        assert drill.state(reports[-1], S1.connector) == State.HEALTHY
    finally:
        drill.stack.start("warehouse")
    well(drill, "warehouse")
    drill.until(lambda: not drill.run().facts.behind(), 120, "the loader goes on")


def test_a_slot_that_is_about_to_be_lost_is_said_before_it_is(drill: Drill) -> None:
    """gunnarmorling, "The insatiable Postgres replication slot": with a limit the disk lives, and the slot is lost.

    Right: an alert at once while the connector can still catch up.
    """
    drill.stop(S1)
    reports = [drill.run()]
    for n in range(8):
        drill.sql(S1, f"UPDATE users SET title = 'at risk {n}'")
        drill.sql(S1, "SELECT pg_switch_wal()")
        reports.append(drill.run())
        if drill.state(reports[-1], S1.connector) == State.SLOT_AT_RISK:
            break
    assert drill.state(reports[-1], S1.connector) == State.SLOT_AT_RISK, sentence(reports[-1], S1.connector)
    assert ["cdc_slot.md" in a.text for a in reports[-1].decision.alerts if a.subject == S1.connector] == [True]
    assert drill.sql(S1, "SELECT wal_status FROM pg_replication_slots") != [("lost",)]
    drill.retry_on_rebalance(lambda c: c.resume(S1.connector))
    drill.settled()
    well(drill, S1.connector)
