"""Compare a shard with the warehouse's current state, as a task that is red when they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from catchment.cdc.compare.reconcile import Reconciliation
from catchment.cdc.compare.results import refuse_differences
from catchment.operators.cancelling import CdcOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class CdcCompareOperator(CdcOperator):
    """Compare `tables` (none means all) of a shard, as of one LSN; skips a shard that is not among `shards`.

    Writes RAW.CATCHMENT.CDC_COMPARISONS; fails, naming the rows, when any table differs or can't be compared. The
    snapshot of the shard stays open while the warehouse catches up with it, at most `catch_up_timeout` seconds. Killed,
    it ends what the shard's database runs for it.
    """

    template_fields: Sequence[str] = ("shard", "tables", "shards", "catch_up_timeout")
    ui_color = "#eef3e2"

    def __init__(
        self,
        *,
        shard: str,
        tables: Sequence[str] | str = (),
        shards: Sequence[str] | str = (),
        catch_up_timeout: float | str = 1800,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.shard = shard
        self.tables = tables
        self.shards = shards
        self.catch_up_timeout = catch_up_timeout

    def execute(self, context: Context) -> dict[str, str]:
        if self.shards and self.shard not in self.shards:
            raise AirflowSkipException(f"{self.shard} is not among the shards chosen in the form.")
        systems = self.systems(context)
        shard = systems.application.shard(self.shard)
        comparison = Reconciliation(
            systems=systems,
            shard=shard,
            tables=[t for t in shard.tables if not self.tables or t.name in self.tables],
            run=context["ti"].run_id,
            timeout=float(self.catch_up_timeout),
            report=self.log.info,
        )
        results = self.cancellable(comparison.results)
        refuse_differences(results)
        return {result.table.name: result.sentence for result in results}
