"""What the platform itself needs before its first run: the bucket, the warehouse's objects, dbt's manifest, the pools.

All of it is what production sets up once (docs/production.md); here it is done at each start, and quick when there is
nothing to do.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3

from local.airflow.api import AirflowApi
from local.airflow.connections import REGION
from local.credentials import Credentials
from local.errors import LocalError
from local.settings import ROOT, Settings

BUCKET = "catchment-landing"
DBT = ROOT / "include" / "dbt"
MANIFEST = DBT / "target" / "manifest.json"
POOLS = {
    "chartmogul": (4, "ChartMogul: at most 40 requests a second over all tasks"),
    "zendesk": (4, "Zendesk: the incremental exports share ten requests a minute"),
    "google_sheets": (2, "Google Sheets: 60 reads a minute"),
    "warehouse": (4, "Loads into the warehouse"),
    "dbt": (4, "dbt: one task builds, the others watch their models"),
}


def ensure_platform(settings: Settings, credentials: Credentials, environment: Mapping[str, str]) -> None:
    """Bring bucket, warehouse and dbt's manifest to where the platform expects them, side by side.

    Raises:
        LocalError: a step failed; the message says which and why.
    """
    with ThreadPoolExecutor() as together:
        steps: list[Callable[[], None]] = [
            lambda: ensure_bucket(settings, credentials),
            lambda: _catchment("snowflake-apply", environment),
            lambda: ensure_manifest(settings, environment),
        ]
        for done in [together.submit(step) for step in steps]:
            done.result()


def ensure_bucket(settings: Settings, credentials: Credentials) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=settings.url("s3"),
        region_name=REGION,
        aws_access_key_id=credentials.s3_key_id,
        aws_secret_access_key=credentials.s3_secret_key,
    )
    client.create_bucket(Bucket=BUCKET)


def ensure_manifest(settings: Settings, environment: Mapping[str, str]) -> None:
    """Parse the dbt project, when a file of it has changed since the last time."""
    stamp = settings.var / "dbt.manifest"
    wanted = fingerprint(DBT)
    if MANIFEST.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    _catchment("dbt-manifest", environment)
    stamp.write_text(wanted)


def ensure_pools(api: AirflowApi) -> None:
    for name, (slots, description) in POOLS.items():
        api.ensure_pool(name, slots, description)


def fingerprint(project: Path) -> str:
    """A hash over the names and contents of what dbt reads."""
    digest = hashlib.sha256()
    for path in sorted(project.rglob("*")):
        if path.suffix in {".sql", ".yml", ".csv", ".md"} and "target" not in path.relative_to(project).parts:
            digest.update(str(path.relative_to(project)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _catchment(command: str, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "catchment", command],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LocalError(f"`python -m catchment {command}` failed: {(done.stderr or done.stdout).strip()[-800:]}")
