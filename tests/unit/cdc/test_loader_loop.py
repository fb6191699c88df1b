"""The loader, whatever fails and whenever: every committed record of Kafka is in raw once."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catchment.cdc.declared import Application, parse
from catchment.cdc.loader import loader as module
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.loader import Loader, LoaderSettings
from catchment.cdc.loader.offsets import Position
from catchment.cdc.loader.status import LoaderStatus, is_well
from catchment.errors import NeedsPerson
from tests.support.kafka import Cluster, Log, Raw

TOPIC = "s0.public.users"
OTHER = "s1.public.users"
ONE_TABLE = """
source = "application"
database = "app"
schema = "public"
publication = "catchment"
[[shards]]
name = "s0"
[[shards]]
name = "s1"
[[tables]]
name = "users"
key = ["id"]
columns = {id = "bigint"}
"""
ANOTHER = '[[tables]]\nname = "plans"\nkey = ["id"]\ncolumns = {id = "bigint"}\n'


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_pause", lambda troubles: 0.0)
    monkeypatch.setattr(module, "STANDBY", 0.0)


def load(
    cluster: Cluster,
    raw: Raw,
    until: Callable[[], bool],
    declared: Callable[[], Application] = lambda: parse(ONE_TABLE),
    status: LoaderStatus | None = None,
    seconds: float = 10,
    **fields: float,
) -> LoaderStatus:
    """Run a loader until a condition holds, then tell it to stop."""
    loader = Loader(
        open_warehouse=raw.session,
        open_kafka=cluster.client,
        settings=LoaderSettings(**{"refresh_seconds": 0.0, **fields}),
        declared=declared,
        status=status or LoaderStatus(),
    )
    thread = threading.Thread(target=loader.run)
    thread.start()
    deadline = time.monotonic() + seconds
    while not until() and time.monotonic() < deadline and thread.is_alive():
        time.sleep(0.002)
    loader.stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert until(), f"did not come to pass: {loader.status}"
    return loader.status


def places(cluster: Cluster, topic: str) -> list[tuple[int, int]]:
    return sorted((p.number, o) for p, log in cluster.logs.items() if p.topic == topic for o in log.records)


def everything_is_loaded(cluster: Cluster, raw: Raw) -> Callable[[], bool]:
    return lambda: all(
        p in raw.offsets and raw.offsets[p].next_offset == log.end
        for p, log in cluster.logs.items()
        if p.topic in (TOPIC, OTHER)
    )


def test_every_record_is_loaded_with_how_far_it_got() -> None:
    cluster, raw = Cluster(), Raw()
    for log in cluster.topic(TOPIC, 3):
        for _ in range(10):
            log.add()
    load(cluster, raw, everything_is_loaded(cluster, raw))
    assert raw.of(TOPIC) == places(cluster, TOPIC)
    assert raw.offsets[Partition(TOPIC, 2)] == Position(10, "one")


def test_a_commit_that_came_to_nothing_is_found_out_when_nothing_follows() -> None:
    cluster, raw = Cluster(), Raw(ended=1)
    for log in cluster.topic(TOPIC, 2):
        log.add()
    load(cluster, raw, everything_is_loaded(cluster, raw))
    assert raw.of(TOPIC) == places(cluster, TOPIC)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), rate=st.sampled_from([0.1, 0.4]))
def test_nothing_is_lost_or_doubled_whatever_fails(seed: int, rate: float) -> None:
    chance = random.Random(seed)
    cluster, raw = Cluster(), Raw()
    for topic in (TOPIC, OTHER):
        for log in cluster.topic(topic, 2):
            for _ in range(chance.randrange(40)):
                log.mark() if chance.random() < 0.2 else log.add()
    cluster.fails = lambda verb: chance.random() < rate / 4
    raw.fails = lambda when: chance.random() < rate
    load(cluster, raw, everything_is_loaded(cluster, raw))
    assert raw.of(TOPIC) == places(cluster, TOPIC)
    assert raw.of(OTHER) == places(cluster, OTHER)


def test_two_loaders_at_once_double_nothing() -> None:
    cluster, raw = Cluster(), Raw()
    log, *_ = cluster.topic(TOPIC)
    for _ in range(200):
        log.add()
    done = everything_is_loaded(cluster, raw)
    both = [
        threading.Thread(target=load, args=(cluster, raw, done)),
        threading.Thread(target=load, args=(cluster, raw, done)),
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert raw.of(TOPIC) == places(cluster, TOPIC)


def test_offsets_move_past_transaction_markers_when_nothing_else_happens() -> None:
    cluster, raw = Cluster(), Raw()
    log, *_ = cluster.topic(TOPIC)
    log.add()
    log.mark()
    load(cluster, raw, lambda: raw.offsets.get(Partition(TOPIC, 0), Position(0, None)).next_offset == 2)


def test_what_was_read_before_a_stop_is_loaded() -> None:
    cluster, raw = Cluster(), Raw()
    log, *_ = cluster.topic(TOPIC)
    log.add()
    status = load(cluster, raw, lambda: bool(raw.offsets), flush_seconds=0)
    log.add()
    log.add()
    load(cluster, raw, lambda: len(raw.of(TOPIC)) >= 1, flush_seconds=3600)
    assert status.state == "loading"
    assert raw.of(TOPIC) == [(0, n) for n in range(raw.offsets[Partition(TOPIC, 0)].next_offset)]


def test_topics_partitions_and_tables_that_are_new_are_picked_up() -> None:
    cluster, raw = Cluster(), Raw()
    cluster.topic(TOPIC)[0].add()
    text = [ONE_TABLE]

    def grow() -> bool:
        if raw.of(TOPIC) == [(0, 0)] and OTHER not in cluster.ids:
            cluster.topic(OTHER)[0].add()
            text[0] += ANOTHER
            cluster.topic("s0.public.plans")[0].add()
        return raw.of(OTHER) == raw.of("s0.public.plans") == [(0, 0)]

    load(cluster, raw, grow, declared=lambda: parse(text[0]))
    made = [statement for statement in raw.statements if "S0_PLANS" in statement]
    assert made
    assert made[0].startswith("CREATE TABLE IF NOT EXISTS RAW.APPLICATION.S0_PLANS")


def test_a_topic_whose_leader_is_not_known_yet_is_taken_up_a_moment_later() -> None:
    cluster, raw = Cluster(), Raw()
    for log in (*cluster.topic(TOPIC), *cluster.topic(OTHER)):
        log.add()
    cluster.unknown = {Partition(OTHER, 0)}

    def then() -> bool:
        if raw.of(TOPIC):
            cluster.unknown = set()
        return bool(raw.of(OTHER))

    load(cluster, raw, then)
    assert raw.of(TOPIC) == raw.of(OTHER) == [(0, 0)]


def test_a_declaration_that_breaks_while_it_runs_leaves_the_last_one() -> None:
    cluster, raw = Cluster(), Raw()
    log, *_ = cluster.topic(TOPIC)
    log.add()
    asked = iter([ONE_TABLE])

    def declared() -> Application:
        return parse(next(asked, "[[tables"))

    def more() -> bool:
        if len(raw.of(TOPIC)) == 1 and len(log.records) == 1:
            log.add()
        return len(raw.of(TOPIC)) == 2

    load(cluster, raw, more, declared=declared)


def test_poison_goes_to_the_rejects_and_the_rest_goes_on() -> None:
    cluster, raw = Cluster(), Raw()
    log, *_ = cluster.topic(TOPIC)
    log.add()
    log.add(b"\x00poison")
    log.add()
    status = load(cluster, raw, everything_is_loaded(cluster, raw))
    assert raw.of(TOPIC) == [(0, 0), (0, 1), (0, 2)]  # the reject's key
    assert [(r.topic, r.partition, r.offset) for r in raw.rejects] == [(TOPIC, 0, 1)]
    assert (status.rows, status.rejected) == (3, 1)


def test_a_topic_that_was_made_again_stops_alone_and_loudly(caplog: pytest.LogCaptureFixture) -> None:
    cluster, raw = Cluster(), Raw()
    raw.offsets[Partition(TOPIC, 0)] = Position(50, "one")
    for log in (*cluster.topic(TOPIC, id="two"), *cluster.topic(OTHER)):
        for _ in range(60):
            log.add()
    status = load(cluster, raw, lambda: len(raw.of(OTHER)) == 60)
    assert raw.of(TOPIC) == []
    assert raw.offsets[Partition(TOPIC, 0)] == Position(50, "one")
    assert "deleted and made again" in status.stopped[TOPIC]
    assert "docs/runbooks/cdc_topic_stopped.md" in caplog.text


@pytest.mark.parametrize("looks_every", [0.0, 3600.0])
def test_a_topic_made_again_while_the_loader_runs_is_not_read_on(looks_every: float) -> None:
    cluster, raw = Cluster(), Raw()
    for log in (*cluster.topic(TOPIC), *cluster.topic(OTHER)):
        log.add()
    status = LoaderStatus()

    def then() -> bool:
        if raw.of(TOPIC) and cluster.ids[TOPIC] == "one":
            longer = Log()
            for _ in range(5):
                longer.add()
            cluster.ids[TOPIC], cluster.logs[Partition(TOPIC, 0)] = "two", longer
        return TOPIC in status.stopped

    load(cluster, raw, then, status=status, refresh_seconds=looks_every)
    assert raw.of(TOPIC) == [(0, 0)]


def test_a_stopped_topic_goes_on_once_a_person_has_corrected_the_ledger() -> None:
    cluster, raw = Cluster(), Raw()
    raw.offsets[Partition(TOPIC, 0)] = Position(50, "one")
    cluster.topic(TOPIC)[0].add()
    status = LoaderStatus()

    def then() -> bool:
        if TOPIC in status.stopped:
            raw.offsets.pop(Partition(TOPIC, 0), None)
        return raw.of(TOPIC) == [(0, 0)]

    load(cluster, raw, then, status=status)


def test_a_full_batch_waits_for_the_warehouse_and_reads_no_further() -> None:
    cluster, raw = Cluster(), Raw()
    log, *_ = cluster.topic(TOPIC)
    for _ in range(100):
        log.add()
    free = threading.Event()
    raw.fails = lambda when: when == "before" and not free.wait(0.5) and False
    threading.Timer(0.3, free.set).start()
    client = cluster.client()
    cluster.client = lambda: client
    seen: list[int] = []
    poll = client.poll

    def counted(seconds: float, most: int = 0) -> object:
        if not free.is_set():
            seen.append(client.at[Partition(TOPIC, 0)])
        return poll(seconds, most)

    client.poll = counted
    load(cluster, raw, everything_is_loaded(cluster, raw), batch_rows=10)
    assert max(seen) <= 30
    assert raw.of(TOPIC) == places(cluster, TOPIC)


def test_the_status_file_tells_a_loader_that_loads_from_one_that_waits(tmp_path: Path) -> None:
    path, now = tmp_path / "status.json", datetime.now(UTC)
    assert not is_well(path, now)[0]
    cluster, raw = Cluster(), Raw()
    cluster.topic(TOPIC)[0].add()
    status = LoaderStatus(path)
    load(cluster, raw, everything_is_loaded(cluster, raw), status=status)
    status.write(now=True)
    assert json.loads(path.read_text())["rows"] == 1
    assert is_well(path, now)[0]
    assert not is_well(path, now + timedelta(minutes=5))[0]
    raw.fails = lambda when: True
    cluster.topic(OTHER)[0].add()
    load(cluster, raw, lambda: status.problem is not None, status=status)
    well, sentence = is_well(path, now)
    assert (well, "The warehouse is away" in sentence) == (False, True)


def test_settings_come_from_the_environment_and_a_bad_one_is_named() -> None:
    given = LoaderSettings.from_env({"CATCHMENT_CDC_FLUSH_SECONDS": "2.5", "CATCHMENT_CDC_NAME": "blue"})
    assert (given.flush_seconds, given.name, given.batch_rows) == (2.5, "blue", 100_000)
    with pytest.raises(NeedsPerson, match="CATCHMENT_CDC_BATCH_ROWS is 'many'"):
        LoaderSettings.from_env({"CATCHMENT_CDC_BATCH_ROWS": "many"})
