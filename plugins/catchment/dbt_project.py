"""The dbt project's manifest: what Airflow renders the models from, made ahead so that no DAG file ever runs dbt.

`target/manifest.json` in the project's folder is built, not committed: by `python -m catchment dbt-manifest` when the
local profile starts and when the image is built. Making it needs no warehouse, no network and no credentials.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catchment.errors import NeedsPerson

DBT = Path(sys.executable).with_name("dbt")
"""dbt's command, of the environment that runs this."""

TARGET = "production"
"""The target whose schemas have no prefix; Airflow runs dbt with it."""

MANIFEST = Path("target/manifest.json")
"""Where the manifest lies, below the project's folder."""

APPLICATION = "models/staging/application"
"""The models of the replicated tables, which have a DAG of their own."""

TESTED_BY_THE_BUILD = ("tests/", "models/staging/")
"""Where the files lie whose tests have no task of their own."""

PARTS = {"application_state": True, "customer_metrics": False}
"""Each DAG that runs dbt, and whether it builds the models in APPLICATION (else all others)."""


def part_of(dag: str) -> Path:
    """Where the part of the manifest lies that a DAG renders."""
    return MANIFEST.with_suffix(f".{dag}.json")


def part_of_build(dag: str) -> tuple[str, str]:
    """dbt's option that makes one build of the whole project a build of the DAG's part."""
    return ("--select" if PARTS[dag] else "--exclude", f"path:{APPLICATION}")


def write_manifest(project: Path) -> Path:
    """Parse the project and write its manifest, whole and in the parts of each DAG; returns the whole one's path.

    Parts, because Cosmos (1.15) gives nodes that it selects itself in an order that differs from parse to parse.

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
    whole = json.loads((project / MANIFEST).read_text(encoding="utf-8"))
    for dag, of_application in PARTS.items():
        (project / part_of(dag)).write_text(json.dumps(part(whole, of_application)), encoding="utf-8")
    return project / MANIFEST


def part(manifest: Mapping[str, Any], of_application: bool) -> dict[str, Any]:
    """The manifest with only the nodes in APPLICATION and the tests of them, or with only the others.

    What becomes no task is left out: sources, and tests that are of staging models or of the project as a whole. The
    build runs these all the same (docs/adr/0020), and of their folders Cosmos would make empty groups.
    """
    nodes = {
        name: node
        for name, node in manifest["nodes"].items()
        if node["original_file_path"].startswith(APPLICATION) is of_application
        and not (node["resource_type"] == "test" and node["original_file_path"].startswith(TESTED_BY_THE_BUILD))
    }
    return {**manifest, "nodes": nodes, "sources": {}}


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
