"""What stops a shard for good, provoked on the real parts: its cause is named, and it is cured as the page says."""

from __future__ import annotations

import time
from typing import Any

import pytest

from catchment.cdc.connectors import configs
from catchment.cdc.declared import application
from catchment.cdc.health.check import Report
from catchment.cdc.health.decide import ActionKind
from catchment.cdc.health.policy import State
from catchment.cdc.repair import end_snapshot
from catchment.cdc.systems import Systems
from tests.support.drill import RUN, S1, Drill

pytestmark = pytest.mark.timeout(900)
CHUNK = "incremental_snapshot_primary_key"  # in Debezium's offsets: the last key of the chunk before


def alert(report: Report) -> str:
    (text,) = (alert.text for alert in report.decision.alerts if alert.subject == S1.connector)
    return text


def test_a_row_too_large_for_the_warehouse_passes_kafka_and_holds_up_nothing(drill: Drill) -> None:
    """airbyte PR 45139: one row of 17 million characters, and the task failed for ever, a rebuild too.

    Right: the row is set aside by the loader, told with its key, and the shard goes on.
    """
    ((id_,),) = drill.sql(
        S1, "UPDATE events SET body = repeat('x', 17000000) WHERE id = (SELECT min(id) FROM events) RETURNING id"
    )
    drill.sql(S1, "UPDATE accounts SET notes = 'after the large row'")
    after = "FROM RAW.APPLICATION.S1_ACCOUNTS WHERE RECORD_CONTENT:after.notes = 'after the large row'"
    drill.until(lambda: asked(drill, f"SELECT COUNT(*) {after}") > 0, 180, "what comes after it is in raw")
    assert drill.tasks(S1) == ["RUNNING"]
    rejects = "FROM RAW.CATCHMENT.REJECTS WHERE SOURCE = 'application' AND REASON LIKE '%more than the 16000000%'"
    assert asked(drill, f"SELECT COUNT(*) {rejects}") == 1
    drill.sql(S1, "UPDATE events SET body = 'short' WHERE id = %s", id_)


def asked(drill: Drill, sql: str) -> Any:
    """The one value that a question to the warehouse gives."""
    return drill.warehouse(lambda cursor: (cursor.execute(sql), cursor.fetchone())[1])[0]


