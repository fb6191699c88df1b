"""Begin to replicate a table that a file of `include/connectors` newly declares, on every shard of its database.

Checks that the shards' tables are as declared; then publication, grants, raw tables, connector configs; then a
snapshot of the table on each shard, counted. Owner: data. How and when: docs/runbooks/cdc_add_table.md.
"""

from datetime import timedelta

from catchment.operators import cdc_forms as form
from catchment.operators.cdc_on_call import CdcAddTableOperator, CdcSnapshotOperator

with form.on_call_dag(
    "cdc_add_table",
    title="4 On call: CDC, add a table",
    doc_md=__doc__,
    run_timeout=timedelta(hours=48),
    params={"database": form.database(), "table": form.table()},
) as dag:  # an Airflow DAG
    asked = {"table": "{{ params.table }}", "reason": "{{ params.reason }}", "is_dry_run": "{{ params.dry_run }}"}
    prepare = CdcAddTableOperator(task_id="prepare", database="{{ params.database }}", **asked)
    snapshots = CdcSnapshotOperator.partial(
        task_id="snapshot", map_index_template="{{ task.shard }}", execution_timeout=timedelta(hours=12), **asked
    ).expand(shard=prepare.output)
    prepare >> form.unless_dry_run() >> snapshots
