"""Is every committed record of Kafka in raw, once? Each morning, for each partition, whichever path wrote the rows.

Red when there is a gap or a duplicate, with the values to enter in the form of cdc_replay; findings are in
RAW.CATCHMENT.CDC_AUDITS. Owner: data. If it is red, see docs/runbooks/cdc_gaps.md.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable, Param

from catchment.operators.cdc_load import CdcAuditOperator
from catchment.operators.retries import RetryByKind

with DAG(
    dag_id="cdc_audit",
    dag_display_name="3 Watch: CDC audit, raw against Kafka",
    description="Gaps and duplicates in raw, per topic and partition",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("30 5 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    tags=["cdc", "owner:data"],
    params={
        "full": Param(
            False,
            type="boolean",
            title="All of raw",
            description_md="Also what earlier audits found right. Takes as long as reading what Kafka keeps.",
        )
    },
    default_args={"owner": "data", "retries": 2, "retry_delay": timedelta(minutes=5), "retry_policy": RetryByKind()},
) as dag:
    CdcAuditOperator(
        task_id="audit",
        full="{{ params.full }}",
        pool="warehouse",
        execution_timeout=timedelta(hours=3),
        doc_md="Compares the offsets in raw with Kafka's; updates the asset `audit.application` when all is right.",
    )
