"""The state of a shard's topics: what was lost in Kafka, what is about to be, and settings that are not as declared.

Pure, but for `set_right`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing

from catchment.cdc.connectors.configs import TOPIC_SETTINGS
from catchment.cdc.health.facts import TopicFacts, Unknown, or_else
from catchment.cdc.health.observation import Assessment, ShardObservation
from catchment.cdc.health.policy import State
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import Kafka
from catchment.connection import Connection

RETENTION = "retention.ms"
MOST = 5  # named in a sentence
# What it means. The worst first.
_LEADS = {
    State.TOPIC_REPLACED: "a topic was deleted, and what was in it and not in raw is lost; one that was made again "
    "under its name is not loaded",
    State.RECORDS_LOST: "Kafka's retention took records before they were loaded; only a new snapshot brings their rows",
    State.RETENTION_SHORT: "Kafka will soon delete records that are not loaded yet. Start the loader, or raise the "
    "topic's retention.ms now",
    State.TOPIC_DRIFTED: "is not as declared, and is set right",
}


def assess_topics(observed: ShardObservation) -> Assessment:
    """The worst that is true of any of the shard's topics; the sentence names each topic that it is true of."""
    shard, facts = observed.shard, observed.facts
    if isinstance(facts.topics, Unknown):
        return observed.describe(State.UNKNOWN, "can't be seen without Kafka.", explained=True)
    wanted = [shard.topic(table) for table in shard.tables]
    topics = {topic: facts.topics[topic] for topic in wanted if topic in facts.topics}
    # Our loader's ledger has the ids; Snowflake's sink has none, so what was seen before counts.
    known_ids: Mapping[str, str] = facts.topic_ids or observed.kept("ids", {})
    drifted = {topic: text for topic, known in topics.items() if (text := _drift(known))}
    detail = {
        "ids": {topic: known_ids.get(topic, found.id) for topic, found in topics.items()},
        "drifted": sorted(drifted),
    }
    found = [(State.TOPIC_REPLACED, f"{t} (not there any more)") for t in wanted if t in known_ids and t not in topics]
    for topic, known in topics.items():
        if known_ids.get(topic, known.id) != known.id:
            found.append((State.TOPIC_REPLACED, f"{topic} (id {known.id}, loaded from {known_ids[topic]})"))
        found += _losses(topic, known, or_else(facts.loaded, {}))
    found += [(State.TOPIC_DRIFTED, f"{topic}: {text}") for topic, text in drifted.items()]
    if not found:
        return observed.describe(State.HEALTHY, f"{len(topics)} topics are as declared.", detail)
    state = min((each for each, _ in found), key=list(_LEADS).index)
    texts = [text for each, text in found if each is state]
    more = f" and {len(texts) - MOST} more" if len(texts) > MOST else ""
    return observed.describe(state, f"{_LEADS[state]}: {'; '.join(texts[:MOST])}{more}.", detail)


def _losses(topic: str, found: TopicFacts, loaded: Mapping[Partition, int]) -> Iterator[tuple[State, str]]:
    """Partitions with unloaded records that Kafka has no more, or that have half of their time in it behind them."""
    for number, (first, _) in found.bounds.items():
        at = loaded.get(Partition(topic, number), first)
        if at < first:
            yield State.RECORDS_LOST, f"{topic}/{number} offsets {at} to {first - 1}"
    for number, before in found.expiring.items():
        at = loaded.get(Partition(topic, number), before)
        if at + 1 < before:  # one may be the marker of a transaction
            minutes = int(found.settings[RETENTION]) / 60_000
            keeps = f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
            yield State.RETENTION_SHORT, f"{topic}/{number} from offset {at} on, which it keeps for {keeps}"


def _drift(topic: TopicFacts) -> str:
    """Its limits that are not as declared: what they are, and what they should be."""
    return ", ".join(
        f"{key}: {topic.settings[key]} → {wanted}"
        for key, wanted in TOPIC_SETTINGS.items()
        if topic.settings and topic.settings.get(key) != wanted
    )


def set_right(connection: Connection, topics: tuple[str, ...]) -> None:
    """Give topics their declared limits."""
    with closing(Kafka(connection)) as kafka:
        kafka.change(topics, TOPIC_SETTINGS)
