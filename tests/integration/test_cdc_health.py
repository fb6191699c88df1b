"""The health check on the real parts: each trouble provoked, told from the others in two runs, and met as it should be.

Runs are a minute apart for the check: its clock is advanced by hand, the parts get the seconds that they really need.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catchment.cdc.connectors import pauses
from catchment.cdc.declared import Shard, application
from catchment.cdc.health.check import Report
from catchment.cdc.health.decide import ActionKind
from catchment.cdc.health.policy import State
from local.cdc import passwords, shards
from local.cdc.stack import Stack, free_ports
from tests.support.drill import PARTS, RUN, S0, S1, Drill

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), free_ports(), parts=PARTS, scale=0.02) as stack:
        yield stack


@pytest.fixture(scope="module")
def made(stack: Stack) -> tuple[Drill, Report]:
    """The first run of all, on a Connect that runs nothing: connectors are made by the check itself."""
    drill = Drill(stack)
    return drill, drill.run()


@pytest.fixture
def drill(made: tuple[Drill, Report]) -> Drill:
    made[0].fresh()
    return made[0]


def acts(report: Report) -> list[tuple[str, ActionKind]]:
    assert [error for _, error in report.outcomes if error] == []
    return [(action.subject, action.act) for action, _ in report.outcomes]


def test_declared_connectors_that_do_not_exist_are_made(made: tuple[Drill, Report]) -> None:
    drill, first = made
    assert drill.state(first, S0) == State.MISSING
    assert acts(first) == [(S0.connector, ActionKind.CREATE), (S1.connector, ActionKind.CREATE)]
    drill.settled()
    second = drill.run(after=3 * RUN)
    assert second.decision.troubles == ()


def test_what_is_well_is_left_alone_and_said_of_nobody(drill: Drill) -> None:
    report = drill.run()
    assert (report.decision.troubles, report.decision.actions, report.decision.alerts) == ((), (), ())


def test_a_deleted_connector_is_made_again_and_goes_on_from_its_slot(drill: Drill) -> None:
    drill.retry_on_rebalance(lambda c: c.delete(S0.connector))
    report = drill.run()
    assert drill.state(report, S0) == State.MISSING
    assert acts(report) == [(S0.connector, ActionKind.CREATE)]
    drill.settled()
    assert drill.run(after=3 * RUN).decision.troubles == ()


def test_a_drifted_connector_is_set_right_with_the_difference_said(drill: Drill) -> None:
    with drill.connect() as connect:
        config = {**connect.config(S0.connector), "max.batch.size": "17"}
        connect.put(S0.connector, config)
    time.sleep(5)  # its task restarts
    drill.wait_for_task(S0, "RUNNING")
    drill.settled()
    report = drill.run()
    assert drill.state(report, S0) == State.DRIFTED
    assert "max.batch.size: 17 → 4096" in "\n".join(report.lines())
    assert acts(report) == [(S0.connector, ActionKind.UPDATE)]
    with drill.connect() as connect:
        assert connect.config(S0.connector)["max.batch.size"] == "4096"


@pytest.mark.parametrize("held", ["paused", "stopped"])
def test_a_connector_that_somebody_held_is_told_and_never_resumed(drill: Drill, held: str) -> None:
    drill.retry_on_rebalance(lambda c: c.pause(S1.connector) if held == "paused" else c.stop(S1.connector))
    drill.wait_for_task(S1, "PAUSED") if held == "paused" else drill.stop(S1)
    reports = [drill.run(), drill.run()]
    assert [drill.state(report, S1) for report in reports] == [State(held)] * 2
    assert [len(report.decision.alerts) for report in reports] == [1, 0]
    assert [report.decision.actions for report in reports] == [(), ()]
    drill.retry_on_rebalance(lambda c: c.resume(S1.connector))
    drill.settled()
    assert drill.state(drill.run(), S1) == State.HEALTHY


def test_a_pause_with_an_owner_is_silent_and_over_at_its_end(drill: Drill) -> None:
    now = drill.clock
    pause = pauses.Pause(connector=S1.connector, owner="Ada", reason="index rebuild", starts=now, ends=now + 3 * RUN)
    drill.warehouse(lambda cursor: pauses.record(cursor, pause))
    drill.retry_on_rebalance(lambda c: c.pause(S1.connector))
    drill.wait_for_task(S1, "PAUSED")
    reports = [drill.run() for _ in range(3)]
    assert [drill.state(report, S1) for report in reports] == [State.SILENCED, State.SILENCED, State.PAUSED]
    assert [alert.subject for report in reports for alert in report.decision.alerts] == [S1.connector]
    drill.retry_on_rebalance(lambda c: c.resume(S1.connector))


def test_a_database_that_is_down_for_a_minute_is_waited_for(drill: Drill) -> None:
    drill.stack.stop("shard_s1")
    reports = [drill.run(), drill.run()]
    drill.stack.start("shard_s1")
    assert [drill.state(report, S1) for report in reports] == [State.DATABASE_DOWN] * 2
    assert [(r.decision.actions, r.decision.alerts) for r in reports] == [((), ())] * 2
    drill.settled()
    assert drill.state(drill.run(), S1) == State.HEALTHY


def test_a_wrong_password_is_told_and_heals_when_it_is_corrected(drill: Drill) -> None:
    file = passwords.file(drill.stack.settings)
    right = file.read_text()
    file.write_text(right.replace(passwords.ensure(drill.stack.settings)[S1.name], "wrong"))
    try:
        drill.sql(S1, "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active")
        drill.retry_on_rebalance(lambda c: c.restart(S1.connector))
        drill.wait_for_task(S1, "FAILED")
        report = drill.run()
    finally:
        file.write_text(right)
    assert drill.state(report, S1) == State.PASSWORD_REFUSED
    assert [alert.subject for alert in report.decision.alerts] == [S1.connector]
    assert "wrong" not in "\n".join(report.lines()).replace("wrong password", "")
    # Its task is dead again some seconds after the restart, which is no "done".
    assert [(action.subject, action.act) for action, _ in report.outcomes] == [
        (S1.connector, ActionKind.RESTART_FAILED)
    ]
    assert "failed again within" in "\n".join(report.lines())
    drill.until(lambda: drill.state(drill.run(after=15 * RUN), S1) == State.HEALTHY, 90, "restarts heal it")


def test_connect_that_is_down_is_one_alert_and_connectors_are_not_judged(drill: Drill) -> None:
    drill.stack.kill("connect")
    try:
        reports = [drill.run(), drill.run()]
    finally:
        drill.stack.start("connect")
    assert [drill.state(report, "connect") for report in reports] == [State.CONNECT_DOWN] * 2
    assert [alert.subject for report in reports for alert in report.decision.alerts] == ["connect"]
    assert {drill.state(reports[1], S0), drill.state(reports[1], S1)} == {State.UNKNOWN}
    drill.settled()


def test_a_connect_that_hangs_is_given_up_and_told(drill: Drill) -> None:
    drill.stack.freeze("connect")
    try:
        reports = [drill.run(), drill.run()]
    finally:
        drill.stack.thaw("connect")
    assert [drill.state(report, "connect") for report in reports] == [State.CONNECT_DOWN] * 2
    drill.settled()


def test_kafka_that_is_down_is_told_and_nothing_is_restarted(drill: Drill) -> None:
    drill.stack.kill("kafka")
    try:
        reports = [drill.run(), drill.run()]
    finally:
        drill.stack.start("kafka")
    assert [drill.state(report, "kafka") for report in reports] == [State.KAFKA_DOWN] * 2
    assert "kafka" in [alert.subject for alert in reports[1].decision.alerts]
    assert [report.decision.actions for report in reports] == [(), ()]
    drill.settled(180)


def test_wal_that_grows_while_captured_tables_are_quiet_is_found_in_two_runs(drill: Drill) -> None:
    drill.sql(S0, "DELETE FROM cdc.heartbeat")
    drill.sql(S0, "CREATE TABLE IF NOT EXISTS internal.noise (t text)")
    try:
        time.sleep(15)  # what was read before is acknowledged
        first = drill.run()
        drill.sql(S0, "INSERT INTO internal.noise SELECT repeat(md5(g::text), 100) FROM generate_series(1, 5000) g")
        second = drill.run()
    finally:
        drill.sql(S0, "INSERT INTO cdc.heartbeat VALUES (1, clock_timestamp(), 0)")
        drill.sql(S0, "DROP TABLE internal.noise")
    assert drill.state(first, S0) == State.STALLED
    assert drill.state(second, S0) == State.WAL_GROWING
    assert "cdc.heartbeat is missing" in "\n".join(second.lines())


def test_a_loader_that_hangs_is_stuck_in_the_second_run(drill: Drill) -> None:
    drill.stack.freeze("loader")
    try:
        drill.sql(S0, "UPDATE accounts SET updated_at = updated_at WHERE id = (SELECT min(id) FROM accounts)")
        time.sleep(3)
        reports = [drill.run(), drill.run()]
    finally:
        drill.stack.thaw("loader")
    assert [drill.state(report, "loader") for report in reports] == [State.HEALTHY, State.LOADER_STUCK]
    assert [alert.subject for alert in reports[1].decision.alerts] == ["loader"]
    drill.until(lambda: drill.state(drill.run(), "loader") == State.HEALTHY, 60, "the loader goes on")


def test_a_dropped_publication_stops_restarts_and_what_comes_back_as_a_zombie_is_proposed_to_be_rebuilt(
    drill: Drill,
) -> None:
    publication = application().database("application").publication
    drill.sql(S1, f"DROP PUBLICATION {publication}")
    drill.sql(S1, "UPDATE accounts SET updated_at = updated_at")
    drill.wait_for_task(S1, "FAILED")
    report = drill.run()
    assert drill.state(report, S1) == State.PUBLICATION_MISSING
    assert [alert.subject for alert in report.decision.alerts] == [S1.connector]
    assert report.decision.actions == ()
    drill.sql(S1, "UPDATE accounts SET updated_at = updated_at")
    _migrate(drill)
    report = drill.run()
    assert (drill.state(report, S1), acts(report)) == (State.FAILED, [(S1.connector, ActionKind.RESTART_FAILED)])
    drill.wait_for_task(S1, "RUNNING")
    time.sleep(5)
    reports = [drill.run(after=2 * RUN), drill.run()]
    assert drill.state(reports[-1], S1) == State.ZOMBIE
    assert drill.tasks(S1) == ["RUNNING"]
    later = [drill.run() for _ in range(3)]
    assert [p.dag_id for r in (*reports, *later) for p in r.decision.proposals] == ["cdc_rebuild_shard"]
    drill.rebuild(S1)
    assert drill.state(drill.run(after=3 * RUN), S1) == State.HEALTHY


def test_a_dropped_slot_is_not_restarted_and_proposed_to_be_rebuilt(drill: Drill) -> None:
    drill.stop(S1)
    drill.sql(S1, "SELECT pg_drop_replication_slot(%s)", S1.slot)
    drill.sql(S1, "UPDATE accounts SET updated_at = updated_at")
    report = drill.run()
    drill.retry_on_rebalance(lambda c: c.resume(S1.connector))
    drill.wait_for_task(S1, "FAILED")
    reports = [drill.run(), drill.run()]
    states = {drill.state(r, S1) for r in reports}
    assert drill.state(report, S1) == State.STOPPED
    assert states == {State.SLOT_MISSING}
    assert [r.decision.actions for r in reports] == [(), ()]
    assert [p.dag_id for r in reports for p in r.decision.proposals] == ["cdc_rebuild_shard"]
    drill.rebuild(S1)


def test_a_slot_that_was_dropped_and_made_again_between_two_runs_is_found(drill: Drill) -> None:
    """It begins after what nobody has read; a restart of the task, which fails over it, would help nothing."""
    time.sleep(5)
    drill.run()
    drill.stop(S1)
    drill.sql(S1, "SELECT pg_drop_replication_slot(%s)", S1.slot)
    drill.sql(S1, "UPDATE accounts SET updated_at = updated_at")
    drill.sql(S1, "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", S1.slot)
    drill.retry_on_rebalance(lambda c: c.resume(S1.connector))
    drill.wait_for_task(S1, "FAILED")
    reports = [drill.run(), drill.run()]
    assert [drill.state(report, S1) for report in reports] == [State.SLOT_REPLACED] * 2
    assert [p.dag_id for r in reports for p in r.decision.proposals] == ["cdc_rebuild_shard"]
    assert [r.decision.actions for r in reports] == [(), ()]
    drill.rebuild(S1)
    assert drill.state(drill.run(), S1) != State.SLOT_REPLACED


def test_a_slot_that_the_database_gave_up_is_lost_whatever_connect_says(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(shards.OPTIONS, "max_slot_wal_keep_size", "1MB")
    drill.stack.stop("shard_s1")
    drill.stack.start("shard_s1")
    drill.stop(S1)
    drill.sql(S1, "CREATE TABLE IF NOT EXISTS internal.noise (t text)")
    for _ in range(6):
        drill.sql(S1, "INSERT INTO internal.noise SELECT repeat(md5(g::text), 100) FROM generate_series(1, 8000) g")
        drill.sql(S1, "SELECT pg_switch_wal()")
        drill.sql(S1, "CHECKPOINT")
    drill.until(
        lambda: drill.sql(S1, "SELECT wal_status FROM pg_replication_slots") == [("lost",)], 60, "the slot is lost"
    )
    try:
        drill.retry_on_rebalance(lambda c: c.resume(S1.connector))
        time.sleep(5)
        reports = [drill.run(), drill.run()]
    finally:
        monkeypatch.undo()
        drill.sql(S1, "DROP TABLE internal.noise")
        drill.stack.stop("shard_s1")
        drill.stack.start("shard_s1")
    assert [drill.state(report, S1) for report in reports] == [State.SLOT_LOST] * 2
    assert [p.dag_id for r in reports for p in r.decision.proposals] == ["cdc_rebuild_shard"]
    assert [r.decision.actions for r in reports] == [(), ()]
    drill.rebuild(S1)


def test_a_snapshot_that_silently_skipped_rows_is_found_and_a_new_one_proposed(drill: Drill) -> None:
    """Without its surrogate key: Debezium reads one chunk, logs "Skipping it" and stays RUNNING."""
    before = _in_raw(drill, S0, "activities")
    drill.sql(
        S0,
        "INSERT INTO activities (account_id, kind) SELECT 1, 'login' FROM generate_series(1, 12000)",
    )
    # A loader at the end may only mean that the rows are not in Kafka yet: then they would count as brought.
    drill.until(lambda: _in_raw(drill, S0, "activities") >= before + 12000, 120, "the rows are in raw")
    drill.clock = datetime.now(UTC)  # what raw saw since then is told by the records' own time
    drill.run(after=timedelta(0))
    signal = '{"data-collections": ["public.activities"], "type": "incremental"}'
    time.sleep(1)
    drill.sql(S0, "INSERT INTO cdc.signals VALUES ('drill', 'execute-snapshot', %s)", signal)
    found: list[Report] = []
    deadline = time.monotonic() + 150
    while not found or not found[-1].decision.proposals:
        assert time.monotonic() < deadline, "\n".join(found[-1].lines())
        time.sleep(5)
        found.append(drill.run(after=datetime.now(UTC) - drill.clock))
        drill.count()
    assert drill.state(found[-1], S0) == State.HEALTHY
    assert drill.state(found[-1], f"{S0.connector}/snapshots") == State.SNAPSHOT_INCOMPLETE
    (proposal,) = found[-1].decision.proposals
    assert (proposal.dag_id, proposal.conf["table"]) == ("cdc_resnapshot", "activities")
    assert "activities has" in found[-1].decision.alerts[0].text


def test_yesterdays_incident_can_be_read(drill: Drill) -> None:
    found = drill.warehouse(
        lambda cursor: (
            cursor.execute("SELECT DISTINCT STATE FROM RAW.CATCHMENT.CDC_HEALTH WHERE KIND = 'state'"),
            cursor.fetchall(),
        )[1]
    )
    assert {"healthy", "slot_lost", "zombie", "database_down"} <= {state for (state,) in found}


def _in_raw(drill: Drill, shard: Shard, table: str) -> int:
    def count(cursor: Any) -> int:
        cursor.execute(f"SELECT COUNT(*) FROM {shard.raw_table(shard.table(table))}")
        return int(cursor.fetchone()[0])

    return drill.warehouse(count)


def _migrate(drill: Drill) -> None:
    from catchment.cdc.setup import migrate

    migrate.migrate(S1.of, drill.look_up(S1.owner_connection), drill.look_up(S1.connection))
