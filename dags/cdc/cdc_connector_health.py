"""Every minute: is everything between the application's shards and raw alive, and as declared?

`health` looks at connectors, tasks, slots, WAL, heartbeats, publications, snapshots, Kafka and the loader. It makes
what is declared and does not exist, sets right what differs, restarts what failed (n² + n minutes apart, seven times at
most), and writes everything to RAW.CATCHMENT.CDC_HEALTH. `watch` is red when there is something new to know, skipped
while a known trouble lasts, green when all is well. What could skip data is only proposed: `propose` starts a run that
waits for a person under Required Actions.
Owner: data. If `watch` is red, its last line names the page; all pages: docs/runbooks/cdc_connector_health.md.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, CronTriggerTimetable

from catchment.operators.cdc_health import CdcHealthOperator, CdcWatchOperator

with DAG(
    dag_id="cdc_connector_health",
    dag_display_name="3 Watch: CDC health, every minute",
    description="Reconcile, watch and restart connectors; tell people",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("* * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["cdc", "health", "owner:data"],
    default_args={"owner": "data", "retries": 0, "execution_timeout": timedelta(minutes=5)},
) as dag:
    health = CdcHealthOperator(task_id="health")
    propose = TriggerDagRunOperator.partial(
        task_id="propose",
        skip_when_already_exists=True,
        fail_when_dag_is_paused=True,  # else nobody would be asked, and nobody told
        retries=2,
        retry_delay=timedelta(seconds=20),
    ).expand_kwargs(health.output)
    health >> CdcWatchOperator(task_id="watch", health="health")
