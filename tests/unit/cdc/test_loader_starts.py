"""From where a topic is read: on from the ledger, or not at all."""

from __future__ import annotations

import pytest

from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import Topic, arguments
from catchment.cdc.loader.offsets import Position
from catchment.cdc.loader.starts import Stopped, starts
from catchment.connection import Connection
from catchment.errors import NeedsPerson

TOPIC = Topic("s0.public.t", "one", (0, 1))
P0, P1 = Partition(TOPIC.name, 0), Partition(TOPIC.name, 1)
KEPT = {P0: (10, 100), P1: (0, 5)}


def reason(ledger: dict[Partition, Position]) -> str:
    found = starts(TOPIC, ledger, KEPT)
    assert isinstance(found, Stopped)
    return str(found)


def test_it_goes_on_where_the_ledger_is_and_begins_where_kafka_does() -> None:
    assert starts(TOPIC, {P0: Position(42, "one")}, KEPT) == {P0: 42, P1: 0}
    assert starts(TOPIC, {}, KEPT) == {P0: 10, P1: 0}


def test_all_that_kafka_has_may_be_loaded_already() -> None:
    assert starts(TOPIC, {P0: Position(100, "one"), P1: Position(5, None)}, KEPT) == {P0: 100, P1: 5}


def test_a_topic_with_another_id_was_made_again_however_long_it_is() -> None:
    assert "deleted and made again since offset 50" in reason({P0: Position(50, "before")})


def test_an_end_before_the_ledger_is_a_topic_made_again_or_a_lost_end() -> None:
    assert "loaded up to offset 101 and Kafka's copy ends at 100" in reason({P0: Position(101, "one")})


def test_records_that_retention_took_before_they_were_loaded_are_named() -> None:
    assert "no longer has offsets 7 to 9 of s0.public.t/0" in reason({P0: Position(7, "one")})


def test_one_bad_partition_stops_the_topic() -> None:
    assert "s0.public.t is not loaded" in reason({P0: Position(42, "one"), P1: Position(6, "one")})


def test_a_kafka_connection_has_librdkafkas_names() -> None:
    extra = {"bootstrap.servers": "a:1, b:2", "security.protocol": "SASL_SSL", "sasl.username": "u", "group.id": "x"}
    assert arguments(Connection(conn_id="kafka", extra=extra)) == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "SASL_SSL",
        "sasl_plain_username": "u",
    }
    assert arguments(Connection(conn_id="kafka", host="h", port=9092))["bootstrap_servers"] == ["h:9092"]
    with pytest.raises(NeedsPerson, match=r"bootstrap\.servers"):
        arguments(Connection(conn_id="kafka"))
