"""`python -m catchment cdc-connectors` and `cdc-health`: the command line of what the health DAG does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

from catchment.cdc.connectors.client import Connect
from catchment.cdc.connectors.configs import declared_connectors, unknown_keys, written_out
from catchment.cdc.connectors.plan import plan
from catchment.cdc.connectors.sink import UNRESOLVED_KEY
from catchment.cdc.connectors.waiting import retry_while_away
from catchment.cdc.declared import Application, application
from catchment.cdc.health.check import check as check_health
from catchment.cdc.health.counting import count
from catchment.cdc.health.memory import WarehouseMemory
from catchment.cdc.systems import Systems
from catchment.connection import Connection


def run(action: str, *, wait: float) -> int:
    """Run `action` (plan, apply or check) and print the result. Returns 1 when a check finds problems.

    Args:
        wait: for how many seconds to retry while Connect is not ready.
    """
    declared = application()
    with Connect(Connection.from_env("kafka_connect")) as connect:
        if action == "check":
            problems = list(check(declared, Connection.from_env, connect))
            print("\n".join(problems) or "every config is what its plugin asks for")
            return 1 if problems else 0
        configs = declared_connectors(declared, Connection.from_env)
        found = retry_while_away(lambda: plan(configs, connect.connectors()), seconds=wait)
        print("\n".join(found.lines()))
        if action == "apply":
            for change in found.changes:
                retry_while_away(partial(connect.put, change.name, change.config), seconds=wait)
            print(f"{len(found.changes)} connectors changed")
    return 0


def health() -> int:
    """Run the health check once: print every state, action and alert. Returns 1 when there are alerts."""
    now = datetime.now(UTC)
    memory = WarehouseMemory(Connection.from_env)
    declared, run_id = application(), f"cli-{now:%Y%m%dT%H%M%S}"
    report = check_health(declared, Connection.from_env, memory, run_id, query_tag="cdc-health")
    print("\n".join(report.lines()), flush=True)
    for counted in count(Systems(Connection.from_env, declared, "cdc-count"), memory):
        print(f"counted              {counted}", flush=True)
    return 1 if report.decision.alerts else 0


def check(declared: Application, look_up: Callable[[str], Connection], connect: Connect) -> Iterator[str]:
    """What is wrong with the declared configs, as sentences: secrets in them, and what installed plugins say."""
    installed = connect.plugins()
    for name, config in declared_connectors(declared, look_up).items():
        yield from (
            f"{name}: {key} holds a secret: give a reference to a config provider" for key in written_out(config)
        )
        if config["connector.class"] not in installed:
            continue
        unresolved = {"snowflake.private.key": UNRESOLVED_KEY} if "snowflake.private.key" in config else {}
        asked = {"name": name, **config, **unresolved}
        found = connect.validate(asked)
        for key, errors in found.items():
            yield from (f"{name}: {error}" if key in error else f"{name}: {key}: {error}" for error in errors)
        for key in unknown_keys(asked, frozenset(found)):
            yield f"{name}: {key} is no setting of the plugin, and would be ignored"
