"""`python -m tests.support.airflow_run START END STREAM …`: a DAG that extracts and loads streams, run by Airflow.

Airflow's home is the environment's `AIRFLOW_HOME`, where its database, a file, is made. Each task runs as it does in
production: its XComs, links, rendered fields and events are in the database afterwards. A task that fails does not hold
the others back.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

from airflow.sdk import DAG
from airflow.utils.db import initdb

from catchment.operators.ingest import ExtractStreamOperator, LoadBatchOperator
from catchment.operators.retries import RetryByKind


def ingest(start: str, end: str, *streams: str) -> DAG:
    with DAG(
        "ingest",
        schedule=None,
        start_date=datetime.fromisoformat(start),
        default_args={"retry_policy": RetryByKind()},
    ) as dag:
        for name in streams:
            source, _, stream = name.partition(".")
            extract = ExtractStreamOperator(
                task_id=f"{name}.extract", source=source, stream=stream, interval_start=start, interval_end=end
            )
            key = "{{ ti.xcom_pull(task_ids='" + extract.task_id + "') }}"
            extract >> LoadBatchOperator(task_id=f"{name}.load", source=source, stream=stream, manifest_key=key)
    return dag


def main(*arguments: str) -> None:
    """Run the DAG once. Airflow knows a DAG from a file in its folder only."""
    dags = Path(os.environ["AIRFLOW_HOME"]) / "dags"
    dags.mkdir(parents=True)
    (dags / "ingest.py").write_text(f"from tests.support.airflow_run import ingest\ndag = ingest(*{arguments!r})\n")
    initdb()
    print(f"the run is over: {ingest(*arguments).test().state}")


if __name__ == "__main__":
    main(*sys.argv[1:])
