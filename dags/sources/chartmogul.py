"""ChartMogul → S3 → raw, every night.

Customers, subscriptions, invoices, MRR movements and the Metrics API, all read whole each night, because ChartMogul
recomputes its history. Owner: data. If it is late or red, see
docs/runbooks/source_late.md.
"""

from datetime import UTC, datetime

from catchment.dag_builders import ingest_dag
from catchment.sources.chartmogul import CHARTMOGUL

dag = ingest_dag(  # an Airflow DAG
    CHARTMOGUL,
    schedule="0 2 * * *",
    owner="data",
    doc_md=__doc__,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
)
