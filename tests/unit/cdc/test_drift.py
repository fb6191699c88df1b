"""Drift of tables, publication and topics, and what else blinds a check: told by facts alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from catchment.cdc.connectors.configs import TOPIC_SETTINGS
from catchment.cdc.connectors.plan import plan
from catchment.cdc.health.decide import ActionKind, decide
from catchment.cdc.health.facts import Facts, SnapshotCount, SnapshotSignal, TopicFacts, Unknown
from catchment.cdc.health.memory import after
from catchment.cdc.health.observation import first_cause
from catchment.cdc.health.policy import State
from catchment.cdc.loader.batch import Partition
from catchment.cdc.setup.catalog import Catalog, Column, Identity, Index, Publication, Published, Relation, Storage
from catchment.cdc.types import parse
from tests.support.cdc_health import (
    APPLICATION,
    AWAY,
    CONFIGS,
    MINUTE,
    NAME,
    Watch,
    running,
    shard,
    slot,
    well,
    with_shard,
    with_status,
)

DECLARED = APPLICATION.database("application").tables
ALL = frozenset({"insert", "update", "delete", "truncate"})
TABLES, TOPICS, SNAPSHOTS = f"{NAME}/tables", f"{NAME}/topics", f"{NAME}/snapshots"


def declared() -> Catalog:
    """A catalog that is as the declaration says."""
    return Catalog(
        relations={
            table.name: Relation(
                table.name,
                columns=tuple(Column(name, parse(kind), kind) for name, kind in table.columns.items()),
                indexes=(Index(f"{table.name}_pkey", table.key, is_primary=True),),
            )
            for table in DECLARED
        },
        publication=Publication("catchment", ALL, True, {table.name: Published() for table in DECLARED}),
        role_sees_all_rows=True,
    )


def changed(table: str, **changes: Any) -> Catalog:
    right = declared()
    return replace(right, relations={**right.relations, table: replace(right.relations[table], **changes)})


def published(**changes: Any) -> Catalog:
    right = declared()
    assert right.publication
    return replace(right, publication=replace(right.publication, **changes))


def columns(table: str, **renamed: Column | None) -> Catalog:
    right = declared().relations[table].columns
    return changed(table, columns=tuple(c for c in (renamed.get(c.name, c) for c in right) if c))


ROWS = [
    ("as declared", declared(), State.HEALTHY),
    ("no deletes are sent", published(operations=ALL - {"delete"}), State.PUBLICATION_NARROWED),
    (
        "a column list",
        published(tables={**published().publication.tables, "users": Published(columns=("id",))}),  # type: ignore[union-attr]
        State.PUBLICATION_NARROWED,
    ),
    ("another identity", changed("users", storage=(Storage(Identity("nothing")),)), State.IDENTITY_CHANGED),
    ("another type", columns("users", is_active=Column("is_active", parse("text"), "text")), State.TYPE_CHANGED),
    ("a renamed column", columns("users", title=Column("job", parse("text"), "text")), State.COLUMN_GONE),
    ("another key", changed("users", indexes=(Index("x", ("email",), is_primary=True),)), State.TABLE_CHANGED),
    ("no such table", replace(declared(), relations={}), State.TABLE_CHANGED),
]


@pytest.mark.parametrize(("catalog", "state"), [pytest.param(c, s, id=name) for name, c, s in ROWS])
def test_what_differs_from_the_declaration_is_a_state_that_is_reported_at_once(catalog: Catalog, state: State) -> None:
    watch = Watch()
    watch.see(with_shard(catalog=declared()))
    decision = watch.see(with_shard(catalog=catalog))
    assert decision.state(TABLES) == state
    assert [alert.subject for alert in decision.alerts] == [TABLES] * (state is not State.HEALTHY)


def test_the_sentence_says_when_it_was_right_and_what_is_lost() -> None:
    watch = Watch()
    watch.see(with_shard(catalog=declared()))
    right_at = watch.now
    for _ in range(3):
        decision = watch.see(with_shard(catalog=published(operations=ALL - {"delete"})))
    (found,) = (s for s in decision.subjects if s.subject == TABLES)
    assert f"last seen right at {right_at.isoformat()[:19]} UTC" in found.sentence
    assert "are lost" in found.sentence


def test_another_drift_in_the_same_state_is_news() -> None:
    watch = Watch()
    gone = [Column("job", parse("text"), "text"), Column("post", parse("text"), "text")]
    alerts = [
        len(watch.see(with_shard(catalog=each)).alerts)
        for each in (columns("users", title=gone[0]), columns("users", title=gone[0]), columns("users", role=gone[1]))
    ]
    assert alerts == [1, 0, 1]


def test_what_a_publication_sends_is_set_right_and_its_tables_are_not() -> None:
    narrowed = Watch().see(with_shard(catalog=published(operations=ALL - {"delete"})))
    assert [(a.act, a.shard and a.shard.name) for a in narrowed.actions] == [(ActionKind.MIGRATE, "s0")]
    listed = published(tables={**published().publication.tables, "users": Published(columns=("id",))})  # type: ignore[union-attr]
    assert Watch().see(with_shard(catalog=listed)).actions == ()


# --- topics ---------------------------------------------------------------------------------------------------------

USERS = "s0.public.users"
SETTINGS = {**TOPIC_SETTINGS, "retention.ms": "604800000"}


def topic(facts: Facts | None = None, **changes: Any) -> Facts:
    found = replace(TopicFacts("one", {0: (0, 10)}, SETTINGS), **changes)
    return replace(facts or well(loaded={Partition(USERS, 0): 4}), topics={USERS: found}, topic_ids={USERS: "one"})


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (topic(), State.HEALTHY),
        (topic(id="two"), State.TOPIC_REPLACED),
        (replace(topic(), topics={}), State.TOPIC_REPLACED),
        (topic(bounds={0: (5, 10)}), State.RECORDS_LOST),
        (topic(expiring={0: 9}), State.RETENTION_SHORT),
        (topic(expiring={0: 5}), State.HEALTHY),  # one offset, which may be the marker of a transaction
        (topic(settings={**SETTINGS, "cleanup.policy": "compact"}), State.TOPIC_DRIFTED),
        (replace(topic(), topics=AWAY), State.UNKNOWN),
    ],
)
def test_a_topic_is_in_the_state_that_the_facts_say(facts: Facts, state: State) -> None:
    assert Watch().see(facts).state(TOPICS) == state


def test_two_that_move_the_ledger_on_in_two_runs_are_two_loaders_and_a_restart_is_none() -> None:
    watch = Watch()

    def at(**loaders: float) -> Facts:
        return well(loaders={name: watch.now + timedelta(seconds=s) for name, s in loaders.items()})

    restarted = [watch.see(at(a=10)), watch.see(at(a=5, b=10)), watch.see(at(a=-55, b=10)), watch.see(at(b=10))]
    assert {decision.state("loader") for decision in restarted} == {State.HEALTHY}
    both = [watch.see(at(a=50 + run, b=55 + run)) for run in range(3)]
    assert both[-1].state("loader") == State.TWO_LOADERS


# --- what blinded the check -----------------------------------------------------------------------------------------

SIGNAL = SnapshotSignal("resnapshot-1", (r"public\.activities",))


def test_a_count_that_fails_blinds_nothing_and_is_reported_when_it_fails_again() -> None:
    """Seen by reading: its snapshot stayed pending for ever, and nobody knew."""
    watch = Watch()
    watch.see(well())
    watch.see(with_shard(signals=(SIGNAL,)))
    states = []
    for failures in (1, 2):
        count = SnapshotCount("s0", "activities", SIGNAL.id, error="it took too long", failures=failures)
        facts = replace(with_status(running(tasks=("FAILED",))), counts=(count,))
        facts = replace(facts, shards={**well().shards, "s0": shard(signals=(SIGNAL,))})
        decision = watch.see(facts)
        states.append(decision.state(SNAPSHOTS))
        assert decision.state(NAME) == State.FAILED
    assert states == [State.HEALTHY, State.SNAPSHOT_UNCOUNTED]
    assert any("it took too long" in alert.text for alert in decision.alerts)


def test_one_count_is_judged_once_however_often_the_check_runs() -> None:
    watch = Watch()
    watch.see(well())
    watch.see(with_shard(signals=(SIGNAL,)))
    count = SnapshotCount("s0", "activities", SIGNAL.id, 100, 50)
    facts = replace(with_shard(signals=(SIGNAL,)), counts=(count,))
    counted_at = watch.now
    for _ in range(3):
        stamped = replace(facts, counts=(replace(count, at=counted_at),))
        decision = decide(APPLICATION, stamped, watch.history, watch.now, watch.policy)
        assert decision.state(SNAPSHOTS) == State.HEALTHY
        watch.history = after(watch.history, decision, watch.now)


def test_a_slot_that_was_made_again_over_a_weekend_is_found() -> None:
    """Seen by running: memory was a day long, so after a paused weekend a recreated slot was healthy."""
    watch = Watch()
    watch.see(with_shard(slot=slot(decoded=900, counted_since="Monday")))
    later = watch.see(with_shard(slot=slot(decoded=12, counted_since="Monday")), later=timedelta(days=3))
    assert later.state(NAME) == State.SLOT_REPLACED


def test_a_zombies_age_begins_after_a_rebuild() -> None:
    """Seen: "nobody has read its slot for 104 s", told in the first run after a rebuild of a minute."""
    watch, idle = Watch(), with_shard(slot=slot(active=False))
    stopped = replace(with_status(running("STOPPED", ())), shards=idle.shards)
    for _ in range(3):
        watch.see(stopped)
    rebuilt = replace(idle, epochs={"s0": watch.now + timedelta(seconds=50)})
    assert [watch.see(rebuilt).state(NAME) for _ in range(2)] == [State.SLOT_IDLE, State.ZOMBIE]


def test_a_connector_that_somebody_deleted_or_changed_is_reported_and_one_that_is_new_or_redeclared_is_not() -> None:
    """Seen: both were set right without a word."""
    assert Watch().see(with_status(None)).alerts == ()
    watch = Watch()
    watch.see(well())
    (alert,) = watch.see(with_status(None)).alerts
    assert "was deleted by somebody" in alert.text
    watch = Watch()
    watch.see(well())
    (alert,) = watch.see(with_status(running(), config={"slot.name": "other"})).alerts
    assert "Somebody changed it since the last run" in alert.text
    watch = Watch()
    watch.see(with_status(running(), config={"slot.name": "of the last release"}))
    released = with_status(running(), config={"slot.name": "of the last release"})
    assert not isinstance(released.running, Unknown)
    new = {**CONFIGS, NAME: {"slot.name": "of this release"}}
    decision = watch.see(replace(released, plan=plan(new, released.running)), later=timedelta(seconds=30))
    assert decision.alerts == ()


def test_a_first_run_does_not_call_a_snapshot_complete_that_stands_in_the_offsets() -> None:
    """Seen: "every snapshot is complete" in a first run, while that very snapshot failed the task at each start."""
    offset = {
        "lsn": 1,
        "incremental_snapshot_collections": '[{"incremental_snapshot_collections_id":"public.activities"}]',
    }
    trace = "java.lang.NullPointerException\n\tat io.debezium.pipeline.source.snapshot.incremental.X.read(X.java:1)"
    facts = with_status(running(tasks=("FAILED",), trace=trace))
    facts = replace(facts, shards={**well().shards, "s0": shard(signals=(SIGNAL,))}, offsets={NAME: offset})
    decision = Watch().see(facts)
    (snapshots,) = (s.sentence for s in decision.subjects if s.subject == SNAPSHOTS)
    assert "brought every row" not in snapshots
    assert "public.activities is being read" in snapshots
    assert decision.state(NAME) == State.SNAPSHOT_POISONED
    assert (decision.actions, [p.dag_id for p in decision.proposals]) == ((), ["cdc_end_snapshot"])


@pytest.mark.parametrize(
    ("trace", "cause"),
    [
        ("a.b.ConnectException: boom\n\tat x.Y.z(Y.java:1)\nCaused by: c.d.IOError: full", "IOError: full"),
        (
            "a.b.ConnectException: The producer failed\n"
            "Caused by: java.lang.NullPointerException\n\tat io.debezium.A.b(A:1)",
            "ConnectException: The producer failed (no reason given in io.debezium.A.b)",
        ),
        ("java.lang.NullPointerException\n\tat io.debezium.A.b(A.java:1)", "no reason given in io.debezium.A.b"),
        ("", "no trace"),
    ],
)
def test_no_cause_is_a_nullpointerexception_alone(trace: str, cause: str) -> None:
    assert first_cause(trace) == cause


def test_a_database_without_room_is_more_than_one_that_is_away() -> None:
    full = Unknown('The database does not answer (could not extend file "base/1/2": No space left on device).')
    decision = Watch().see(well(shards={**well().shards, "s0": full}))
    assert decision.state(NAME) == State.DISK_FULL
    assert [alert.subject for alert in decision.alerts] == [NAME]
    refused = with_shard(heartbeat=90.0, write_refused="could not extend file: No space left on device")
    assert Watch().see(refused).state(NAME) == State.DISK_FULL


def test_a_heartbeat_from_the_future_hides_no_standstill() -> None:
    watch = Watch()
    beating = [with_shard(heartbeat=-86_400.0, beats=beats) for beats in (1, 13)]
    assert [watch.see(facts).state(NAME) for facts in beating] == [State.CLOCK_JUMPED] * 2
    assert [watch.see(beating[1], later=2 * MINUTE).state(NAME) for _ in range(2)][-1] == State.STALLED


def test_a_warehouse_that_is_away_is_reported_and_connectors_are_restarted_all_the_same() -> None:
    away = replace(with_status(running(tasks=("FAILED",))), warehouse=AWAY, loaded=AWAY, epochs=AWAY)
    watch = Watch()
    assert [a.act for a in watch.see(away).actions] == [ActionKind.RESTART_FAILED]
    for _ in range(3):
        decision = watch.see(away)
    assert "warehouse" in [alert.subject for alert in decision.alerts]
