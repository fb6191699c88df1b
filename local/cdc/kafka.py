"""The Kafka broker: one KRaft process that is broker and controller."""

from __future__ import annotations

import base64
import uuid
from pathlib import Path

from local.cdc.properties import write_properties
from local.command import run
from local.errors import LocalError
from local.java import places
from local.settings import Settings

HEAP_MB = 256
# Only the fast compiler. A broker mostly moves bytes: what the other one costs in its first minutes never comes back.
OPTIONS = ("-XX:TieredStopAtLevel=1",)
LOG_SETTINGS = Path(__file__).with_name("log4j2.properties")


def properties(settings: Settings) -> dict[str, str]:
    """The broker's `server.properties`."""
    broker = f"127.0.0.1:{settings.ports.kafka}"
    controller = f"127.0.0.1:{settings.ports.kafka_controller}"
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{broker}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": str(data_directory(settings)),
        "num.partitions": "3",
        "auto.create.topics.enable": "false",
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "5",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "5",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "log.retention.hours": "168",
        "log.retention.bytes": str(2 << 30),
        "log.segment.bytes": str(128 << 20),
        "num.network.threads": "2",
        "num.io.threads": "4",
    }


def command(settings: Settings) -> tuple[str, ...]:
    return places.command(
        "kafka.Kafka",
        str(_file(settings)),
        heap_mb=HEAP_MB,
        log_level="WARN",
        log_settings=LOG_SETTINGS,
        options=OPTIONS,
    )


def ensure_formatted(settings: Settings) -> None:
    """Write the broker's settings and, at the first start, format its directory.

    Raises:
        LocalError: Kafka's StorageTool failed; the message has its last words.
    """
    write_properties(_file(settings), properties(settings))
    if (data_directory(settings) / "meta.properties").exists():
        return
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    arguments = ("format", f"--cluster-id={cluster_id}", "--config", str(_file(settings)))
    tool = places.command(
        "kafka.tools.StorageTool", *arguments, heap_mb=64, log_level="WARN", log_settings=LOG_SETTINGS
    )
    made = run(tool, what="Formatting Kafka's directory")
    if made.returncode:
        said = (made.stdout + made.stderr).strip()[-600:]
        raise LocalError(f"Kafka's directory {data_directory(settings)} could not be formatted: {said}")


def data_directory(settings: Settings) -> Path:
    return settings.var / "kafka"


def _file(settings: Settings) -> Path:
    return settings.run / "kafka.properties"
