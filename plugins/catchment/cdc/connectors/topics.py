"""Settings of topics that exist: read them, and give them their declared limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from catchment.cdc.loader.kafka import KafkaUnavailable, arguments
from catchment.connection import Connection
from catchment.errors import NeedsPerson

READ = ("cleanup.policy", "max.message.bytes", "retention.ms")


def settings(connection: Connection, topics: Iterable[str]) -> dict[str, dict[str, str]]:
    """What each topic has of the settings that matter, the broker's defaults included."""
    with _admin(connection) as admin:
        found = admin.describe_configs(_resources(topics, dict.fromkeys(READ)), config_filter="all")
    return {
        topic: {key: str(entry["value"] if isinstance(entry, dict) else entry) for key, entry in entries.items()}
        for topic, entries in found.get("topic", {}).items()
    }


def change(connection: Connection, topics: Iterable[str], wanted: Mapping[str, str]) -> None:
    """Set these; what else a topic has stays. Raises NeedsPerson where Kafka refuses."""
    with _admin(connection) as admin:
        admin.alter_configs(_resources(topics, dict(wanted)))


def _resources(topics: Iterable[str], configs: dict[str, Any]) -> list[Any]:
    from kafka.admin import ConfigResource, ConfigResourceType  # type: ignore[import-untyped]

    return [ConfigResource(ConfigResourceType.TOPIC, topic, configs=dict(configs)) for topic in topics]


@contextmanager
def _admin(connection: Connection) -> Iterator[Any]:
    from kafka import KafkaAdminClient, errors  # type: ignore[import-untyped]

    try:
        admin = KafkaAdminClient(**arguments(connection), request_timeout_ms=10_000, bootstrap_timeout_ms=10_000)
        try:
            yield admin
        finally:
            admin.close()
    except errors.AuthorizationError as error:
        raise NeedsPerson(f"Kafka lets us neither see nor change settings of topics ({error}): grant it.") from error
    except (errors.KafkaError, OSError, AssertionError, LookupError, ValueError) as error:
        raise KafkaUnavailable(
            f"Kafka did not answer about settings of topics ({type(error).__name__}: {error})."
        ) from error
