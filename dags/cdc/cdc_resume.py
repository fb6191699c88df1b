"""Let a paused connector run again, and end its pause once it does.

Owner: data. How and when: docs/runbooks/cdc_pause.md.
"""

from catchment.operators import cdc_forms as form
from catchment.operators.cdc_on_call import CdcResumeOperator

with form.on_call_dag(
    "cdc_resume",
    title="4 On call: CDC, resume a connector",
    doc_md=__doc__,
    params={"connector": form.connector()},
) as dag:  # an Airflow DAG
    CdcResumeOperator(
        task_id="resume",
        connector="{{ params.connector }}",
        reason="{{ params.reason }}",
        is_dry_run="{{ params.dry_run }}",
    )
