"""Raw against Kafka: replay a range, audit every topic.

The work is in `catchment.cdc.loader`; here it meets Airflow. Connections are read when a task runs, never before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator

from catchment.errors import ContractBroken
from catchment.hooks.connections import look_up
from catchment.operators.ingest import tag_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from catchment.cdc.loader.kafka import Kafka
    from catchment.cdc.loader.ranges import ReplayRequest
    from catchment.cdc.loader.warehouse import LoaderWarehouse


def audit_asset(source: str) -> Asset:
    """The asset that means: raw has every record of this source once. Only a clean audit updates it."""
    return Asset(name=f"audit.{source}", group="audit")


class _OfRaw(BaseOperator):
    """A job on raw and Kafka. A killed one leaves no statement running in the warehouse."""

    _warehouse: LoaderWarehouse | None = None

    def on_kill(self) -> None:
        from catchment.warehouse.session import cancel

        if self._warehouse is not None:
            cancel(self._warehouse.session, look_up("snowflake_default"))

    @contextmanager
    def sessions(self, name: str, context: Context, stream: str) -> Iterator[tuple[Kafka, LoaderWarehouse]]:
        """Kafka and the warehouse; the statements say who sends them."""
        import json

        from catchment.cdc.loader.kafka import Kafka
        from catchment.cdc.loader.warehouse import LoaderWarehouse

        with ExitStack() as opened:
            tags = {**json.loads(tag_of(context, stream))}
            warehouse = opened.enter_context(closing(LoaderWarehouse.open(look_up("snowflake_default"), name, **tags)))
            self._warehouse = warehouse
            kafka = opened.enter_context(closing(Kafka(look_up("kafka"))))
            yield kafka, warehouse


class CdcReplayOperator(_OfRaw):
    """Load a range of one topic from Kafka into raw again, replacing what is there.

    `partitions` (none: all), then either `from_offset` and `to_offset` (the last one wanted) of one partition, or
    `from_time` and `to_time` (ISO with zone; the end is exclusive and may be left out). With `is_dry_run` it only
    reports what would be replaced. Running it again leaves the same rows. Returns one sentence for each range.
    """

    template_fields: Sequence[str] = (
        *("shard", "table", "partitions", "from_offset", "to_offset", "from_time", "to_time", "reason", "is_dry_run"),
    )
    ui_color = "#fbeee0"

    def __init__(
        self,
        *,
        shard: str,
        table: str,
        partitions: Sequence[int] | str = (),
        from_offset: int | str | None = None,
        to_offset: int | str | None = None,
        from_time: str | None = None,
        to_time: str | None = None,
        reason: str = "",
        is_dry_run: bool | str = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.shard = shard
        self.table = table
        self.partitions = partitions
        self.from_offset = from_offset
        self.to_offset = to_offset
        self.from_time = from_time
        self.to_time = to_time
        self.reason = reason
        self.is_dry_run = is_dry_run

    def execute(self, context: Context) -> list[str]:
        from catchment.cdc.declared import application
        from catchment.cdc.loader import replay, tables

        declared = application()
        shard = declared.shard(self.shard)
        topic = shard.topic(shard.table(self.table))
        target = tables.targets(declared)[topic]
        with self.sessions("replay", context, topic) as (kafka, warehouse):
            found = replay.plan(self._request(topic), target, kafka, warehouse)
            if str(self.is_dry_run).lower() != "false":
                steps = [f"{r}: {replay.count(r, target, warehouse)} rows would be replaced" for r in found]
                self.log.info("Dry run. Nothing was changed.\n%s", "\n".join(steps) or "There is nothing to replay.")
                return steps
            self.log.info("For this reason: %s", self.reason)
            done = [replay.replay(r, target, kafka, warehouse, lambda d: self.log.info("%s", d)) for r in found]
        return [str(d) for d in done]

    def _request(self, topic: str) -> ReplayRequest:
        from catchment.cdc.loader.ranges import ReplayRequest

        return ReplayRequest(
            topic=topic,
            partitions=tuple(int(number) for number in self.partitions or ()),
            from_offset=_number(self.from_offset),
            to_offset=_number(self.to_offset),
            from_time=_moment(self.from_time),
            to_time=_moment(self.to_time),
        )


class CdcAuditOperator(_OfRaw):
    """Find gaps and duplicates of raw in every partition; fails with the values to enter in the replay's form.

    `full` checks all of raw again, not only what came since the last clean audit.
    """

    template_fields: Sequence[str] = ("full",)
    ui_color = "#e6f5ea"

    def __init__(self, *, full: bool | str = False, **kwargs: Any) -> None:
        from catchment.cdc.declared import application

        kwargs.setdefault("outlets", [audit_asset(database.source) for database in application().databases])
        super().__init__(**kwargs)
        self.full = full

    def execute(self, context: Context) -> dict[str, int]:
        from catchment.cdc.declared import application
        from catchment.cdc.loader import audit, tables

        with self.sessions("audit", context, "application") as (kafka, warehouse):
            full = str(self.full).lower() == "true"
            audited = audit.audit(tables.targets(application()).values(), kafka, warehouse, full=full)
        for finding in audited.findings:
            self.log.info("%s", finding)
        if audited.bad:
            raise ContractBroken(audited.sentence())
        counts = {"rows": audited.rows, "findings": len(audited.findings)}
        for asset in self.outlets:
            context["outlet_events"][asset].extra = dict(counts)
        return counts


def _number(value: int | str | None) -> int | None:
    return None if value in (None, "", "None") else int(str(value))


def _moment(value: str | None) -> datetime | None:
    return None if value in (None, "", "None") else datetime.fromisoformat(str(value))
