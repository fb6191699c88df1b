"""Each trouble is told from every other by facts alone: a row is what is seen, and what it is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from catchment.cdc.connectors.client import ConnectorStatus, Running, TaskStatus
from catchment.cdc.connectors.pauses import Pause
from catchment.cdc.health.facts import (
    Facts,
    SnapshotCount,
    SnapshotSignal,
    Unknown,
    snapshotting,
    snapshotting_incrementally,
)
from catchment.cdc.health.policy import MEBI, State
from catchment.cdc.health.snapshots import questions
from catchment.cdc.loader.batch import Partition
from tests.support.cdc_health import (
    APPLICATION,
    AWAY,
    CONFIGS,
    MINUTE,
    NAME,
    START,
    Watch,
    running,
    shard,
    slot,
    well,
    with_shard,
    with_status,
)

REPLIES = Path(__file__).parent / "replies"
REFUSED = Unknown("the database refuses the login", away=False)


def recorded(name: str) -> ConnectorStatus:
    reply = json.loads((REPLIES / f"{name}.json").read_text())
    tasks = tuple(TaskStatus(t["id"], t["state"], trace=t.get("trace", "")) for t in reply["tasks"])
    return ConnectorStatus(reply["connector"]["state"], tasks)


def failed(trace: str = "boom") -> ConnectorStatus:
    return running(tasks=("FAILED",), trace=trace)


ROWS = [
    ("all is well", well(), State.HEALTHY),
    ("a recorded running one", with_status(recorded("status_running")), State.HEALTHY),
    ("a task that failed behind RUNNING", with_status(failed()), State.FAILED),
    ("one of two tasks failed", with_status(running(tasks=("RUNNING", "FAILED"))), State.FAILED),
    ("the connector itself failed", with_status(running("FAILED", ())), State.FAILED),
    ("a recorded wrong password", with_status(recorded("status_failed_wrong_password")), State.PASSWORD_REFUSED),
    ("no publication, not failed yet", with_shard(unpublished=None), State.PUBLICATION_MISSING),
    (
        "no publication, and failed",
        replace(
            with_status(recorded("status_failed_publication_dropped")),
            shards={**well().shards, "s0": shard(unpublished=None)},
        ),
        State.PUBLICATION_MISSING,
    ),
    (
        "a publication that is there again",
        with_status(recorded("status_failed_publication_dropped")),
        State.FAILED,
    ),
    ("a table that is not published", with_shard(unpublished=("public.events",)), State.UNPUBLISHED),
    (
        "a recorded dropped slot",
        replace(with_status(recorded("status_after_slot_dropped")), shards={**well().shards, "s0": shard(slot=None)}),
        State.SLOT_MISSING,
    ),
    ("a slot that vanished behind RUNNING", with_shard(slot=None), State.SLOT_MISSING),
    (
        "a recorded lost slot with no tasks",
        replace(
            with_status(recorded("status_slot_lost_running_no_tasks")),
            shards={**well().shards, "s0": shard(slot=slot(active=False, wal_status="lost"))},
        ),
        State.SLOT_LOST,
    ),
    ("a slot about to be lost", with_shard(slot=slot(wal_status="unreserved")), State.SLOT_AT_RISK),
    ("little WAL left to write", with_shard(slot=slot(safe_wal=10 * MEBI, held=99 * MEBI)), State.SLOT_AT_RISK),
    ("little WAL allowed but none held", with_shard(slot=slot(safe_wal=10 * MEBI, held=0)), State.HEALTHY),
    ("an idle slot, seen once", with_shard(slot=slot(active=False)), State.SLOT_IDLE),
    (
        "an idle slot in the initial snapshot",
        replace(with_shard(slot=slot(active=False)), offsets={NAME: {"snapshot": "INITIAL"}}),
        State.SNAPSHOTTING,
    ),
    (
        "a connector that has read nothing yet",
        replace(with_shard(slot=None), offsets={NAME: {}}),
        State.STALLED,
    ),
    ("RUNNING with no tasks", with_status(running(tasks=())), State.NO_TASKS),
    ("deleted", with_status(None), State.MISSING),
    ("another setting", with_status(running(), config={"slot.name": "other"}), State.DRIFTED),
    ("paused by nobody", with_status(recorded("status_paused")), State.PAUSED),
    ("stopped by nobody", with_status(recorded("status_stopped")), State.STOPPED),
    ("a worker that left", with_status(running(tasks=("UNASSIGNED",))), State.REBALANCING),
    ("restarting", with_status(running(tasks=("RESTARTING",))), State.STARTING),
    ("the database is away", well(shards={**well().shards, "s0": AWAY}), State.DATABASE_DOWN),
    (
        "the database is away and the task failed of it",
        replace(with_status(failed()), shards={**well().shards, "s0": AWAY}),
        State.DATABASE_DOWN,
    ),
    ("the database refuses us alone", well(shards={**well().shards, "s0": REFUSED}), State.UNKNOWN),
    ("no heartbeat for two minutes", with_shard(heartbeat=120.0), State.STALLED),
    ("no row to beat in", with_shard(heartbeat=None), State.STALLED),
    ("far too much WAL held", with_shard(slot=slot(held=5000 * MEBI)), State.WAL_GROWING),
    ("Connect is away", well(running=AWAY, plan=AWAY, offsets={}), State.UNKNOWN),
]


@pytest.mark.parametrize(("facts", "state"), [pytest.param(f, s, id=name) for name, f, s in ROWS])
def test_a_source_is_in_the_state_that_the_facts_say(facts: Facts, state: State) -> None:
    decision = Watch().see(facts)
    assert decision.state(NAME) == state
    assert decision.state("application-s1") in (State.HEALTHY, State.UNKNOWN)


def test_every_sentence_names_the_subject() -> None:
    for _, facts, _ in ROWS:
        for subject in Watch().see(facts).subjects:
            assert subject.subject in ("connect", "kafka") or subject.subject in subject.sentence


@pytest.mark.parametrize(
    ("facts", "subject", "state"),
    [
        (well(running=AWAY, plan=AWAY), "connect", State.CONNECT_DOWN),
        (well(running=Unknown("409", busy=True), plan=AWAY), "connect", State.REBALANCING),
        (well(ends=AWAY), "kafka", State.KAFKA_DOWN),
        (well(ends=AWAY), "loader", State.UNKNOWN),
        (well(loaded=AWAY), "loader", State.UNKNOWN),
    ],
)
def test_what_all_share_has_a_state_of_its_own(facts: Facts, subject: str, state: State) -> None:
    assert Watch().see(facts).state(subject) == state


# --- seen twice -----------------------------------------------------------------------------------------------------


def test_an_idle_slot_seen_twice_is_a_zombie() -> None:
    watch, idle = Watch(), with_shard(slot=slot(active=False))
    assert [watch.see(idle).state(NAME) for _ in range(2)] == [State.SLOT_IDLE, State.ZOMBIE]


def test_an_idle_slot_right_after_the_database_came_back_is_no_zombie_yet() -> None:
    watch = Watch()
    for _ in range(3):
        watch.see(well(shards={**well().shards, "s0": AWAY}))
    assert watch.see(with_shard(slot=slot(active=False), heartbeat=200.0)).state(NAME) == State.SLOT_IDLE


def test_a_slot_that_is_idle_after_our_own_restart_gets_time_to_open() -> None:
    watch = Watch()
    watch.see(with_status(failed()))
    idle = with_shard(slot=slot(active=False))
    assert watch.see(idle).state(NAME) == State.STARTING
    assert watch.see(idle).state(NAME) == State.ZOMBIE


def test_wal_that_grows_while_the_slot_stays_is_found_in_the_second_run() -> None:
    watch = Watch()
    watch.see(with_shard(wal=1000))
    grown = with_shard(wal=1000 + 80 * MEBI, slot=slot(held=80 * MEBI))
    assert watch.see(grown).state(NAME) == State.WAL_GROWING


def test_wal_that_grows_while_the_slot_follows_is_well() -> None:
    watch = Watch()
    for run in range(1, 5):
        at = run * 100 * MEBI
        assert watch.see(with_shard(wal=at, slot=slot(confirmed_flush=at, held=MEBI))).state(NAME) == State.HEALTHY


def test_a_loader_that_did_not_move_and_has_a_record_to_load_is_stuck() -> None:
    watch, first = Watch(), Partition("s0.public.accounts", 0)
    behind = well(ends={first: 20}, loaded={first: 10})
    assert watch.see(behind).state("loader") == State.HEALTHY
    assert watch.see(replace(behind, waiting={first: True})).state("loader") == State.LOADER_STUCK


def test_a_loader_that_may_be_stuck_is_not_called_well_while_kafka_does_not_say() -> None:
    """Who can't ask whether a record waits does not know that none does; the next run still compares with this one."""
    watch, first = Watch(), Partition("s0.public.accounts", 0)
    behind = well(ends={first: 20}, loaded={first: 10})
    watch.see(behind)
    decision = watch.see(replace(behind, waiting=Unknown("Kafka could not fetch: it is tried again.")))
    assert decision.state("loader") == State.UNKNOWN
    assert watch.see(replace(behind, waiting={first: True})).state("loader") == State.LOADER_STUCK


