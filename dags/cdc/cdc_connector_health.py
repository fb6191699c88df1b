"""Every minute: is everything between the application's shards and raw alive, and as declared?

`health` checks connectors, tasks, slots, WAL, heartbeats, publications, tables, topics, snapshots, Kafka, the loader.
It creates declared connectors that do not exist, sets right configs, topics and publications, restarts what failed
(n² + n minutes apart, at most seven times), and records what changed in RAW.CATCHMENT.CDC_HEALTH. `alert` fails when
there is something new to know, is skipped while a known problem lasts, and succeeds when all is well. What could skip
data is only proposed: `request_approval` starts a run that waits for a person under Required Actions.
Owner: data. If `alert` is red, its last line names the page; all pages: docs/runbooks/cdc_connector_health.md.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, CronTriggerTimetable

from catchment.operators.cdc_health import CdcAlertOperator, CdcHealthOperator

with DAG(
    dag_id="cdc_connector_health",
    dag_display_name="3 Watch: CDC health, every minute",
    description="Reconcile, check and restart connectors; alert people",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("* * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=15),
    tags=["cdc", "health", "owner:data"],
    default_args={"owner": "data", "retries": 0, "execution_timeout": timedelta(minutes=5)},
) as dag:
    health = CdcHealthOperator(task_id="health")
    request_approval = TriggerDagRunOperator.partial(
        task_id="request_approval",
        skip_when_already_exists=True,
        fail_when_dag_is_paused=True,  # else nobody would be asked
        retries=2,
        retry_delay=timedelta(seconds=20),
    ).expand_kwargs(health.output)
    health >> CdcAlertOperator(task_id="alert", health="health")
