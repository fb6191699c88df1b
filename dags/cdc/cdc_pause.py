"""Pause a connector on purpose, with an owner, a reason and an end.

The health DAG ignores it until the end. Changes wait in the shard's WAL: a long pause fills its disk.
Owner: data. How and when: docs/runbooks/cdc_pause.md.
"""

from airflow.sdk import Param

from catchment.operators import cdc_forms as form
from catchment.operators.cdc_on_call import CdcPauseOperator

with form.on_call_dag(
    "cdc_pause",
    title="4 On call: CDC, pause a connector",
    doc_md=__doc__,
    params={
        "connector": form.connector(),
        "owner": Param(None, type="string", minLength=2, title="Owner", description_md="Who answers for the pause."),
        "hours": Param(1, type="number", exclusiveMinimum=0, maximum=72, title="Hours", description_md="How long."),
    },
) as dag:  # an Airflow DAG
    CdcPauseOperator(
        task_id="pause",
        connector="{{ params.connector }}",
        on_behalf_of="{{ params.owner }}",
        hours="{{ params.hours }}",
        reason="{{ params.reason }}",
        is_dry_run="{{ params.dry_run }}",
    )
