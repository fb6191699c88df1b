"""What drifts behind the health check's back, provoked on the real parts: said with what was lost, and cured so."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta

import pytest

from catchment.cdc.connectors.configs import LARGEST_RECORD
from catchment.cdc.declared import application
from catchment.cdc.health.check import Report
from catchment.cdc.health.decide import ActionKind
from catchment.cdc.health.policy import State
from catchment.cdc.loader.kafka import Kafka
from catchment.cdc.repair import snapshot
from catchment.cdc.repair import topic as topic_repair
from catchment.cdc.systems import Systems
from tests.support.drill import S0, S1, Drill, sentence

pytestmark = pytest.mark.timeout(900)
TABLES = f"{S1.connector}/tables"
TOPICS = f"{S1.connector}/topics"
USERS = f"{S1.name}.public.users"


def alerts(report: Report, subject: str) -> list[str]:
    return [alert.text for alert in report.decision.alerts if alert.subject == subject]


def acts(report: Report) -> list[tuple[str, ActionKind]]:
    assert [error for _, error in report.outcomes if error] == []
    return [(action.subject, action.act) for action, _ in report.outcomes]


def test_what_is_as_declared_is_well(drill: Drill) -> None:
    report = drill.run()
    assert report.decision.troubles == (), "\n".join(report.lines())


def test_a_narrowed_publication_is_told_with_what_was_lost_and_set_right(drill: Drill) -> None:
    """yugabyte 19250: a publication without deletes; unseen. Right: told at once with its cost, and set right."""
    drill.sql(
        S1, f"ALTER PUBLICATION {application().database('application').publication} SET (publish = 'insert, update')"
    )
    report = drill.run()
    assert drill.state(report, TABLES) == State.PUBLICATION_NARROWED
    (alert,) = alerts(report, TABLES)
    assert "does not send delete, truncate" in alert
    assert re.search(r"last seen right at \d{4}-.*are lost", alert)
    assert acts(report) == [(TABLES, ActionKind.MIGRATE)]
    assert drill.state(drill.run(), TABLES) == State.HEALTHY


def test_a_publication_by_partitions_and_one_with_a_column_list_are_told(drill: Drill) -> None:
    """Reports of partitioned tables whose changes "vanish": they come under the partition's name, and are dropped."""
    name = application().database("application").publication
    drill.sql(S1, f"ALTER PUBLICATION {name} SET (publish_via_partition_root = false)")
    report = drill.run()
    assert drill.state(report, TABLES) == State.PUBLICATION_NARROWED
    assert "publish_via_partition_root is off" in alerts(report, TABLES)[0]
    assert drill.state(drill.run(), TABLES) == State.HEALTHY
    drill.sql(S1, f"ALTER PUBLICATION {name} DROP TABLE users")
    drill.sql(S1, f"ALTER PUBLICATION {name} ADD TABLE users (id, account_id) WHERE (id > 0)")
    report = drill.run()
    assert drill.state(report, TABLES) == State.PUBLICATION_NARROWED
    assert "does not send public_id" in sentence(report, TABLES)
    assert "sends only rows with (id > 0)" in sentence(report, TABLES)
    assert acts(report) == []
    drill.sql(S1, f"ALTER PUBLICATION {name} DROP TABLE users")
    drill.sql(S1, f"ALTER PUBLICATION {name} ADD TABLE users")
    assert drill.state(drill.run(), TABLES) == State.HEALTHY


def test_a_changed_replica_identity_is_told(drill: Drill) -> None:
    """Debezium's docs: without an identity the application's updates are refused, or deletes have no key."""
    drill.sql(S1, "ALTER TABLE users REPLICA IDENTITY NOTHING")
    report = drill.run()
    assert drill.state(report, TABLES) == State.IDENTITY_CHANGED
    assert "REPLICA IDENTITY DEFAULT" in alerts(report, TABLES)[0]
    drill.sql(S1, "ALTER TABLE users REPLICA IDENTITY DEFAULT")
    assert drill.state(drill.run(), TABLES) == State.HEALTHY


def test_a_changed_type_and_a_renamed_column_are_told_each_by_itself(drill: Drill) -> None:
    """Airbyte and PeerDB users: after a migration a column was NULL for days before anybody looked."""
    drill.sql(S1, "ALTER TABLE users ALTER COLUMN is_active TYPE text USING is_active::text")
    first = drill.run()
    drill.sql(S1, "ALTER TABLE users RENAME COLUMN title TO job_title")
    second = drill.run()
    drill.sql(S1, "ALTER TABLE users RENAME COLUMN job_title TO title")
    drill.sql(S1, "ALTER TABLE users ALTER COLUMN is_active DROP DEFAULT")
    drill.sql(S1, "ALTER TABLE users ALTER COLUMN is_active TYPE boolean USING is_active::boolean")
    assert (drill.state(first, TABLES), drill.state(second, TABLES)) == (State.TYPE_CHANGED, State.COLUMN_GONE)
    assert "is text, declared as boolean" in alerts(first, TABLES)[0]
    assert re.search(r"title: there is no such column; it may be renamed: .*job_title", alerts(second, TABLES)[0])
    assert drill.state(drill.run(), TABLES) == State.HEALTHY


