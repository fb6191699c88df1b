"""The state of what all sources share: Connect, Kafka, the warehouse, the clock, the loader, Snowflake's sink. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from catchment.cdc.health.facts import Facts, Unknown
from catchment.cdc.health.history import History
from catchment.cdc.health.observation import (
    CLOCK,
    CONNECT,
    KAFKA,
    LOADER,
    WAREHOUSE,
    Assessment,
    Observation,
    first_cause,
)
from catchment.cdc.health.policy import SEEN_TWICE, State
from catchment.cdc.loader.batch import Partition


def assess_parts(of: Callable[..., Observation], clock_ran_back: bool) -> Iterator[Assessment]:
    """Whether Connect, Kafka and the warehouse answer, and the check's own clock goes forward. They name themselves."""
    connect, kafka, warehouse, clock = (of(name=name) for name in (CONNECT, KAFKA, WAREHOUSE, CLOCK))
    facts = connect.facts

    def said(part: Observation, state: State, sentence: str, *, news: bool = False) -> Assessment:
        return replace(part.describe(state, "", news=news), sentence=sentence)

    if isinstance(facts.running, Unknown):
        state = State.REBALANCING if facts.running.busy else State.CONNECT_DOWN
        yield said(connect, state, facts.running.because)
    else:
        yield said(connect, State.HEALTHY, f"Kafka Connect answers, with {len(facts.running)} connectors.")
    if isinstance(facts.ends, Unknown):
        yield said(kafka, State.KAFKA_DOWN, facts.ends.because)
    else:
        yield said(kafka, State.HEALTHY, f"Kafka answers, with {len(facts.ends)} partitions of declared topics.")
    if facts.warehouse:  # without it the check goes on, by the pauses that it knew last
        text = "The warehouse can't be asked for pauses, ledger and epochs; the last known pauses hold. "
        yield said(warehouse, State.WAREHOUSE_DOWN, text + facts.warehouse.because)
    else:
        yield said(warehouse, State.HEALTHY, "The warehouse answers.")
    if clock_ran_back:
        text = (
            "This machine's clock was set back: the last run was later than now. Waits begin again from now; times in "
            "RAW.CATCHMENT.CDC_HEALTH overlap. See that the workers keep time (chrony, NTP)."
        )
        yield said(clock, State.CLOCK_JUMPED, text, news=True)
    else:
        yield said(clock, State.HEALTHY, "The clock of this check goes forward.")


def assess_loader(observed: Observation) -> Assessment:
    """Whether what is in Kafka gets into raw: stuck is a partition that has a record to load, and did not move."""
    facts = observed.facts
    if observed.pause:
        return observed.silenced(observed.pause)
    if isinstance(facts.ends, Unknown):
        return observed.describe(State.UNKNOWN, "can't be judged without Kafka.", explained=True)
    if isinstance(facts.loaded, Unknown):
        return observed.describe(State.UNKNOWN, f"can't be judged: {facts.loaded.because}", explained=True)
    behind = facts.behind()
    lag = sum(end - loaded for loaded, end in behind.values())
    moved_at = str(observed.before("moved_at") or "")
    busy = sorted(name for name, at in facts.loaders.items() if moved_at and at.isoformat() > moved_at)
    detail = {
        "behind": {str(p): [loaded, end] for p, (loaded, end) in behind.items()},
        "lag": lag,
        "busy": busy,  # who moved the ledger on since it was last moved before the run before
        "moved_at": max((at.isoformat() for at in facts.loaders.values()), default=""),
    }
    if isinstance(facts.waiting, Unknown):
        text = (
            f"may be stuck: partitions did not move, and whether they have records is unknown: {facts.waiting.because}"
        )
        return observed.describe(State.UNKNOWN, text, detail)
    stuck = [partition for partition in behind if facts.waiting.get(partition)]
    if stuck:
        worst = max(stuck, key=lambda partition: behind[partition][1] - behind[partition][0])
        text = (
            f"is stuck. {len(stuck)} partitions have records to load and did not move since the run before; the "
            f"farthest behind is {worst}, at offset {behind[worst][0]} of {behind[worst][1]}. Read its log; restart it."
        )
        return observed.describe(State.LOADER_STUCK, text, detail)
    if len(busy) > 1 and len(observed.before("busy") or ()) > 1:
        text = (
            f"{len(busy)} of them move the ledger on ({', '.join(busy)}), now and a run ago: two loaders run, or one "
            "starts again and again. Each batch is loaded by one alone and no row twice, but they undo each other's "
            "work. Stop one."
        )
        return observed.describe(State.TWO_LOADERS, text, detail)
    return observed.describe(State.HEALTHY, f"at most {lag} offsets behind.", detail)


def suspicious(facts: Facts, history: History, now: datetime) -> dict[Partition, int]:
    """Partitions that may be stuck: behind a run ago and now, at the same offset, which it gives.

    End offsets also count markers of transactions, so whether there is a record to load is asked of Kafka for these."""
    seen = history.recent(LOADER, now)
    before = seen.detail.get("behind", {}) if seen and now - seen.at >= SEEN_TWICE else {}
    return {p: loaded for p, (loaded, _) in facts.behind().items() if before.get(str(p), [None])[0] == loaded}


def assess_sink(observed: Observation) -> Assessment:
    """The state of Snowflake's sink as a connector; whether rows get through is the loader's question."""
    status = observed.status
    if observed.pause:
        return observed.silenced(observed.pause)
    if isinstance(observed.facts.running, Unknown):
        return observed.describe(State.UNKNOWN, "can't be seen.", explained=True)
    if observed.running is None:
        return observed.describe(State.MISSING, "is declared and does not exist. It is created.")
    if status is None or (status.state == "RUNNING" and not status.tasks):
        return observed.describe(State.NO_TASKS, "has no tasks. It is restarted as a whole.")
    if status.state in ("PAUSED", "STOPPED"):
        held = State(status.state.lower())
        return observed.describe(held, f"is {held}, and nobody wrote down why. Resume it, or use the DAG cdc_pause.")
    if status.failed or status.state == "FAILED":
        trace = status.failed[0].trace if status.failed else status.trace
        return observed.describe(State.FAILED, f"{len(status.failed)} tasks failed: {first_cause(trace)}")
    if observed.drift:
        return observed.describe(State.DRIFTED, f"is not as declared, and is set right: {observed.drift}.")
    return observed.describe(State.HEALTHY, "its tasks run.")
