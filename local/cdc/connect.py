"""Kafka Connect: one distributed worker with Debezium and the Snowflake sink on its plugin path."""

from __future__ import annotations

from pathlib import Path

from local.cdc import passwords
from local.cdc.properties import write_properties
from local.java import places
from local.settings import Settings

HEAP_MB = 512
LOG_SETTINGS = Path(__file__).with_name("log4j2.properties")
JSON = "org.apache.kafka.connect.json.JsonConverter"


def properties(settings: Settings) -> dict[str, str]:
    """The worker's settings; the production chart has the same ones beside its addresses."""
    return {
        "bootstrap.servers": f"127.0.0.1:{settings.ports.kafka}",
        "group.id": "connect",
        "listeners": f"http://127.0.0.1:{settings.ports.connect}",
        "rest.advertised.host.name": "127.0.0.1",
        # By META-INF/services: seconds. Looking through every class of the Snowflake sink takes half a minute.
        "plugin.path": str(places.PLUGINS),
        "plugin.discovery": "service_load",
        "key.converter": JSON,
        "key.converter.schemas.enable": "false",
        "value.converter": JSON,
        "value.converter.schemas.enable": "false",
        # Else a NULL in a column that has a default arrives as the default.
        "value.converter.replace.null.with.default": "false",
        "exactly.once.source.support": "enabled",
        "connector.client.config.override.policy": "All",
        "topic.creation.enable": "true",
        "scheduled.rebalance.max.delay.ms": "0",
        "offset.flush.interval.ms": "5000",
        "offset.storage.topic": "_connect_offsets",
        "offset.storage.replication.factor": "1",
        "offset.storage.partitions": "1",
        "config.storage.topic": "_connect_configs",
        "config.storage.replication.factor": "1",
        "status.storage.topic": "_connect_status",
        "status.storage.replication.factor": "1",
        "status.storage.partitions": "1",
        # Connectors name their password as ${file:…}; Connect reads it when a task starts.
        "config.providers": "file",
        "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
        "config.providers.file.param.allowed.paths": str(passwords.file(settings).parent),
    }


def command(settings: Settings) -> tuple[str, ...]:
    main = "org.apache.kafka.connect.cli.ConnectDistributed"
    return places.command(main, str(_file(settings)), heap_mb=HEAP_MB, log_level="INFO", log_settings=LOG_SETTINGS)


def ensure_settings(settings: Settings) -> None:
    """Write the worker's settings and the file that its connectors' passwords are in."""
    passwords.ensure(settings)
    write_properties(_file(settings), properties(settings))


def _file(settings: Settings) -> Path:
    return settings.run / "connect.properties"