def change_topic(drill: Drill, settings: Mapping[str, str]) -> None:
    with closing(Kafka(drill.look_up("kafka"))) as kafka:
        kafka.change([USERS], settings)


def test_topic_settings_that_somebody_changed_are_set_right(drill: Drill) -> None:
    change_topic(drill, {"max.message.bytes": "1048588", "cleanup.policy": "compact"})
    report = drill.run()
    assert drill.state(report, TOPICS) == State.TOPIC_DRIFTED
    assert acts(report) == [(TOPICS, ActionKind.TOPICS)]
    with closing(Kafka(drill.look_up("kafka"))) as kafka:
        assert kafka.settings([USERS])[USERS]["max.message.bytes"] == str(LARGEST_RECORD)
    assert drill.state(drill.run(), TOPICS) == State.HEALTHY


def test_a_clock_that_jumped_is_told_and_blinds_nothing(drill: Drill) -> None:
    """By reading: a heartbeat from the future was young for ever, so a stalled connector looked well."""
    drill.run()
    drill.sql(S1, "UPDATE cdc.heartbeat SET ts = ts + interval '1 day'")
    drill.sql(
        S1,
        "CREATE FUNCTION cdc.late() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN NEW.ts := NEW.ts + interval '1 day'; RETURN NEW; END$$",
    )
    drill.sql(S1, "CREATE TRIGGER late BEFORE UPDATE ON cdc.heartbeat FOR EACH ROW EXECUTE FUNCTION cdc.late()")
    try:
        time.sleep(6)
        report = drill.run()
        assert drill.state(report, S1) == State.CLOCK_JUMPED
        drill.retry_on_rebalance(lambda c: c.pause(S0.connector))
        drill.sql(S0, "UPDATE cdc.heartbeat SET ts = ts + interval '1 day'")
        drill.wait_for_task(S0, "PAUSED")
    finally:
        drill.sql(S1, "DROP TRIGGER late ON cdc.heartbeat")
        drill.sql(S1, "DROP FUNCTION cdc.late()")
        drill.retry_on_rebalance(lambda c: c.resume(S0.connector))
    drill.settled()
    time.sleep(6)
    assert drill.state(drill.run(), S1) == State.HEALTHY
    back = drill.run(after=-timedelta(hours=3))
    assert drill.state(back, "clock") == State.CLOCK_JUMPED
    assert drill.state(drill.run(), "clock") == State.HEALTHY


def test_retention_that_is_shorter_than_the_loaders_lag_is_told_before_and_after(drill: Drill) -> None:
    """A loader that is off over a weekend, and a topic that keeps a day: a classic of Kafka's mailing lists."""
    drill.stack.stop("loader")
    try:
        drill.sql(S1, "UPDATE users SET title = 'late'")
        drill.sql(S1, "UPDATE users SET title = 'later'")
        time.sleep(8)
        change_topic(drill, {"retention.ms": "14000", "segment.ms": "1000", "file.delete.delay.ms": "100"})
        before = drill.run()
        assert drill.state(before, TOPICS) == State.RETENTION_SHORT, "\n".join(before.lines())
        assert USERS in alerts(before, TOPICS)[0]
        change_topic(drill, {"retention.ms": "1000"})
        drill.until(
            lambda: drill.state(drill.run(), TOPICS) == State.RECORDS_LOST, 400, "Kafka deletes what is too old"
        )
        assert re.search(rf"{USERS}/\d offsets \d+ to \d+", sentence(drill.run(), TOPICS))
    finally:
        change_topic(drill, {"retention.ms": "604800000"})
        drill.stack.start("loader")
    _go_on(drill, "users", f"load {USERS}/")
    drill.until(lambda: drill.state(drill.run(), TOPICS) == State.HEALTHY, 60, "the topic is loaded")


def _go_on(drill: Drill, name: str, planned: str) -> None:
    """The cure as the form has it; and then the table is whole in raw again."""
    systems = Systems(drill.look_up)
    table = application().database("application").table(name)
    assert any(planned in step for step in topic_repair.plan(systems, S1, table))
    assert "The loader goes on" in topic_repair.go_on(systems, S1, table, reason="a drill")
    asked = snapshot.request(systems, S1, table, f"drill-{name}")
    drill.until(lambda: snapshot.progress(systems, asked).done, 120, "the snapshot is in raw")
    assert "are in raw again" in snapshot.verify(asked, snapshot.progress(systems, asked))
