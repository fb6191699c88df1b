"""What the platform itself needs before its first run: the bucket, the warehouse's objects, dbt's manifest, the pools.

All of it is what production sets up once (docs/production.md); here it is done at each start, and quick when there is
nothing to do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import boto3

from catchment import dbt_project
from local.airflow.api import AirflowApi
from local.airflow.connections import REGION
from local.command import catchment
from local.credentials import Credentials
from local.settings import ROOT, Settings

BUCKET = "catchment-landing"
DBT = ROOT / "include" / "dbt"
READ = {".sql", ".yml", ".csv", ".md", ".py", ".toml"}
MANIFEST = DBT / "target" / "manifest.json"
POOLS = {
    "chartmogul": (4, "ChartMogul: at most 40 requests a second over all tasks"),
    "zendesk": (4, "Zendesk: the incremental exports share ten requests a minute"),
    "google_sheets": (2, "Google Sheets: 60 reads a minute"),
    "warehouse": (4, "Loads into the warehouse"),
    "dbt": (2, "dbt: builds"),
    "application_state_watch": (2, "dbt: tasks that watch their model in this DAG's build"),
    "customer_metrics_watch": (5, "dbt: tasks that watch their model in this DAG's build"),
}
CAPTURE_DAGS = ("cdc_connector_health", "application_state", "cdc_audit", "cdc_reconcile")
PARSE_SECONDS = 90  # until the DAG processor has seen every file once


def ensure_bucket(settings: Settings, credentials: Credentials) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=settings.url("s3"),
        region_name=REGION,
        aws_access_key_id=credentials.s3_key_id,
        aws_secret_access_key=credentials.s3_secret_key,
    )
    client.create_bucket(Bucket=BUCKET)


def ensure_warehouse(settings: Settings, environment: Mapping[str, str]) -> None:
    """Databases, roles, tables and the like, as production makes them; once, and when what makes them has changed."""
    stamp = settings.var / "warehouse" / "applied"
    made_from = (ROOT / "plugins", ROOT / "include" / "snowflake", ROOT / "include" / "connectors")
    wanted = "".join(map(fingerprint, made_from))
    if stamp.exists() and stamp.read_text() == wanted:
        return
    catchment("snowflake-apply", environment=environment)
    stamp.write_text(wanted)


def ensure_manifest(settings: Settings, environment: Mapping[str, str]) -> None:
    """Parse the dbt project, when a file of it, or what makes its parts, has changed since the last time."""
    stamp = settings.var / "dbt.manifest"
    wanted = fingerprint(DBT) + hashlib.sha256(Path(dbt_project.__file__).read_bytes()).hexdigest()
    if MANIFEST.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    catchment("dbt-manifest", environment=environment)
    stamp.write_text(wanted)


def ensure_pools(api: AirflowApi) -> None:
    for name, (slots, description) in POOLS.items():
        api.ensure_pool(name, slots, description)


def unpause_once(api: AirflowApi, settings: Settings) -> None:
    """Unpause what watches change data capture and what merges it; later, a person's choice stays.

    Raises:
        LocalError: Airflow did not know one of the DAGs in time.
    """
    stamp = settings.var / "airflow" / "switched_on"
    if stamp.exists():
        return
    for dag_id in CAPTURE_DAGS:
        api.wait_for_dag(dag_id, seconds=PARSE_SECONDS)
        api.unpause(dag_id)
    stamp.touch()


def fingerprint(project: Path) -> str:
    """A hash over the names and contents of the files that say something: of dbt's project, or of a package."""
    digest = hashlib.sha256()
    for path in sorted(project.rglob("*")):
        if path.suffix in READ and "target" not in path.relative_to(project).parts:
            digest.update(str(path.relative_to(project)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
