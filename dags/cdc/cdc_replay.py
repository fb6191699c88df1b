"""Load a range of Kafka into raw again: after a gap, a duplicate, or rows that someone changed by hand.

The rows of the range are replaced in one transaction a slice; the current state picks them up at its next run. The
loader keeps running. Owner: data. How and when: docs/runbooks/cdc_replay.md.
"""

from datetime import timedelta

from airflow.sdk import Param

from catchment.cdc.declared import PARTITIONS
from catchment.operators import cdc_forms as form
from catchment.operators.cdc_load import CdcReplayOperator

OFFSET = {"type": ["null", "integer"], "minimum": 0}
TIME = {"type": ["null", "string"], "format": "date-time"}

with form.on_call_dag(
    "cdc_replay",
    title="4 On call: CDC, replay a range into raw",
    doc_md=__doc__,
    run_timeout=timedelta(hours=24),
    params={
        "shard": form.shard(),
        "table": form.table(),
        "partitions": Param(
            [],
            type="array",
            items={"type": "integer", "minimum": 0},
            examples=list(range(PARTITIONS)),
            title="Partitions",
            description_md="Of the topic; none means **all**. With offsets: exactly one.",
        ),
        "from_offset": Param(None, **OFFSET, title="From offset", section="By offset"),
        "to_offset": Param(
            None, **OFFSET, title="To offset", section="By offset", description_md="The last one that is replayed."
        ),
        "from_time": Param(None, **TIME, title="From", section="By time", description_md="When Kafka got the record."),
        "to_time": Param(
            None, **TIME, title="To", section="By time", description_md="Exclusive; empty: up to what is loaded."
        ),
    },
) as dag:
    CdcReplayOperator(
        task_id="replay",
        pool="warehouse",
        execution_timeout=timedelta(hours=6),
        shard="{{ params.shard }}",
        table="{{ params.table }}",
        partitions="{{ params.partitions }}",
        from_offset="{{ params.from_offset }}",
        to_offset="{{ params.to_offset }}",
        from_time="{{ params.from_time }}",
        to_time="{{ params.to_time }}",
        reason="{{ params.reason }}",
        is_dry_run="{{ params.dry_run }}",
        doc_md="Replaces the range's rows in raw by what Kafka has, and lowers the watermark of the current state.",
    )
