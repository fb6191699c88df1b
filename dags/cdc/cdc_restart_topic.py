"""Let the loader go on with a topic that was made again, or that Kafka's retention cut off; then read the table again.

What was in Kafka and not loaded is lost there; the snapshot brings its rows. Rows of a topic that was made again are
kept in a table beside. Owner: data. How and when: docs/runbooks/cdc_topic_stopped.md.
"""

from datetime import timedelta

from catchment.operators import cdc_forms as form
from catchment.operators.cdc_on_call import CdcSnapshotOperator, CdcTopicOperator

with form.on_call_dag(
    "cdc_restart_topic",
    title="4 On call: CDC, go on with a topic",
    doc_md=__doc__,
    run_timeout=timedelta(hours=48),
    params={"shard": form.shard(), "table": form.table()},
) as dag:  # an Airflow DAG
    asked = {
        "shard": "{{ params.shard }}",
        "table": "{{ params.table }}",
        "reason": "{{ params.reason }}",
        "is_dry_run": "{{ params.dry_run }}",
    }
    go_on = CdcTopicOperator(task_id="go_on", **asked)
    snapshot = CdcSnapshotOperator(task_id="snapshot", execution_timeout=timedelta(hours=12), **asked)
    go_on >> form.unless_dry_run() >> snapshot
