"""Which processes the local profile has, in the order of their start."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from local.airflow import metadata
from local.airflow.environment import airflow_environment, platform_environment
from local.cdc import services as cdc
from local.credentials import Credentials
from local.services.postgres import binary
from local.services.service import AIRFLOW, STORAGE, HeartbeatHealth, HttpHealth, PostgresHealth, Service
from local.settings import ROOT, SHARD, Settings

PYTHON = sys.executable


def catalogue(settings: Settings, credentials: Credentials, google_key: Mapping[str, Any]) -> tuple[Service, ...]:
    """All services, first the ones that others need."""
    return (
        *_storage(settings, credentials),
        *_airflow(settings, credentials, google_key),
        *cdc.services(settings, credentials, platform_environment(settings, credentials, google_key)),
    )


def groups(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Names that stand for several services, for those who want a part of the profile."""
    shards = (f"{SHARD}{name}" for name in settings.ports.shards)
    return {"cdc": ("s3", "warehouse", *shards, "kafka", "connect", "loader", "application")}


def _storage(settings: Settings, credentials: Credentials) -> tuple[Service, ...]:
    ports, var = settings.ports, settings.var
    return (
        Service(
            name="postgres",
            command=metadata.cluster(settings, credentials).command,
            health=PostgresHealth(str(binary("pg_isready")), ports.postgres),
            wave=STORAGE,
            port_name="postgres",
            stop_signal="INT",  # fast shutdown; on TERM it would wait for its clients
        ),
        Service(
            name="s3",
            command=(PYTHON, "-m", "local.s3", "--port", str(ports.s3), "--data", str(var / "s3")),
            health=HttpHealth(settings.url("s3", "/")),
            wave=STORAGE,
            port_name="s3",
            url=settings.url("s3"),
        ),
        Service(
            name="warehouse",
            command=(
                str(ROOT / ".venv-warehouse" / "bin" / "python"),
                *("-m", "local.warehouse", "--port", str(ports.warehouse), "--data", str(var / "warehouse")),
            ),
            environment={
                "AWS_ENDPOINT_URL": settings.url("s3"),
                "AWS_ACCESS_KEY_ID": credentials.s3_key_id,
                "AWS_SECRET_ACCESS_KEY": credentials.s3_secret_key,
                "CATCHMENT_WAREHOUSE_USER": "catchment",
                "CATCHMENT_WAREHOUSE_PASSWORD": credentials.warehouse_password,
            },
            health=HttpHealth(settings.url("warehouse", "/healthz")),
            wave=STORAGE,
            port_name="warehouse",
            url=settings.url("warehouse"),
        ),
        Service(
            name="sandbox",
            command=(
                *(PYTHON, "-m", "local.sandbox", "--port", str(ports.sandbox)),
                *("--seed", str(settings.seed), "--scale", str(settings.scale)),
            ),
            environment={
                "CATCHMENT_SANDBOX_CHARTMOGUL_KEY": credentials.chartmogul_api_key,
                "CATCHMENT_SANDBOX_ZENDESK_TOKEN": credentials.zendesk_api_token,
                "CATCHMENT_SANDBOX_GOOGLE_KEY": str(settings.secrets / "google_service_account.json"),
            },
            health=HttpHealth(settings.url("sandbox", "/")),
            wave=STORAGE,
            port_name="sandbox",
            url=settings.url("sandbox"),
        ),
    )


def _airflow(settings: Settings, credentials: Credentials, google_key: Mapping[str, Any]) -> tuple[Service, ...]:
    environment = airflow_environment(settings, credentials, google_key)
    health_page = settings.url("airflow", "/api/v2/monitor/health")
    airflow = str(ROOT / ".venv" / "bin" / "airflow")
    port = str(settings.ports.airflow)

    def component(
        name: str, heartbeat: str, *arguments: str, stop_seconds: int = 15, stops_first: bool = False
    ) -> Service:
        return Service(
            name=f"airflow-{name}",
            command=(airflow, name, *arguments),
            environment=environment,
            health=HeartbeatHealth(health_page, heartbeat),
            wave=AIRFLOW,
            stop_seconds=stop_seconds,
            stops_first=stops_first,
        )

    return (
        Service(
            name="airflow-api-server",
            command=(airflow, "api-server", "--host", "127.0.0.1", "--port", port),
            environment=environment,
            health=HttpHealth(settings.url("airflow", "/api/v2/version")),
            wave=AIRFLOW,
            port_name="airflow",
            url=settings.url("airflow"),
        ),
        # The servers that would show logs of other machines listen on all addresses: they are left out.
        # The scheduler lets running tasks end, and they report that to the api-server.
        component("scheduler", "scheduler", "--skip-serve-logs", stop_seconds=20, stops_first=True),
        component("dag-processor", "dag_processor"),
        component("triggerer", "triggerer", "--skip-serve-logs"),
    )
