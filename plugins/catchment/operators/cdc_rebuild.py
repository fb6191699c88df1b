"""Rebuild a shard's capture after its slot is lost: three operators around a person's approval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from catchment.cdc.connectors import pauses
from catchment.cdc.repair import rebuild
from catchment.cdc.systems import Systems
from catchment.operators.cdc_on_call import OfShardOperator, approver

if TYPE_CHECKING:
    from airflow.sdk import Context


class CdcConsequenceOperator(OfShardOperator):
    """Describe what a rebuild would do and cost, in Markdown: for a dry run, and for the approver."""

    def plan(self, systems: Systems) -> list[str]:
        shard = self.declared_shard(systems)
        self.log.info("%s", rebuild.consequence(systems, shard))
        return rebuild.plan(shard)

    def act(self, systems: Systems, context: Context) -> str:
        text = rebuild.consequence(systems, self.declared_shard(systems))
        self.log.info("%s", text)
        return f"{text}\n\nReason given: {self.reason}"


class CdcRebuildOperator(OfShardOperator):
    """Stop, drop the slot, delete the offsets, begin an epoch, resume: only after an answer in the task `approval`.

    Marking the approval's task as success is no approval: the answer itself must be there, and who gave it. Returns
    the epoch. A retry continues after the epoch that an earlier attempt began.
    """

    def __init__(self, *, approval: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.approval = approval

    def act(self, systems: Systems, context: Context) -> int:
        by = approver(self, context, self.approval, "and approve it under Required Actions")
        shard, run = self.declared_shard(systems), context["ti"].run_id
        epoch = rebuild.begun_epoch(systems, shard, run=run)
        if epoch is None:
            rebuild.stop(systems, shard, run=run, owner=by, reason=str(self.reason))
            self.log.info("%s is stopped", shard.connector)
            rebuild.forget(systems, shard)
            self.log.info("the slot %s is dropped, the offsets are forgotten", shard.slot)
            epoch = rebuild.begin_epoch(systems, shard, run=run, reason=str(self.reason))
        self.log.info("epoch %d of %s begins", epoch, shard.name)
        pauses.resume(systems, shard.connector)
        self.log.info("%s runs, and reads every table again", shard.connector)
        return epoch


class CdcGapOperator(OfShardOperator):
    """Wait until the snapshot of `epoch` is in raw, then write deletes for the keys that were deleted in the gap."""

    template_fields: Sequence[str] = (*OfShardOperator.template_fields, "epoch")

    def __init__(self, *, epoch: int | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epoch = epoch

    def look(self, context: Context, polls: int = 0, **_: Any) -> Any:
        """See whether all of it is in raw; again and again until it is."""
        systems = self.systems(context)
        shard = self.declared_shard(systems)
        waits_for = rebuild.waits_for(systems, shard)
        if waits_for:
            self.log.info("waiting: %s", waits_for)
            self.poll_again(polls)
        written = rebuild.write_missing_deletes(systems, shard, int(self.epoch))
        for table, count in written.items():
            self.log.info("%s.%s: %d rows were deleted in the gap", shard.name, table, count)
        return written
