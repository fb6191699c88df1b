"""Operators for people on call: each describes what it would do, or does it.

The work is in `catchment.cdc`; here it meets Airflow. With `is_dry_run` an operator returns the steps as sentences and
changes nothing. Waiting is done without a slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from catchment.cdc.connectors import pauses
from catchment.cdc.declared import Shard, Table
from catchment.cdc.repair import end_snapshot, snapshot, topic
from catchment.cdc.repair.signals import signal_id
from catchment.cdc.setup import add_table
from catchment.cdc.systems import Systems
from catchment.errors import NeedsPerson
from catchment.operators.cancelling import CdcOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

POLL_SECONDS = (2, 5, 10, 15, 30)  # seconds between polls; the last one repeats


class OnCallOperator(CdcOperator):
    """A job with a reason and a dry run. Subclasses implement `plan` and `act`."""

    template_fields: Sequence[str] = ("reason", "is_dry_run")
    ui_color = "#fbeee0"

    def __init__(self, *, reason: str, is_dry_run: bool | str = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reason = reason
        self.is_dry_run = is_dry_run

    def execute(self, context: Context) -> Any:
        return self.cancellable(lambda: self._execute(context))

    def _execute(self, context: Context) -> Any:
        systems = self.systems(context)
        if str(self.is_dry_run).lower() != "false":
            steps = self.plan(systems)
            self.log.info("Dry run. Nothing was changed. This would happen:\n%s", "\n".join(f"  - {s}" for s in steps))
            return steps
        self.log.info("For this reason: %s", self.reason)
        return self.act(systems, context)

    def plan(self, systems: Systems) -> list[str]:
        """What `act` would do, step by step."""
        raise NotImplementedError

    def act(self, systems: Systems, context: Context) -> Any:
        """Do it; returns a sentence that says what came of it, or what a later task needs. Or `look` until it is."""
        return self.poll(context)

    def look(self, context: Context, polls: int = 0, **kept: Any) -> Any:
        """See how far it is: the result, or `poll_again` with what is to be kept until then."""
        raise NotImplementedError

    def poll(self, context: Context, event: Any = None, **kept: Any) -> Any:
        return self.cancellable(lambda: self.look(context, **kept))

    def poll_again(self, polls: int, **kept: Any) -> None:
        """Wait without a slot, then call `poll`."""
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        seconds = POLL_SECONDS[min(polls, len(POLL_SECONDS) - 1)]
        self.defer(
            trigger=TimeDeltaTrigger(timedelta(seconds=seconds)),
            method_name="poll",
            kwargs={"polls": polls + 1, **kept},
        )


class OfShardOperator(OnCallOperator):
    """A job on one shard."""

    template_fields: Sequence[str] = (*OnCallOperator.template_fields, "shard")

    def __init__(self, *, shard: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shard = shard

    def declared_shard(self, systems: Systems) -> Shard:
        return systems.application.shard(self.shard)


class CdcPauseOperator(OnCallOperator):
    """Pause a connector for `hours`, with a name to it."""

    template_fields: Sequence[str] = (*OnCallOperator.template_fields, "connector", "on_behalf_of", "hours")

    def __init__(self, *, connector: str, on_behalf_of: str, hours: float | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.connector = connector
        self.on_behalf_of = on_behalf_of
        self.hours = hours

    def plan(self, systems: Systems) -> list[str]:
        return pauses.plan_pause(self._pause())

    def act(self, systems: Systems, context: Context) -> str:
        return _said(self, pauses.pause(systems, self._pause()))

    def _pause(self) -> pauses.Pause:
        lasts = timedelta(hours=float(self.hours))
        owner, reason = str(self.on_behalf_of), str(self.reason)
        return pauses.Pause.from_now(self.connector, lasts, owner=owner, reason=reason)


class CdcResumeOperator(OnCallOperator):
    """Let a paused connector run, and end its pause."""

    template_fields: Sequence[str] = (*OnCallOperator.template_fields, "connector")

    def __init__(self, *, connector: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.connector = connector

    def plan(self, systems: Systems) -> list[str]:
        return pauses.plan_resume(self.connector, pauses.active_pause(systems, self.connector, datetime.now(UTC)))

    def act(self, systems: Systems, context: Context) -> str:
        return _said(self, pauses.resume(systems, self.connector))


class CdcEndSnapshotOperator(OfShardOperator):
    """Take a snapshot that can't be read out of a shard's connector, which then goes on with the changes."""

    def plan(self, systems: Systems) -> list[str]:
        return end_snapshot.plan(systems, self.declared_shard(systems))

    def act(self, systems: Systems, context: Context) -> str:
        shard = self.declared_shard(systems)
        return _said(self, end_snapshot.end(systems, shard, owner="cdc_end_snapshot", reason=str(self.reason)))


class CdcAddTableOperator(OnCallOperator):
    """Prepare every shard of a database, raw and the connectors for a table that is newly declared.

    Returns the names of the shards: the table is to be read on each.
    """

    template_fields: Sequence[str] = (*OnCallOperator.template_fields, "database", "table")

    def __init__(self, *, database: str, table: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.database = database
        self.table = table

    def plan(self, systems: Systems) -> list[str]:
        database = systems.application.database(self.database)
        return add_table.plan(systems, database, database.table(self.table))

    def act(self, systems: Systems, context: Context) -> list[str]:
        database = systems.application.database(self.database)
        add_table.prepare(systems, database, database.table(self.table))
        _said(self, f"{self.table} is published on every shard, has its raw tables and is in every connector.")
        return [shard.name for shard in systems.application.shards_of(database)]


class _OfTableOperator(OfShardOperator):
    """A job on one table of one shard."""

    template_fields: Sequence[str] = (*OfShardOperator.template_fields, "table")

    def __init__(self, *, table: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table = table

    def declared(self, systems: Systems) -> tuple[Shard, Table]:
        shard = self.declared_shard(systems)
        return shard, shard.table(self.table)


class CdcTopicOperator(_OfTableOperator):
    """Let the loader go on with a topic that is not what it loaded from."""

    def plan(self, systems: Systems) -> list[str]:
        return topic.plan(systems, *self.declared(systems))

    def act(self, systems: Systems, context: Context) -> str:
        return _said(self, topic.go_on(systems, *self.declared(systems), reason=str(self.reason)))


class CdcSnapshotOperator(_OfTableOperator):
    """Read a table of one shard again, wait until all of it is in raw, and count it.

    A retry continues with the same snapshot.
    """

    def plan(self, systems: Systems) -> list[str]:
        shard, table = self.declared(systems)
        with systems.shard(shard) as session:
            rows = snapshot.count(session, shard, table)
        return snapshot.plan(shard, table, rows)

    def look(self, context: Context, polls: int = 0, sure: bool = False, **_: Any) -> Any:
        """See how far it is; again and again until it is done, and once more before rows are called skipped."""
        systems = self.systems(context)
        shard, table = self.declared(systems)
        id_ = signal_id("resnapshot", f"{context['ti'].dag_id}/{context['ti'].run_id}", f"{shard.name}-{table.name}")
        asked = snapshot.request(systems, shard, table, id_)
        seen = snapshot.progress(systems, asked)
        self.log.info("%s: %s", asked.name, seen)
        if not seen.done or (seen.is_short and not sure):
            self.poll_again(polls, sure=seen.done)
        return _said(self, snapshot.verify(asked, seen))


def approver(operator: BaseOperator, context: Context, approval: str, otherwise: str) -> str:
    """Who approved in the task `approval`. Marking that task as success is no approval: raises NeedsPerson."""
    answer = context["ti"].xcom_pull(task_ids=approval) or {}
    who = answer.get("responded_by_user") or {}
    if answer.get("chosen_options") != ["Approve"] or not who:
        raise NeedsPerson(
            f"Nobody approved this: the task {approval} holds no answer. Trigger the on-call DAG by its form, "
            f"{otherwise}. Nothing was changed."
        )
    name = str(who.get("name") or who.get("id"))
    operator.log.info("%s approved it.", name)
    return name


def _said(operator: BaseOperator, sentence: str) -> str:
    operator.log.info("%s", sentence)
    return sentence
