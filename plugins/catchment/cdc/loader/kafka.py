"""Kafka as the loader sees it: topics with their ids, and committed records from offsets that the ledger names.

No consumer group: offsets are the warehouse's. Records of transactions that were not committed are never seen
(`read_committed`), and an offset that Kafka does not have is an error, never a jump.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.rows import Record
from catchment.connection import Connection
from catchment.errors import CatchmentError, NeedsPerson, TryAgain

POLL_RECORDS = 2_000
FETCH_BYTES = 8_000_000
SETTINGS = ("cleanup.policy", "max.message.bytes", "retention.ms")  # of topics, as far as they matter
# librdkafka's names, as Airflow's Kafka connections have them → kafka-python's.
_ARGUMENTS = {
    "bootstrap.servers": "bootstrap_servers",
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
    "ssl.ca.location": "ssl_cafile",
    "ssl.certificate.location": "ssl_certfile",
    "ssl.key.location": "ssl_keyfile",
    "ssl.key.password": "ssl_password",
    "client.id": "client_id",
}


class KafkaUnavailable(TryAgain):
    """Kafka can't be reached, or does not answer."""


class OffsetOutOfRange(CatchmentError):
    """Kafka no longer has, or never had, the offset to continue from."""


@dataclass(frozen=True)
class Topic:
    """A topic that exists. A topic that was deleted and made again has another id."""

    name: str
    id: str
    partitions: tuple[int, ...]


def arguments(connection: Connection) -> dict[str, Any]:
    """kafka-python's arguments from a connection. Raises NeedsPerson when it names no broker."""
    given = {ours: connection.extra[theirs] for theirs, ours in _ARGUMENTS.items() if theirs in connection.extra}
    servers = given.pop("bootstrap_servers", None) or (connection.host and f"{connection.host}:{connection.port}")
    if not servers:
        raise NeedsPerson(
            f'The connection "{connection.conn_id}" names no broker: set "bootstrap.servers" in its extra.'
        )
    return {**given, "bootstrap_servers": [server.strip() for server in str(servers).split(",")]}


