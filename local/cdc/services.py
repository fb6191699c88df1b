"""The processes of change data capture: shards, Kafka, Connect, and who writes and who loads."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from local.cdc import connect, kafka, shards
from local.credentials import Credentials
from local.services.postgres import binary
from local.services.service import (
    AIRFLOW,
    CAPTURE,
    STORAGE,
    HttpHealth,
    KafkaHealth,
    PostgresHealth,
    Service,
    StatusHealth,
)
from local.settings import SHARD, Settings


def services(settings: Settings, credentials: Credentials, platform: Mapping[str, str]) -> tuple[Service, ...]:
    """All of them; `platform` is the environment of what runs the platform's own code."""
    return (
        *(_shard(settings, credentials, name) for name in settings.ports.shards),
        Service(
            name="kafka",
            command=kafka.command(settings),
            health=KafkaHealth(settings.ports.kafka),
            wave=STORAGE,
            early=True,
            port_name="kafka",
            stop_seconds=30,
        ),
        Service(
            name="connect",
            command=connect.command(settings),
            health=HttpHealth(settings.url("connect", "/health"), below=400),  # 404 and 503 while it starts
            wave=AIRFLOW,
            early=True,
            port_name="connect",
            url=settings.url("connect"),
        ),
        Service(
            name="loader",
            command=(sys.executable, "-m", "catchment", "cdc-load"),
            environment={**platform, "CATCHMENT_CDC_STATUS": str(settings.run / "loader.json")},
            health=StatusHealth(settings.run / "loader.json"),
            wave=CAPTURE,
            stop_seconds=30,
        ),
        Service(
            name="application",
            command=(sys.executable, "-m", "local.application", "--status", str(settings.run / "application.json")),
            environment=settings.as_environment(),
            health=StatusHealth(settings.run / "application.json"),
            wave=CAPTURE,
        ),
    )


def _shard(settings: Settings, credentials: Credentials, name: str) -> Service:
    cluster = shards.cluster(settings, credentials, name)
    return Service(
        name=f"{SHARD}{name}",
        command=cluster.command,
        health=PostgresHealth(str(binary("pg_isready")), cluster.port),
        wave=STORAGE,
        port_name=f"{SHARD}{name}",
        stop_signal="INT",  # fast shutdown; on TERM it would wait for its clients, Debezium among them
    )
