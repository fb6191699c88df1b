"""The state of what all sources share: Connect, Kafka, the warehouse, the clock, the loader, Snowflake's sink. Pure."""

from __future__ import annotations

from datetime import datetime

from catchment.cdc.health.assessment import CLOCK, CONNECT, KAFKA, LOADER, WAREHOUSE, Assessment, first_cause
from catchment.cdc.health.facts import Facts, Unknown
from catchment.cdc.health.history import History
from catchment.cdc.health.policy import SEEN_TWICE, State
from catchment.cdc.loader.batch import Partition


def assess_connect(facts: Facts) -> Assessment:
    """Whether Connect answers."""
    running = facts.running
    if not isinstance(running, Unknown):
        return Assessment(CONNECT, State.HEALTHY, f"Kafka Connect answers, with {len(running)} connectors.")
    state = State.REBALANCING if running.busy else State.CONNECT_DOWN
    return Assessment(CONNECT, state, running.because)


def assess_kafka(facts: Facts) -> Assessment:
    """Whether Kafka answers."""
    if isinstance(facts.ends, Unknown):
        return Assessment(KAFKA, State.KAFKA_DOWN, facts.ends.because)
    return Assessment(KAFKA, State.HEALTHY, f"Kafka answers, with {len(facts.ends)} partitions of declared topics.")


def assess_warehouse(facts: Facts) -> Assessment:
    """Whether the warehouse answers. Without it the check goes on, by the pauses that it knew last."""
    if facts.warehouse is not None:
        text = "The warehouse can't be asked for pauses, ledger and epochs; the last known pauses hold. "
        return Assessment(WAREHOUSE, State.WAREHOUSE_DOWN, text + facts.warehouse.because)
    return Assessment(WAREHOUSE, State.HEALTHY, "The warehouse answers.")


def assess_clock(ran_back: bool) -> Assessment:
    """Whether the check's own clock goes forward."""
    if ran_back:
        text = (
            "This machine's clock was set back: the last run was later than now. Waits begin again from now; times in "
            "RAW.CATCHMENT.CDC_HEALTH overlap. See that the workers keep time (chrony, NTP)."
        )
        return Assessment(CLOCK, State.CLOCK_JUMPED, text, news=True)
    return Assessment(CLOCK, State.HEALTHY, "The clock of this check goes forward.")


def assess_loader(facts: Facts, history: History, now: datetime, name: str = LOADER) -> Assessment:
    """Whether what is in Kafka gets into raw: stuck is a partition that has a record to load, and did not move."""
    if pause := facts.pause(name, now):
        text = f"{name}: paused until {pause.ends:%Y-%m-%d %H:%M} UTC, at the request of {pause.owner}: {pause.reason}."
        return Assessment(name, State.SILENCED, text)
    if isinstance(facts.ends, Unknown):
        return Assessment(name, State.UNKNOWN, f"{name}: can't be judged without Kafka.", explained=True)
    if isinstance(facts.loaded, Unknown):
        return Assessment(name, State.UNKNOWN, f"{name}: can't be judged: {facts.loaded.because}", explained=True)
    behind = facts.behind()
    lag = sum(end - loaded for loaded, end in behind.values())
    detail = {"behind": {str(p): [loaded, end] for p, (loaded, end) in behind.items()}, "lag": lag}
    seen = history.recent(name, now)
    before = seen.detail if seen else {}
    detail["busy"] = busy = _busy(facts, str(before.get("moved_at", "")))
    detail["moved_at"] = max((at.isoformat() for at in facts.loaders.values()), default="")
    stuck = [partition for partition in behind if facts.waiting.get(partition)]
    if not stuck and len(busy) > 1 and len(before.get("busy", ())) > 1:
        text = (
            f"{name}: {len(busy)} of them move the ledger on ({', '.join(busy)}), now and a run ago: two loaders run, "
            "or one starts again and again. Each batch is loaded by one alone and no row twice, but they undo each "
            "other's work. Stop one."
        )
        return Assessment(name, State.TWO_LOADERS, text, detail)
    if not stuck:
        return Assessment(name, State.HEALTHY, f"{name}: at most {lag} offsets behind.", detail)
    worst = max(stuck, key=lambda partition: behind[partition][1] - behind[partition][0])
    text = (
        f"{name}: is stuck. {len(stuck)} partitions have records to load and did not move since the run before; "
        f"the farthest behind is {worst}, at offset {behind[worst][0]} of {behind[worst][1]}. Read its log; restart it."
    )
    return Assessment(name, State.LOADER_STUCK, text, detail)


def _busy(facts: Facts, before: str) -> list[str]:
    """Who moved the ledger on since it was last moved before the run before."""
    return sorted(name for name, at in facts.loaders.items() if before and at.isoformat() > before)


def suspicious(facts: Facts, history: History, now: datetime, name: str = LOADER) -> tuple[Partition, ...]:
    """Partitions that may be stuck: behind a run ago and now, at the same offset. End offsets also count markers of
    transactions, so whether there is a record to load is asked of Kafka for these alone."""
    seen = history.recent(name, now)
    if seen is None or now - seen.at < SEEN_TWICE:
        return ()
    before = seen.detail.get("behind", {})
    return tuple(
        partition
        for partition, (loaded, _) in facts.behind().items()
        if before.get(str(partition), [None])[0] == loaded
    )


def assess_sink(facts: Facts, name: str, now: datetime) -> Assessment:
    """The state of Snowflake's sink as a connector; whether rows get through is the loader's question."""
    if pause := facts.pause(name, now):
        text = f"{name}: paused until {pause.ends:%Y-%m-%d %H:%M} UTC, at the request of {pause.owner}: {pause.reason}."
        return Assessment(name, State.SILENCED, text)
    if isinstance(facts.running, Unknown):
        return Assessment(name, State.UNKNOWN, f"{name}: can't be seen.", explained=True)
    running = facts.running.get(name)
    if running is None:
        return Assessment(name, State.MISSING, f"{name}: is declared and does not exist. It is created.")
    status = running.status
    if status is None or (status.state == "RUNNING" and not status.tasks):
        return Assessment(name, State.NO_TASKS, f"{name}: has no tasks. It is restarted as a whole.")
    if status.state in ("PAUSED", "STOPPED"):
        text = f"{name}: is {status.state.lower()}, and nobody wrote down why. Resume it, or use the DAG cdc_pause."
        return Assessment(name, State(status.state.lower()), text)
    if status.failed or status.state == "FAILED":
        trace = status.failed[0].trace if status.failed else status.trace
        return Assessment(name, State.FAILED, f"{name}: {len(status.failed)} tasks failed: {first_cause(trace)}")
    change = None if isinstance(facts.plan, Unknown) else facts.plan.change(name)
    if change and change.differences:
        text = "; ".join(difference.text for difference in change.differences)
        return Assessment(name, State.DRIFTED, f"{name}: is not as declared, and is set right: {text}.")
    return Assessment(name, State.HEALTHY, f"{name}: its tasks run.")
