"""A question of the health DAG to a person: may this be done? The consequence is spelled out before the answer.

Started by cdc_connector_health, never by hand. Approve or reject it under Required Actions; without an answer in twelve
hours it is rejected. Approved, the on-call DAG that it names runs with the arguments that it shows.
Owner: data. How to decide: docs/runbooks/cdc_connector_health.md.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Param

from catchment.operators.cdc_health import CdcApprovedOperator

with DAG(
    dag_id="cdc_approval",
    dag_display_name="5 By itself: CDC health asks a person",
    description="Never by hand: cdc_connector_health starts it, a person answers under Required Actions",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=16,
    dagrun_timeout=timedelta(hours=13),
    render_template_as_native_obj=True,
    tags=["cdc", "health", "not-by-hand", "owner:data"],
    params={
        "dag": Param(
            "cdc_resnapshot", type="string", enum=["cdc_resnapshot", "cdc_end_snapshot"], title="What would run"
        ),
        "conf": Param({}, type="object", title="With these arguments"),
        "consequence": Param("", type="string", title="What that means"),
    },
    default_args={"owner": "data", "retries": 1, "retry_delay": timedelta(seconds=20)},
) as dag:
    ask = ApprovalOperator(
        task_id="ask",
        subject="Run {{ params.dag }} on {{ params.conf.shard }} {{ params.conf.get('table', '') }}?",
        body="{{ params.conf.reason }}\n\n**What approving does:** {{ params.consequence }}",
        response_timeout=timedelta(hours=12),
        defaults="Reject",
    )
    approved = CdcApprovedOperator(task_id="approved", approval="ask", execution_timeout=timedelta(minutes=5))
    run = TriggerDagRunOperator(
        task_id="run",
        trigger_dag_id="{{ params.dag }}",
        conf="{{ params.conf }}",
        execution_timeout=timedelta(minutes=5),
    )
    ask >> approved >> run
