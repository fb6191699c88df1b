"""What the local profile sets of Airflow's configuration, by Airflow's own list of options."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from local.airflow.environment import airflow_environment
from local.credentials import ensure_credentials
from local.settings import ROOT, Settings

NOT_LISTED = {"cosmos", "usage_data_collection"}  # a provider's; one that 3.3 no longer has, off in case


@pytest.fixture(scope="module")
def options() -> dict[str, dict[str, dict[str, object]]]:
    spec = find_spec("airflow")
    assert spec
    assert spec.submodule_search_locations
    file = Path(spec.submodule_search_locations[0]) / "config_templates" / "config.yml"
    return {name: section["options"] for name, section in yaml.safe_load(file.read_text()).items()}


def test_every_option_that_is_set_is_one_of_airflows(tmp_path: Path, options: dict[str, dict[str, object]]) -> None:
    settings = Settings(var=tmp_path)
    names = airflow_environment(settings, ensure_credentials(settings), {})
    found = [match.groups() for name in names if (match := re.fullmatch(r"AIRFLOW__(\w+?)__(\w+)", name))]
    assert len(found) > 10
    known = {(section.upper(), option.upper()) for section, named in options.items() for option in named}
    assert {pair for pair in found if pair[0].lower() not in NOT_LISTED} <= known


def test_a_worker_waits_for_a_busy_api_server(tmp_path: Path, options: dict[str, dict[str, dict[str, object]]]) -> None:
    """apache/airflow issues 58422 and 58562: under load the api-server answers after more than the default 5 s; the
    worker asks again, is told 409 as its first request was taken, and ends the task with SIGKILL. Right: it waits, here
    and in production.
    """
    settings = Settings(var=tmp_path)
    seconds = airflow_environment(settings, ensure_credentials(settings), {})["AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT"]
    assert float(seconds) > float(str(options["workers"]["execution_api_timeout"]["default"]))
    assert f"AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT={seconds}" in (ROOT / "docs" / "production.md").read_text()