class Kafka:
    """A consumer and an admin client of one cluster. Used by one thread."""

    def __init__(self, connection: Connection) -> None:
        from kafka import KafkaAdminClient, KafkaConsumer  # type: ignore[import-untyped]

        given = arguments(connection)
        logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it logs every attempt to connect
        with self._explained("connect"):
            self._admin = KafkaAdminClient(**given, request_timeout_ms=10_000, bootstrap_timeout_ms=10_000)
            self._consumer = KafkaConsumer(
                **given,
                group_id=None,
                enable_auto_commit=False,
                isolation_level="read_committed",
                auto_offset_reset="none",
                allow_auto_create_topics=False,
                fetch_max_bytes=FETCH_BYTES,
                max_partition_fetch_bytes=FETCH_BYTES // 4,
                fetch_max_wait_ms=500,
                request_timeout_ms=10_000,
                bootstrap_timeout_ms=10_000,
                metadata_max_age_ms=10_000,
                reconnect_backoff_max_ms=1_000,
                metrics_enabled=False,
            )

    def close(self) -> None:
        """Close the sockets."""
        self._consumer.close()
        self._admin.close()

    def topics(self, names: Iterable[str]) -> dict[str, Topic]:
        """Those of the topics that exist."""
        with self._explained("list topics"):
            described = self._admin.describe_topics(list(names))
        return {
            t["name"]: Topic(
                t["name"], str(t["topic_id"]), tuple(sorted(p["partition_index"] for p in t["partitions"]))
            )
            for t in described
            if not t["error_code"]
        }

    def bounds(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        """The first offset that Kafka has, and the next that a committed record can get.

        A new partition may be left out while its leader is not known yet.
        """
        tps = {_tp(p): p for p in partitions}
        if not tps:
            return {}
        with self._explained("ask for offsets"):
            first, last = self._consumer.beginning_offsets(list(tps)), self._consumer.end_offsets(list(tps))
        return {p: (first[tp], last[tp]) for tp, p in tps.items() if tp in first and tp in last}

    def offsets_at(self, partitions: Iterable[Partition], at: datetime) -> dict[Partition, int | None]:
        """The offset of the first record at that time or later; None where there is none."""
        tps = {_tp(p): p for p in partitions}
        with self._explained("ask for offsets by time"):
            found = self._consumer.offsets_for_times({tp: int(at.timestamp() * 1000) for tp in tps})
        return {p: found[tp].offset if found.get(tp) else None for tp, p in tps.items()}

    def written(self, topics: Iterable[str]) -> dict[Partition, int]:
        """The next offset of every partition of those topics that exist, after what open transactions wrote as well.

        A transaction that its producer holds for committed may still wait for its marker in some partition. What may be
        read there ends before it until then, and would be too early an end.
        """
        from kafka.admin import OffsetSpec  # type: ignore[import-untyped]

        found = self.topics(topics).values()
        partitions = [Partition(topic.name, number) for topic in found for number in topic.partitions]
        with self._explained("say where topics end"):
            ends = self._admin.list_partition_offsets({_tp(p): OffsetSpec.LATEST for p in partitions})
        return {p: int(ends[_tp(p)].offset) for p in partitions}

    def settings(self, topics: Iterable[str]) -> dict[str, dict[str, str]]:
        """What each topic has of the settings that matter, the broker's defaults included."""
        with self._explained("say what topics are set to"):
            found = self._admin.describe_configs(_resources(topics, dict.fromkeys(SETTINGS)), config_filter="all")
        return {
            topic: {key: str(entry["value"] if isinstance(entry, dict) else entry) for key, entry in entries.items()}
            for topic, entries in found.get("topic", {}).items()
        }

    def change(self, topics: Iterable[str], wanted: Mapping[str, str]) -> None:
        """Give topics these settings; what else they have stays."""
        with self._explained("change settings of topics"):
            self._admin.alter_configs(_resources(topics, wanted))

    def assign(self, starts: Mapping[Partition, int], going_on: Iterable[Partition] = ()) -> None:
        """Read `starts` from these offsets, continue with `going_on` where it is, and read nothing else."""
        with self._explained("assign partitions"):
            self._consumer.assign([_tp(p) for p in (*starts, *going_on)])
            for partition, offset in starts.items():
                self._consumer.seek(_tp(partition), offset)

    def poll(self, seconds: float) -> Mapping[Partition, list[Record]]:
        """What has arrived, waiting at most so long for the first of it. Raises `OffsetOutOfRange`."""
        with self._explained("fetch"):
            found = self._consumer.poll(timeout_ms=int(seconds * 1000), max_records=POLL_RECORDS)
        return {Partition(tp.topic, tp.partition): records for tp, records in found.items()}

    def position(self, partition: Partition) -> int:
        """The offset after everything of the partition that `poll` gave, transaction markers included."""
        with self._explained("ask for a position"):
            offset = self._consumer.position(_tp(partition))
        return int(offset)

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        from kafka import errors

        try:
            yield
        except (errors.OffsetOutOfRangeError, errors.NoOffsetForPartitionError, errors.LogTruncationError) as error:
            raise OffsetOutOfRange(str(error)) from error
        except (errors.SaslAuthenticationFailedError, errors.AuthorizationError) as error:
            raise NeedsPerson(
                f'Kafka does not let us {doing} ({error}): fix the connection "kafka", or grant it.'
            ) from error
        except (errors.KafkaError, OSError, AssertionError, LookupError, ValueError) as error:
            raise KafkaUnavailable(
                f"Kafka could not {doing} ({type(error).__name__}: {error}): it is tried again."
            ) from error


def _resources(topics: Iterable[str], configs: Mapping[str, str | None]) -> list[Any]:
    from kafka.admin import ConfigResource, ConfigResourceType

    return [ConfigResource(ConfigResourceType.TOPIC, topic, configs=dict(configs)) for topic in topics]


def _tp(partition: Partition) -> Any:
    from kafka import TopicPartition

    return TopicPartition(partition.topic, partition.number)
