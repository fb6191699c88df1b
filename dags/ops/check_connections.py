"""Is every connection right? One harmless request each, side by side, from where tasks run.

Run it after setting up an account, after changing a credential, and first of all when many tasks are red. The log of
`check` is a table; for what failed it says what is wrong and where to change it. Nothing is loaded, and the probe that
is written to the landing is deleted again.
Owner: data. If it is red, see docs/runbooks/credentials.md.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param

from catchment.operators.checks import CheckConnectionsOperator
from catchment.sources import SOURCES

with DAG(
    dag_id="check_connections",
    dag_display_name="4 On call: check every connection",
    description="One harmless request to each vendor, S3, Snowflake, Kafka and the shards",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=15),
    render_template_as_native_obj=True,
    tags=["ops", "on-call", "owner:data"],
    params={
        "only": Param(
            [],
            type="array",
            examples=[*SOURCES, "aws_default", "snowflake_default", "stage", "kafka_connect"],
            items={"type": "string"},
            title="Only",
            description_md="The names of connections; none means **all**.",
        )
    },
    default_args={"owner": "data", "retries": 0, "execution_timeout": timedelta(minutes=5)},
) as dag:
    CheckConnectionsOperator(task_id="check", only="{{ params.only }}")
