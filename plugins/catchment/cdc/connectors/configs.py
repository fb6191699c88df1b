"""From what is declared to connector configs: one Debezium source for each shard, and Snowflake's sink.

A config never holds a secret, only a reference that a Connect config provider resolves when a task starts: configs are
in clear text in Connect's topics and REST replies. Converters are set here and not left to the worker, so that a
record looks the same whoever runs the cluster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from catchment.cdc.connectors.sink import Sink, sink_config
from catchment.cdc.declared import HEARTBEAT, PARTITIONS, SIGNALS, Application, Shard
from catchment.connection import Connection
from catchment.errors import NeedsPerson

SOURCE_CLASS = "io.debezium.connector.postgresql.PostgresConnector"
CONVERTERS = {
    f"{part}.converter{setting}": value
    for part in ("key", "value")
    for setting, value in {
        "": "org.apache.kafka.connect.json.JsonConverter",
        ".schemas.enable": "false",
        # Else a NULL in a column with a default arrives as the default, silently.
        ".replace.null.with.default": "false",
    }.items()
}
# More than the loader takes as a row (16 MB), so that a row too large for the warehouse passes Kafka, and is set aside
# with its key by the loader while the others go on. Brokers refuse requests of over 100 MiB.
LARGEST_RECORD = 64 * 1024 * 1024
# Longer texts are cut, for a record that Kafka refuses stops the shard. What is left is still more than our loader
# takes, so the record is set aside with its key, and no part of a text is taken for the whole. Not where Snowflake's
# sink loads, whose limit is the account's.
LONGEST_TEXT = 16_000_001
CUT = {f"column.truncate.to.{LONGEST_TEXT}.chars": ".*"}
TOPIC_SETTINGS = {"cleanup.policy": "delete", "max.message.bytes": str(LARGEST_RECORD)}

_SECRET = re.compile(r"password|passphrase|secret|private\.key|token|jaas|credential|api\.key", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{[^${}]+\}")
# Keys that belong to Connect itself, or are passed through to clients: no plugin's ConfigDef lists them all.
_PASSED_THROUGH = re.compile(
    r"((topic\.creation|producer\.override|consumer\.override)\.|(key|value)\.converter(\.|$))"
    r"|(topics|exactly\.once\.support|name|snowflake\.enable\.schematization|column\.truncate\.to\.\d+\.chars)$"
)


def declared_connectors(application: Application, look_up: Callable[[str], Connection]) -> dict[str, dict[str, str]]:
    """Every declared connector's config by name. The sink is declared where `kafka_connect` has `sink` in its extra."""
    connect = look_up("kafka_connect")
    configs = {
        shard.connector: source_config(shard, look_up(shard.connection), secret_of(connect, shard))
        for shard in application.shards
    }
    sink = Sink.of(connect)
    if sink is None:
        return {name: {**config, **CUT} for name, config in configs.items()}
    return configs | {
        database.sink: {**sink_config(application, database, sink), **CONVERTERS} for database in application.databases
    }


def secret_of(connect: Connection, shard: Shard) -> str:
    """How a connector refers to its shard's password, from `secret` in the extra of `kafka_connect`."""
    template = str(connect.extra.get("secret", ""))
    reference = template.replace("{shard}", shard.name)
    if not is_reference(reference):
        raise NeedsPerson(
            'The connection "kafka_connect" needs `secret` in its extra: how a connector refers to the password of a '
            "shard, such as ${file:/etc/connect/shards.properties:{shard}.password} (docs/production.md)."
        )
    return reference