def test_a_loader_at_the_end_but_for_transaction_markers_is_well() -> None:
    watch, first = Watch(), Partition("s0.public.accounts", 0)
    for _ in range(3):
        decision = watch.see(well(ends={first: 11}, loaded={first: 10}, waiting={first: False}))
        assert decision.state("loader") == State.HEALTHY


# --- another slot ---------------------------------------------------------------------------------------------------


def decoded(count: int, since: str = "Monday") -> Facts:
    return with_shard(slot=slot(decoded=count, counted_since=since))


def test_a_slot_whose_count_fell_was_dropped_and_made_again_and_stays_so_until_an_epoch_begins() -> None:
    watch = Watch()
    counts = [900, 950, 12, 40, 2000]
    states = [watch.see(decoded(count)).state(NAME) for count in counts]
    assert states == [State.HEALTHY, State.HEALTHY, *[State.SLOT_REPLACED] * 3]
    begun = replace(decoded(2100), epochs={"s0": watch.now})
    assert [watch.see(begun).state(NAME) for _ in range(2)] == [State.HEALTHY] * 2


def test_a_slot_that_was_gone_in_between_is_another_one_too() -> None:
    watch = Watch()
    states = [watch.see(facts).state(NAME) for facts in (decoded(900), with_shard(slot=None), decoded(12))]
    assert states == [State.HEALTHY, State.SLOT_MISSING, State.SLOT_REPLACED]


