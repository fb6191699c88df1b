"""Facts of Kafka: topics with their ids, ends and limits, and whether a partition has a record to load."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta

from catchment.cdc.declared import Application
from catchment.cdc.health.facts import TopicFacts, known, or_else
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import Kafka
from catchment.connection import Connection

EXPIRING = 0.5  # of a topic's retention: what has waited for longer is about to be lost


def topic_facts(application: Application, connection: Connection) -> dict[str, TopicFacts]:
    """Each declared topic that exists."""
    with closing(Kafka(connection)) as kafka:
        topics = kafka.topics(shard.topic(table) for shard, table in application.replicated())
        bounds = kafka.bounds([Partition(t.name, number) for t in topics.values() for number in t.partitions])
        settings = or_else(known(lambda: kafka.settings(topics)), {}) if topics else {}
        expiring = or_else(known(lambda: _expiring(kafka, bounds, settings)), {})
    return {
        name: TopicFacts(
            id=topic.id,
            bounds={p.number: ends for p, ends in bounds.items() if p.topic == name},
            settings=settings.get(name, {}),
            expiring={p.number: offset for p, offset in expiring.items() if p.topic == name},
        )
        for name, topic in topics.items()
    }


def _expiring(
    kafka: Kafka, bounds: Mapping[Partition, tuple[int, int]], settings: Mapping[str, Mapping[str, str]]
) -> dict[Partition, int]:
    """The offset of each partition before which records have half of their time in Kafka behind them."""
    by_retention: dict[int, list[Partition]] = {}
    for partition in bounds:
        keeps = settings.get(partition.topic, {}).get("retention.ms", "")
        if keeps.isdigit():  # -1: for ever
            by_retention.setdefault(int(keeps), []).append(partition)
    found: dict[Partition, int] = {}
    for retention, partitions in by_retention.items():
        at = datetime.now(UTC) - timedelta(milliseconds=retention) * EXPIRING
        offsets = kafka.offsets_at(partitions, at)
        found |= {p: bounds[p][1] if offset is None else offset for p, offset in offsets.items()}
    return found


def waiting(asked: Mapping[Partition, int], connection: Connection) -> dict[Partition, bool]:
    """Whether Kafka has a committed record to load at or after the next offset of each partition."""
    with closing(Kafka(connection)) as kafka:
        bounds = kafka.bounds(asked)
        kafka.assign({p: max(offset, bounds[p][0]) for p, offset in asked.items()})
        for _ in range(10):
            if found := {partition for partition, records in kafka.poll(0.3).items() if records}:
                break
    return {partition: partition in found for partition in asked}
