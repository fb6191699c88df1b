"""Airflow's whole configuration in the local profile, as environment variables.

The intervals and counts are tuned for two cores.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.airflow import metadata
from local.airflow.connections import as_environment, connections
from local.credentials import Credentials
from local.settings import ROOT, Settings

SITE = Path(__file__).parent / "site"

NO_TELEMETRY = {
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "SCARF_ANALYTICS": "false",
    "DO_NOT_TRACK": "1",
}


def airflow_environment(settings: Settings, credentials: Credentials, google_key: Mapping[str, Any]) -> dict[str, str]:
    """The variables that an Airflow process of the local profile runs with."""
    sections = (
        _core(credentials),
        _storage(settings, credentials),
        _api(settings, credentials),
        _pace(),
    )
    configuration = {
        f"AIRFLOW__{section.upper()}__{key.upper()}": value
        for part in sections
        for section, options in part.items()
        for key, value in options.items()
    }
    return {
        **platform_environment(settings, credentials, google_key),
        "AIRFLOW_HOME": str(settings.var / "airflow"),
        "PYTHONPATH": os.pathsep.join((str(ROOT / "plugins"), str(SITE))),
        "CATCHMENT_FIRST_START": settings.first_start,
        **NO_TELEMETRY,
        **configuration,
    }


def platform_environment(settings: Settings, credentials: Credentials, google_key: Mapping[str, Any]) -> dict[str, str]:
    """The variables that `python -m catchment` runs with: where the package is, and its connections."""
    return {
        "PYTHONPATH": str(ROOT / "plugins"),
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "MALLOC_ARENA_MAX": "2",  # as in the image
        **as_environment(connections(settings, credentials, google_key)),
    }


def as_exports(environment: Mapping[str, str]) -> str:
    """The variables as a shell reads them."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())


Sections = Mapping[str, Mapping[str, str]]


def _core(credentials: Credentials) -> Sections:
    return {
        "core": {
            "dags_folder": str(ROOT / "dags"),
            "plugins_folder": str(ROOT / "plugins"),
            "load_examples": "False",
            "executor": "LocalExecutor",
            "fernet_key": credentials.airflow_fernet_key,
            # The login of the local profile: whoever reaches 127.0.0.1 is its admin.
            "simple_auth_manager_all_admins": "True",
        },
    }


def _storage(settings: Settings, credentials: Credentials) -> Sections:
    database = metadata.cluster(settings, credentials).dsn(metadata.DATABASE)
    return {
        "database": {"sql_alchemy_conn": database.replace("://", "+psycopg2://", 1)},
        "cosmos": {
            "cache_dir": str(settings.var / "cosmos"),
            # The build would save all that it told its watchers after each word: a thousand calls. It is saved when the
            # build fails; only one that is killed leaves its watchers to run their models themselves.
            "enable_watcher_reliable_retry": "False",
        },
        "logging": {"base_log_folder": str(settings.log / "tasks"), "colored_console_log": "False"},
    }


def _api(settings: Settings, credentials: Credentials) -> Sections:
    return {
        "api": {
            "host": "127.0.0.1",
            "port": str(settings.ports.airflow),
            "base_url": settings.url("airflow"),
            "secret_key": credentials.airflow_secret_key,
            "workers": "1",
        },
        "api_auth": {"jwt_secret": credentials.airflow_jwt_secret},
        # A task's token must outlive the task, or a long one dies when it reports its end.
        "execution_api": {"jwt_expiration_time": "86400"},
        # A busy api-server answers late. Airflow's 5 s are then too short, and a worker that asks again is told that
        # its task has begun already (409), and kills it.
        "workers": {"execution_api_timeout": "60"},
    }


def _pace() -> Sections:
    return {
        "core": {"parallelism": "10", "max_active_tasks_per_dag": "16"},
        "scheduler": {"scheduler_idle_sleep_time": "0.3"},
        "dag_processor": {
            "refresh_interval": "30",
            "bundle_refresh_check_interval": "5",
            "parsing_processes": "1",
            # A changed DAG file is parsed at once all the same; every 30 s all of them cost an eighth of a core.
            "min_file_process_interval": "120",
        },
    }
