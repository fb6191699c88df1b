"""The dbt project's manifest: what Airflow renders the models from, made ahead so that no DAG file ever runs dbt.

`target/manifest.json` in the project's folder is built, not committed: by `python -m catchment dbt-manifest` when the
local profile starts and when the image is built. Making it needs no warehouse, no network and no credentials.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from catchment.errors import NeedsPerson

DBT = Path(sys.executable).with_name("dbt")
"""dbt's command, of the environment that runs this."""

TARGET = "production"
"""The target whose schemas have no prefix; Airflow runs dbt with it."""

MANIFEST = Path("target/manifest.json")
"""Where the manifest lies, below the project's folder."""


def write_manifest(project: Path) -> Path:
    """Parse the project and write its manifest; returns the manifest's path.

    Raises NeedsPerson with dbt's own words when the project can't be parsed.
    """
    done = subprocess.run(
        [str(DBT), "--quiet", "--no-use-colors", "parse", "--no-partial-parse", "--target", TARGET],
        cwd=project,
        env=environment(project, os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        words = (done.stdout + done.stderr).strip() or f"it ended with status {done.returncode} and said nothing"
        raise NeedsPerson(f"dbt can't parse {project}: {words}")
    return project / MANIFEST


def environment(project: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The environment to run dbt in: this project's profile, files below its `target`, no telemetry."""
    return {
        **given,
        "DBT_PROJECT_DIR": str(project),
        "DBT_PROFILES_DIR": str(project),
        "DBT_TARGET_PATH": str(project / MANIFEST.parent),
        "DBT_LOG_PATH": str(project / MANIFEST.parent),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }
