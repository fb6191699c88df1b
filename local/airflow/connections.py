"""The Airflow connections of the local profile: the only thing that differs from production."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from local.cdc import passwords, shards
from local.credentials import Credentials
from local.settings import Settings

REGION = "us-east-1"
WAREHOUSE_USER = "catchment"
ZENDESK_LOGIN = "data@catchment.example"


def connections(
    settings: Settings, credentials: Credentials, google_key: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Every connection by its id, as Airflow's JSON form has it."""
    return {
        "snowflake_default": {
            "conn_type": "snowflake",
            "login": WAREHOUSE_USER,
            "password": credentials.warehouse_password,
            "extra": {
                "account": "local",
                "warehouse": "LOADING",
                "database": "RAW",
                "role": "LOADER",
                "host": "127.0.0.1",
                "port": settings.ports.warehouse,
                "protocol": "http",
            },
        },
        "aws_default": {
            "conn_type": "aws",
            "login": credentials.s3_key_id,
            "password": credentials.s3_secret_key,
            "extra": {"endpoint_url": settings.url("s3"), "region_name": REGION},
        },
        "chartmogul": {
            "conn_type": "http",
            "host": settings.url("sandbox", "/chartmogul/v1"),
            "password": credentials.chartmogul_api_key,
        },
        "zendesk": {
            "conn_type": "http",
            "host": settings.url("sandbox", "/zendesk/api/v2"),
            "login": ZENDESK_LOGIN,
            "password": credentials.zendesk_api_token,
        },
        "google_sheets": {
            "conn_type": "google_cloud_platform",
            "extra": {"keyfile_dict": dict(google_key), "base_url": settings.url("sandbox", "/google")},
        },
        "catchment_pii": {"conn_type": "generic", "password": credentials.pii_key},
        **_capture(settings, credentials),
    }


def _capture(settings: Settings, credentials: Credentials) -> dict[str, dict[str, Any]]:
    """Each shard as the role `cdc` and as its owner, and the way to Kafka and Connect."""
    by_id: dict[str, dict[str, Any]] = {
        "kafka": {"conn_type": "generic", "extra": {"bootstrap.servers": f"127.0.0.1:{settings.ports.kafka}"}},
        "kafka_connect": {
            "conn_type": "http",
            "host": "127.0.0.1",
            "port": settings.ports.connect,
            "schema": "http",
            "extra": {"secret": passwords.reference(settings, "{shard}")},
        },
    }
    for shard, password in passwords.ensure(settings).items():
        place = {
            "conn_type": "postgres",
            "host": "127.0.0.1",
            "port": settings.ports.shards[shard],
            "schema": shards.DATABASE,
        }
        owner = {"login": shards.OWNER, "password": credentials.application_password}
        by_id[f"application_{shard}"] = {**place, "login": "cdc", "password": password}
        by_id[f"application_{shard}_owner"] = {**place, **owner}
    return by_id


def as_environment(by_id: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The connections as the `AIRFLOW_CONN_*` variables that Airflow reads."""
    return {f"AIRFLOW_CONN_{conn_id.upper()}": json.dumps(connection) for conn_id, connection in by_id.items()}