def test_a_row_too_large_for_kafka_is_named_and_passes_once_the_limit_is_declared(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit that was raised by hand was undone by the next run. Right: it is declared, and the run gives it."""
    largest = configs.LARGEST_RECORD
    _limit(monkeypatch, 1_000_000)
    report = drill.run()
    assert drill.state(report, S1) == State.DRIFTED
    drill.wait_for_task(S1, "RUNNING")
    drill.settled()
    drill.run()
    drill.sql(S1, "UPDATE accounts SET notes = repeat('y', 3000000) WHERE id = (SELECT min(id) FROM accounts)")
    drill.wait_for_task(S1, "FAILED")
    report = drill.run(after=2 * RUN)
    assert drill.state(report, S1) == State.RECORD_TOO_LARGE
    assert "bytes when serialized" in alert(report)
    assert "docs/runbooks/cdc_record_too_large.md" in alert(report)
    ((action, error),) = [(a, e) for a, e in report.outcomes if a.subject == S1.connector]
    assert action.act is ActionKind.RESTART_FAILED
    assert error is None or "failed again within" in str(error)  # Debezium may need longer to get there
    drill.wait_for_task(S1, "FAILED")
    _limit(monkeypatch, largest)
    report = drill.run()
    assert [a.act for a, _ in report.outcomes if a.subject == S1.connector] == [ActionKind.UPDATE]
    drill.until(lambda: drill.state(drill.run(after=10 * RUN), S1) == State.HEALTHY, 120, "the row passes")
    drill.until(lambda: not drill.run().facts.behind(), 60, "the loader is at the end")


def _limit(monkeypatch: pytest.MonkeyPatch, bytes_: int) -> None:
    monkeypatch.setattr(configs, "LARGEST_RECORD", bytes_)
    for module in (configs, __import__("catchment.cdc.health.topics", fromlist=["topics"])):
        monkeypatch.setattr(module, "TOPIC_SETTINGS", {"cleanup.policy": "delete", "max.message.bytes": str(bytes_)})


def test_a_snapshot_that_fails_every_start_is_named_and_taken_out_of_the_offsets(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """debezium PR 4843: key (timestamp, bigint), more rows than one chunk; each restart failed within seconds.

    Right: the cause is named and its end proposed, and the form cures it without losing a change.
    """
    drill.sql(
        S1,
        "CREATE TABLE readings (at timestamp, id bigint, v text, PRIMARY KEY (at, id)); "
        "GRANT SELECT ON readings TO cdc; "
        f"ALTER PUBLICATION {application().database('application').publication} ADD TABLE readings; "
        "INSERT INTO readings SELECT '2026-01-01'::timestamp + g * interval '1 minute', g, 'v' "
        "FROM generate_series(1, 9000) g",
    )
    declared = configs.source_config
    monkeypatch.setattr(configs, "source_config", lambda *given: _with_readings(declared(*given)))
    drill.run()
    drill.settled()
    # Left alone, Debezium gives the table up after one chunk; ended before the second, it can't begin again.
    drill.sql(
        S1,
        "CREATE SEQUENCE cdc.windows; "
        "CREATE FUNCTION cdc.slow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ "
        "BEGIN IF NEW.type = 'snapshot-window-open' AND nextval('cdc.windows') = 2 THEN PERFORM pg_sleep(30); END IF; "
        "RETURN NEW; END $$; "
        "CREATE TRIGGER slow BEFORE INSERT ON cdc.signals FOR EACH ROW EXECUTE FUNCTION cdc.slow()",
    )
    drill.sql(
        S1,
        "INSERT INTO cdc.signals VALUES ('poison', 'execute-snapshot', "
        '\'{"data-collections": ["public.readings"], "type": "incremental"}\')',
    )
    # Killed before its first chunk is in the offsets, it would start over, and fail after that chunk only.
    drill.until(lambda: any(e["offset"].get(CHUNK) for e in _offsets(drill)), 60, "one chunk was read")
    drill.stack.kill("connect")
    drill.sql(S1, "DROP TRIGGER slow ON cdc.signals")
    drill.stack.start("connect")
    drill.wait_for_task(S1, "FAILED", 120)
    report = drill.run()
    print("\n".join(report.lines()))
    assert drill.state(report, S1) == State.SNAPSHOT_POISONED
    text = alert(report)
    assert "public.readings" in text
    assert not text.split(": ", 2)[1].startswith("NullPointer")
    assert report.decision.actions == ()
    (proposal,) = report.decision.proposals
    assert (proposal.dag_id, proposal.conf["shard"]) == ("cdc_end_snapshot", "s1")
    drill.sql(S1, "UPDATE users SET title = 'while it stood'")
    systems = Systems(drill.look_up)
    assert "public.readings" in end_snapshot.plan(systems, S1)[1]
    assert "public.readings is over, unread" in end_snapshot.end(systems, S1, owner="ada", reason="it can't be read")
    drill.settled()
    time.sleep(5)
    assert drill.state(drill.run(after=3 * RUN), S1) == State.HEALTHY
    drill.until(lambda: not drill.run().facts.behind(), 60, "the loader is at the end")
    missed = "FROM RAW.APPLICATION.S1_USERS WHERE RECORD_CONTENT:after.title = 'while it stood'"
    ((rows,),) = drill.sql(S1, "SELECT count(*) FROM users")
    drill.until(lambda: asked(drill, f"SELECT COUNT(*) {missed}") == rows, 60, "no change was skipped")
    assert "nothing to end" in end_snapshot.plan(systems, S1)[0]


def _offsets(drill: Drill) -> list[dict[str, Any]]:
    with drill.connect() as connect:
        return connect.offsets(S1.connector)


def _with_readings(config: dict[str, str]) -> dict[str, str]:
    return {**config, "table.include.list": config["table.include.list"].replace(r"public\.(", r"public\.(readings|")}
