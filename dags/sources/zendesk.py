"""Zendesk → S3 → raw, every night.

Tickets, users, organizations, their events and metrics go on from the saved cursor; small lists are read whole. The
incremental exports allow ten requests a minute for all streams together: a first load of a large account takes hours,
and goes on where it stopped. Owner: support-ops. If it is late or red, see docs/runbooks/source_late.md.
"""

from datetime import UTC, datetime

from catchment.dag_builders import ingest_dag
from catchment.sources.zendesk import ZENDESK

dag = ingest_dag(  # an Airflow DAG
    ZENDESK,
    schedule="30 1 * * *",
    owner="support-ops",
    doc_md=__doc__,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
)
