"""The state of a shard's topics: what was lost in Kafka, what is about to be, and settings that are not as declared.

Pure, but for `set_right`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta

from catchment.cdc.connectors.configs import TOPIC_SETTINGS
from catchment.cdc.declared import Shard
from catchment.cdc.health.assessment import Assessment
from catchment.cdc.health.facts import Facts, TopicFacts, Unknown
from catchment.cdc.health.history import History
from catchment.cdc.health.policy import State
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import Kafka
from catchment.connection import Connection

RETENTION = "retention.ms"
MOST = 5  # named in a sentence


def subject(shard: Shard) -> str:
    return f"{shard.connector}/topics"


def assess_topics(shard: Shard, facts: Facts, history: History) -> Assessment:
    """The worst that is true of any of the shard's topics; the sentence names each topic that it is true of."""
    name = subject(shard)
    if isinstance(facts.topics, Unknown):
        return Assessment(name, State.UNKNOWN, f"{name}: can't be seen without Kafka.", explained=True, shard=shard)
    wanted = [shard.topic(table) for table in shard.tables]
    topics = {topic: facts.topics[topic] for topic in wanted if topic in facts.topics}
    seen = history.last(name)
    # Our loader's ledger has the ids; Snowflake's sink has none, so what was seen before counts.
    known_ids: Mapping[str, str] = facts.topic_ids or (seen.detail.get("ids", {}) if seen else {})
    wrong = drifted(topics)
    detail = {
        "ids": {topic: known_ids.get(topic, found.id) for topic, found in topics.items()},
        "drifted": sorted(wrong),
    }
    for state, found in (
        (State.TOPIC_REPLACED, (*_gone(wanted, topics, known_ids), *_replaced(topics, known_ids))),
        (State.RECORDS_LOST, _lost(topics, facts)),
        (State.RETENTION_SHORT, _expiring(topics, facts)),
        (State.TOPIC_DRIFTED, _texts(wrong)),
    ):
        if texts := list(found):
            sentence = f"{name}: {_LEADS[state]}: {'; '.join(texts[:MOST])}"
            more = f" and {len(texts) - MOST} more" if len(texts) > MOST else ""
            return Assessment(name, state, f"{sentence}{more}.", detail, shard=shard)
    return Assessment(name, State.HEALTHY, f"{name}: {len(topics)} topics are as declared.", detail, shard=shard)


_LEADS = {
    State.TOPIC_REPLACED: "a topic was deleted, and what was in it and not in raw is lost; one that was made again "
    "under its name is not loaded",
    State.RECORDS_LOST: "Kafka's retention took records before they were loaded; only a new snapshot brings their rows",
    State.RETENTION_SHORT: "Kafka will soon delete records that are not loaded yet. Start the loader, or raise the "
    "topic's retention.ms now",
    State.TOPIC_DRIFTED: "is not as declared, and is set right",
}


def _gone(wanted: list[str], topics: Mapping[str, TopicFacts], known_ids: Mapping[str, str]) -> Iterator[str]:
    return (f"{topic} (not there any more)" for topic in wanted if topic in known_ids and topic not in topics)


def _replaced(topics: Mapping[str, TopicFacts], known_ids: Mapping[str, str]) -> Iterator[str]:
    for topic, found in topics.items():
        if known_ids.get(topic, found.id) != found.id:
            yield f"{topic} (id {found.id}, loaded from {known_ids[topic]})"


def _lost(topics: Mapping[str, TopicFacts], facts: Facts) -> Iterator[str]:
    if isinstance(facts.loaded, Unknown):
        return
    for topic, found in topics.items():
        for number, (first, _) in found.bounds.items():
            at = facts.loaded.get(Partition(topic, number), first)
            if at < first:
                yield f"{topic}/{number} offsets {at} to {first - 1}"


def _expiring(topics: Mapping[str, TopicFacts], facts: Facts) -> Iterator[str]:
    """Partitions with an unloaded record that has half of its time in Kafka behind it."""
    if isinstance(facts.loaded, Unknown):
        return
    for topic, found in topics.items():
        for number, before in found.expiring.items():
            at = facts.loaded.get(Partition(topic, number))
            if at is not None and at + 1 < before:  # one may be the marker of a transaction
                keeps = timedelta(milliseconds=int(found.settings[RETENTION]))
                yield f"{topic}/{number} from offset {at} on, which it keeps for {_span(keeps)}"


def drifted(topics: Mapping[str, TopicFacts]) -> dict[str, dict[str, tuple[str, str]]]:
    """Limits of topics that are not as declared: what they are, and what they should be."""
    found = {
        topic: {
            key: (facts.settings[key], wanted)
            for key, wanted in TOPIC_SETTINGS.items()
            if facts.settings and facts.settings.get(key) != wanted
        }
        for topic, facts in topics.items()
    }
    return {topic: differences for topic, differences in found.items() if differences}


def _texts(found: Mapping[str, Mapping[str, tuple[str, str]]]) -> Iterator[str]:
    for topic, differences in found.items():
        yield f"{topic}: " + ", ".join(f"{key}: {is_} → {wanted}" for key, (is_, wanted) in differences.items())


def set_right(connection: Connection, topics: tuple[str, ...]) -> None:
    """Give topics their declared limits."""
    with closing(Kafka(connection)) as kafka:
        kafka.change(topics, TOPIC_SETTINGS)


def _span(span: timedelta) -> str:
    minutes = span.total_seconds() / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
