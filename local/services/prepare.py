"""What must be there before a service's process starts: a free port, and its data and settings."""

from __future__ import annotations

from dataclasses import asdict

from local import ports
from local.airflow import metadata
from local.cdc import connect, kafka, shards
from local.credentials import Credentials, ensure_google_key
from local.services.service import Service
from local.settings import PREFIX, SHARD, Settings


def prepare(settings: Settings, credentials: Credentials, service: Service) -> None:
    """Make what the service needs, quick when it is there.

    Raises:
        LocalError: its port is taken, or its data could not be made.
    """
    if service.port_name:
        port = asdict(settings.ports)[service.port_name]
        ports.require_free(port, service=service.name, variable=f"{PREFIX}PORT_{service.port_name.upper()}")
    match service.name:
        case "postgres":
            metadata.cluster(settings, credentials).ensure()
        case "sandbox":
            ensure_google_key(settings)
        case "kafka":
            kafka.ensure_formatted(settings)
        case "connect":
            connect.ensure_settings(settings)
        case name if name.startswith(SHARD):
            shards.cluster(settings, credentials, name.removeprefix(SHARD)).ensure()