def source_config(shard: Shard, connection: Connection, secret: str) -> dict[str, str]:
    """Debezium's config for one shard: the whole of it, nothing is left to a worker's defaults.

    Topics are made by Connect: of the tables with several partitions, of the connector's own with one.
    """
    own = "|".join(name.partition(".")[2] for name in (SIGNALS, HEARTBEAT))
    own_topics = rf"{shard.name}\.transaction,{shard.name}\.cdc\..*,__debezium-heartbeat\.{shard.name}"
    return {
        "connector.class": SOURCE_CLASS,
        "tasks.max": "1",
        "database.hostname": connection.host,
        "database.port": str(connection.port or 5432),
        "database.user": connection.login,
        "database.password": secret,
        "database.dbname": connection.schema or shard.of.database,
        "database.sslmode": str(connection.extra.get("sslmode", "prefer")),
        "topic.prefix": shard.name,
        "plugin.name": "pgoutput",
        "slot.name": shard.slot,
        "slot.drop.on.stop": "false",
        "publication.name": shard.of.publication,
        "publication.autocreate.mode": "disabled",
        "schema.include.list": f"{shard.of.schema},cdc",
        "table.include.list": rf"{shard.of.schema}\.({'|'.join(table.name for table in shard.tables)}),cdc\.({own})",
        # Snapshots and signals
        "snapshot.mode": "initial",
        "snapshot.locking.mode": "none",
        "snapshot.fetch.size": "10240",
        "incremental.snapshot.chunk.size": "4096",
        "incremental.snapshot.watermarking.strategy": "insert_delete",
        "signal.enabled.channels": "source",
        "signal.data.collection": SIGNALS,
        # Moves the slot on when the captured tables are quiet, and is the pulse that the health DAG feels.
        "heartbeat.interval.ms": "5000",
        "heartbeat.action.query": f"UPDATE {HEARTBEAT} SET ts = clock_timestamp(), n = n + 1 WHERE id = 1",
        # Values
        "decimal.handling.mode": "string",
        "time.precision.mode": "isostring",
        "interval.handling.mode": "string",
        "binary.handling.mode": "hex",  # with base64 an unchanged TOASTed bytea arrives as null
        "unavailable.value.placeholder": "__debezium_unavailable_value",
        "tombstones.on.delete": "true",
        "skipped.operations": "none",  # the default drops TRUNCATE
        "provide.transaction.metadata": "true",
        # Topics
        "topic.creation.enable": "true",
        "topic.creation.default.replication.factor": "-1",  # the broker's default
        "topic.creation.default.partitions": str(PARTITIONS),
        "topic.creation.default.compression.type": "producer",
        **{f"topic.creation.default.{key}": value for key, value in TOPIC_SETTINGS.items()},
        "topic.creation.groups": "own",
        "topic.creation.own.include": own_topics,
        "topic.creation.own.partitions": "1",
        "topic.creation.own.replication.factor": "-1",
        # Pace
        "exactly.once.support": "required",
        "transaction.boundary": "poll",
        "poll.interval.ms": "50",
        "max.batch.size": "4096",
        "max.queue.size": "16384",
        "errors.max.retries": "-1",
        "retriable.restart.connector.wait.ms": "5000",
        "producer.override.compression.type": "lz4",
        "producer.override.linger.ms": "20",
        "producer.override.batch.size": "262144",
        "producer.override.max.request.size": str(LARGEST_RECORD),
        "producer.override.buffer.memory": str(2 * LARGEST_RECORD),
        **CONVERTERS,
    }


# --- secrets --------------------------------------------------------------------------------------------------------


def is_reference(value: str) -> bool:
    """Whether a value as a whole is a reference to a config provider: `${file:/path:key}`."""
    return bool(_REFERENCE.fullmatch(value))


def is_secret(key: str) -> bool:
    return bool(_SECRET.search(key))


def shown(key: str, value: str | None) -> str:
    """A value as it may be printed: what is, or could be, a secret written out is not."""
    if value is None:
        return "(not set)"
    return "(hidden)" if is_secret(key) and not is_reference(value) else value


def written_out(config: Mapping[str, str]) -> tuple[str, ...]:
    """The keys of a config whose secret is in it, and not a reference."""
    return tuple(key for key, value in sorted(config.items()) if is_secret(key) and value and not is_reference(value))


def unknown_keys(config: Mapping[str, str], known: frozenset[str]) -> tuple[str, ...]:
    """Keys that a plugin would ignore without a word: typing errors, and settings of another version."""
    return tuple(key for key in sorted(config) if key not in known and not _PASSED_THROUGH.match(key))