def test_a_slot_that_was_replaced_while_its_database_was_away_is_found_and_not_forgotten() -> None:
    watch, away = Watch(), well(shards={**well().shards, "s0": AWAY})
    states = [watch.see(facts).state(NAME) for facts in (decoded(900), away, decoded(12), away, decoded(40))]
    assert states == [
        State.HEALTHY,
        State.DATABASE_DOWN,
        State.SLOT_REPLACED,
        State.SLOT_REPLACED,
        State.SLOT_REPLACED,
    ]


def test_counters_that_a_crash_reset_are_no_other_slot() -> None:
    watch = Watch()
    assert [watch.see(f).state(NAME) for f in (decoded(900), decoded(12, "Tuesday"))] == [State.HEALTHY] * 2


def test_a_new_slot_of_a_new_epoch_is_as_it_should_be() -> None:
    watch = Watch()
    watch.see(decoded(900))
    rebuilt = replace(decoded(12), epochs={"s0": watch.now + timedelta(seconds=30)})
    assert watch.see(rebuilt).state(NAME) == State.HEALTHY


# --- snapshots ------------------------------------------------------------------------------------------------------

SIGNAL = SnapshotSignal("resnapshot-1", (r"public\.activities",))


def counted(seen: int) -> Facts:
    facts = with_shard(signals=(SIGNAL,))
    return replace(facts, counts=(SnapshotCount("s0", "activities", SIGNAL.id, 30_602, seen),))


def snapshots(watch: Watch, facts: Facts) -> State:
    return watch.see(facts).state(f"{NAME}/snapshots")


def test_a_snapshot_that_lacks_rows_twice_with_none_more_skipped_them() -> None:
    watch = Watch()
    watch.see(well())
    assert snapshots(watch, with_shard(signals=(SIGNAL,))) == State.HEALTHY
    assert [snapshots(watch, counted(4096)) for _ in range(2)] == [State.HEALTHY, State.SNAPSHOT_INCOMPLETE]


def test_a_snapshot_that_is_still_arriving_is_no_shortage() -> None:
    watch = Watch()
    for seen in (None, 4096, 8192, 30_602):
        facts = well() if seen is None else counted(seen)
        assert snapshots(watch, facts) == State.HEALTHY


