"""Take a snapshot that can't be read out of a connector's offsets: what no restart and no stop signal does.

Debezium keeps a running incremental snapshot in its offsets. If its table can't be read in chunks, every start of the
task ends there. The connector is stopped, the snapshot is taken out of its offsets, and it goes on with the changes.
Owner: data. How and when: docs/runbooks/cdc_snapshot_poisoned.md.
"""

from catchment.operators import cdc_forms as form
from catchment.operators.cdc_on_call import CdcEndSnapshotOperator

with form.on_call_dag(
    "cdc_end_snapshot",
    title="4 On call: CDC, end a snapshot",
    doc_md=__doc__,
    params={"shard": form.shard()},
) as dag:  # an Airflow DAG
    CdcEndSnapshotOperator(
        task_id="end_snapshot",
        shard="{{ params.shard }}",
        reason="{{ params.reason }}",
        is_dry_run="{{ params.dry_run }}",
    )
