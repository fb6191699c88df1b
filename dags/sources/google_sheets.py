"""Google Sheets → S3 → raw, every hour.

Tabs that teams keep, each with an owner and a header contract (plugins/catchment/sources/google_sheets.py). A tab that
did not change is skipped; a broken header names the sheet, the tab, its owner and the difference. Owner: data. If a tab
is red, see docs/runbooks/broken_sheet.md.
"""

from datetime import UTC, datetime, timedelta

from catchment.dag_builders import ingest_dag
from catchment.sources.google_sheets import GOOGLE_SHEETS

dag = ingest_dag(  # an Airflow DAG
    GOOGLE_SHEETS,
    schedule="5 * * * *",
    owner="data",
    doc_md=__doc__,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    extract_timeout=timedelta(minutes=20),
    load_timeout=timedelta(minutes=10),
    run_timeout=timedelta(minutes=50),  # it runs every hour, and runs never overlap
)