def test_a_snapshot_is_counted_only_when_debezium_has_read_its_signal() -> None:
    watch = Watch()
    watch.see(well())
    unread = with_shard(signals=(SIGNAL,), wal=5000)
    watch.see(unread)
    read = with_shard(signals=(SIGNAL,), wal=9000, slot=slot(confirmed_flush=5000))

    asked = [[q.signal for q in questions(APPLICATION, f, watch.history, watch.now + MINUTE)] for f in (unread, read)]

    assert asked == [[], [SIGNAL.id]]


def test_a_shortage_stands_until_a_later_snapshot_of_the_table_is_whole() -> None:
    watch = Watch()
    for facts in (well(), with_shard(signals=(SIGNAL,)), counted(4096), counted(4096), with_shard(signals=(SIGNAL,))):
        state = snapshots(watch, facts)
    assert state == State.SNAPSHOT_INCOMPLETE
    again = replace(SIGNAL, id="resnapshot-2")
    whole = SnapshotCount("s0", "activities", again.id, 30_602, 30_602)
    assert snapshots(watch, replace(with_shard(signals=(SIGNAL, again)), counts=(whole,))) == State.HEALTHY


def test_signals_that_were_there_before_the_first_run_are_taken_as_settled() -> None:
    watch = Watch()
    assert [snapshots(watch, counted(1)) for _ in range(3)] == [State.HEALTHY] * 3


@pytest.mark.parametrize(
    ("offset", "initial", "incremental"),
    [
        ({"lsn": 1}, False, False),
        ({"lsn": 1, "snapshot": "INITIAL", "snapshot_completed": False}, True, False),
        ({"lsn": 1, "snapshot": "INITIAL", "snapshot_completed": True}, False, False),
        ({"lsn": 1, "incremental_snapshot_collections": "[…]"}, False, True),
        (None, False, False),
        (AWAY, False, False),
    ],
)
def test_debeziums_offset_says_which_snapshot_goes_on(offset: object, initial: bool, incremental: bool) -> None:
    assert snapshotting(offset) is initial
    assert snapshotting_incrementally(offset) is incremental


# --- people ---------------------------------------------------------------------------------------------------------


def paused(facts: Facts, minutes: int = 60) -> Facts:
    pause = Pause(
        connector=NAME, owner="Ada", reason="index rebuild", starts=START, ends=START + timedelta(minutes=minutes)
    )
    return replace(facts, pauses={NAME: pause})


@pytest.mark.parametrize(
    "facts", [with_status(recorded("status_paused")), with_status(failed()), with_status(None), with_shard(slot=None)]
)
def test_what_a_person_paused_is_left_alone_with_name_reason_and_end(facts: Facts) -> None:
    decision = Watch().see(paused(facts))
    (subject,) = [s for s in decision.subjects if s.subject == NAME]
    assert subject.state == State.SILENCED
    assert "Ada" in subject.sentence
    assert "index rebuild" in subject.sentence
    assert (decision.actions, decision.alerts, decision.proposals) == ((), (), ())


def test_after_its_end_a_pause_is_watched_again_and_its_owner_named() -> None:
    watch = Watch()
    facts = paused(with_status(recorded("status_paused")), minutes=2)
    states = [watch.see(facts, later=MINUTE) for _ in range(3)]
    assert [d.state(NAME) for d in states] == [State.SILENCED, State.PAUSED, State.PAUSED]
    assert "Ada" in states[1].alerts[0].text


@pytest.mark.parametrize("held", [slot(wal_status="unreserved"), slot(wal_status="lost", active=False)])
def test_a_pause_does_not_silence_what_loses_data(held: object) -> None:
    decision = Watch().see(paused(with_shard(slot=held)))
    assert [alert.subject for alert in decision.alerts] == [NAME]
    assert decision.proposals == ()


def test_connectors_that_nobody_declared_are_named_and_left_alone() -> None:
    from catchment.cdc.connectors.plan import plan

    strangers = {"stranger": Running("stranger", {}, failed())}
    connectors = {**{name: Running(name, config, running()) for name, config in CONFIGS.items()}, **strangers}
    decision = Watch().see(well(running=connectors, plan=plan(CONFIGS, connectors)))
    assert decision.state("stranger") == State.UNDECLARED
    assert (decision.actions, decision.alerts) == ((), ())
