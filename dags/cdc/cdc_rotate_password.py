"""Give the role `cdc` of a shard a new password; the connector and the platform then use it.

It is made here and shown nowhere. What does not work is rolled back. To set one of your own, keep it in the connection
application_<shard>_new. Owner: data. How and when: docs/runbooks/cdc_rotate_password.md.
"""

from catchment.operators import cdc_forms as form
from catchment.operators.cdc_on_call import CdcRotatePasswordOperator

with form.on_call_dag(
    "cdc_rotate_password",
    title="4 On call: CDC, rotate a shard's password",
    doc_md=__doc__,
    params={"shard": form.shard(), "reason": form.reason(), "dry_run": form.dry_run()},
) as dag:  # an Airflow DAG
    CdcRotatePasswordOperator(
        task_id="rotate",
        shard="{{ params.shard }}",
        reason="{{ params.reason }}",
        is_dry_run="{{ params.dry_run }}",
        retries=0,
    )
