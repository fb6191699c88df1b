"""Declaration → configs: every setting that keeps data whole, no secret, no key that a plugin would ignore."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from catchment.cdc.connectors.configs import (
    CONVERTERS,
    LONGEST_TEXT,
    declared_connectors,
    shown,
    source_config,
    unknown_keys,
    written_out,
)
from catchment.cdc.connectors.sink import CLASSES, Sink, sink_config
from catchment.cdc.declared import Application, application
from catchment.cdc.loader.rows import LONGEST
from catchment.connection import Connection
from catchment.errors import NeedsPerson
from tests.support.cdc_health import two_shards

REPLIES = Path(__file__).parent / "replies"
SECRET = "${file:/etc/connect/shards.properties:{shard}.password}"
DATABASE = application().database("application")
SINK = {"account": "org-acme", "user": "CATCHMENT", "private_key": "${file:/etc/connect/snowflake.properties:key}"}


def connections(**connect: object) -> dict[str, Connection]:
    shards = {
        shard.connection: Connection(
            conn_id=shard.connection, host=f"{shard.name}.db", port=5432, schema="app", login="cdc", password="hunter2"
        )
        for shard in application().shards
    }
    return {**shards, "kafka_connect": Connection(conn_id="kafka_connect", extra={"secret": SECRET, **connect})}


def of(**connect: object) -> dict[str, dict[str, str]]:
    return declared_connectors(application(), connections(**connect).__getitem__)


def known_to(plugin: str) -> frozenset[str]:
    """The keys of a plugin's ConfigDef, as Connect reported it."""
    reply = json.loads((REPLIES / f"validate_{plugin}.json").read_text())
    return frozenset(entry["definition"]["name"] for entry in reply["configs"])


def known_to_sink(version: str) -> frozenset[str]:
    """2.5 reads `snowflake.enable.schematization`, too, though its ConfigDef does not define it.

    4.1 could not be run here. Its keys are those of Snowflake's page "Install and configure" of the connector and of
    upstream's `ConnectorConfigDefinition`.
    """
    if version == "4":
        return frozenset((REPLIES / "keys_snowflake_4.txt").read_text().split())
    return known_to("snowflake") | {"snowflake.enable.schematization"}


def test_every_shard_has_a_connector_a_slot_a_prefix_and_its_own_password() -> None:
    configs = of()
    assert set(configs) == {"application-s0", "application-s1"}
    found = {
        (c["topic.prefix"], c["slot.name"], c["database.hostname"], c["database.password"]) for c in configs.values()
    }
    reference = "${file:/etc/connect/shards.properties:%s.password}"
    assert found == {(s, f"debezium_{s}", f"{s}.db", reference % s) for s in ("s0", "s1")}


def test_no_password_is_in_any_config() -> None:
    configs = of(sink=SINK)
    assert "hunter2" not in json.dumps(configs)
    assert [key for config in configs.values() for key in written_out(config)] == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("plugin.name", "pgoutput"),
        ("publication.autocreate.mode", "disabled"),
        ("skipped.operations", "none"),
        ("decimal.handling.mode", "string"),
        ("time.precision.mode", "isostring"),
        ("binary.handling.mode", "hex"),
        ("value.converter.replace.null.with.default", "false"),
        ("exactly.once.support", "required"),
        ("tombstones.on.delete", "true"),
        ("slot.drop.on.stop", "false"),
        ("incremental.snapshot.watermarking.strategy", "insert_delete"),
    ],
)
def test_settings_without_which_data_is_lost_or_bent_are_there(key: str, value: str) -> None:
    assert {config[key] for config in of().values()} == {value}


def test_a_table_more_is_captured_and_nothing_else_changes() -> None:
    small, large = two_shards(), application()
    there = connections()["application_s0"]
    before, after = (source_config(a.shard("s0"), there, "${env:P}") for a in (small, large))
    assert {key for key in after if before[key] != after[key]} == {"table.include.list"}
    assert before["table.include.list"] == r"public\.(activities),cdc\.(signals|heartbeat)"


def test_topics_of_tables_have_three_partitions_and_the_transaction_topic_one() -> None:
    config = of()["application-s0"]
    assert (config["topic.creation.default.partitions"], config["topic.creation.own.partitions"]) == ("3", "1")
    assert r"s0\.transaction" in config["topic.creation.own.include"].split(",")


def test_a_text_that_is_cut_is_still_more_than_the_loader_takes_and_none_is_cut_for_the_sink() -> None:
    """Else a part of a text would be taken for the whole. What Snowflake's sink takes is up to the account."""
    assert LONGEST_TEXT > LONGEST
    (setting,) = (key for key in of()["application-s0"] if "truncate" in key)
    assert str(LONGEST_TEXT) in setting
    assert not any("truncate" in key for key in of(sink=SINK)["application-s0"])


def test_debezium_knows_every_key() -> None:
    assert unknown_keys(of()["application-s0"], known_to("debezium")) == ()


@pytest.mark.parametrize("version", sorted(CLASSES))
def test_the_sink_has_only_keys_of_its_version(version: str) -> None:
    config = {**sink_config(application(), DATABASE, Sink(**SINK, version=version)), **CONVERTERS}
    assert unknown_keys(config, known_to_sink(version)) == ()
    assert config["connector.class"] == CLASSES[version]


def test_version_4_starts_with_its_check_of_classic_compatibility_on() -> None:
    """It is on by default and stops every task whose config does not spell out what changed from 3.

    Reported again and again as "tasks: []" with the reason in the connector's trace alone. The rules are those of the
    page "Install and configure" of Snowflake's connector, `snowflake.streaming.validate.compatibility.with.classic`.
    """
    config = sink_config(application(), DATABASE, Sink(**SINK, version="4"))
    assert config["snowflake.validation"] == "client_side"
    assert config["snowflake.compatibility.enable.column.identifier.normalization"] == "true"
    assert config["snowflake.compatibility.enable.autogenerated.table.name.sanitization"] == "true"
    assert config["snowflake.enable.schematization"] in ("true", "false")
    assert config["snowflake.streaming.classic.offset.migration"] in ("skip", "best_effort", "strict")
    assert config["snowflake.streaming.classic.offset.migration.include.connector.name"] in ("true", "false")


def test_what_the_sink_sets_aside_is_kept() -> None:
    """`errors.tolerance=all` without a topic for dead letters drops records silently (the same page's warning)."""
    for version in CLASSES:
        config = sink_config(application(), DATABASE, Sink(**SINK, version=version))
        assert (config["errors.tolerance"] == "all") <= bool(config.get("errors.deadletterqueue.topic.name"))


def test_a_key_of_the_other_version_is_found() -> None:
    config = sink_config(application(), DATABASE, Sink(**SINK, version="4"))
    assert "snowflake.validation" in unknown_keys(config, known_to_sink("2.5"))


@pytest.mark.parametrize("version", sorted(CLASSES))
def test_the_sink_reads_committed_records_of_every_topic_into_its_table(version: str) -> None:
    declared: Application = application()
    config = sink_config(declared, DATABASE, Sink(**SINK, version=version))
    pairs = dict(pair.split(":") for pair in config["snowflake.topic2table.map"].split(","))
    assert pairs == {s.topic(t): f"{s.name}_{t.name}".upper() for s, t in declared.replicated()}
    assert config["topics"].split(",") == list(pairs)
    assert config["consumer.override.isolation.level"] == "read_committed"
    assert config["snowflake.enable.schematization"] == "false"


def test_the_sink_is_declared_only_where_the_connection_has_it() -> None:
    assert "snowflake-application" not in of()
    assert of(sink={**SINK, "version": "4"})["snowflake-application"]["connector.class"] == CLASSES["4"]


@pytest.mark.parametrize("sink", [{"account": "a"}, {**SINK, "version": "3"}, {**SINK, "colour": "blue"}])
def test_a_sink_that_is_not_right_says_what_it_may_hold(sink: dict[str, str]) -> None:
    with pytest.raises(NeedsPerson, match="kafka_connect"):
        of(sink=sink)


@pytest.mark.parametrize("secret", ["", "hunter2", "pre${file:/a:b}", "${file:/a:b}${file:/a:c}"])
def test_a_password_written_out_instead_of_referred_to_is_refused(secret: str) -> None:
    with pytest.raises(NeedsPerson, match="secret"):
        of(secret=secret)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("database.password", "hunter2", "(hidden)"),
        ("database.password", "${file:/a:s0.password}", "${file:/a:s0.password}"),
        ("database.password", "x${file:/a:b}", "(hidden)"),
        ("snowflake.private.key", "MIIB", "(hidden)"),
        ("producer.override.sasl.jaas.config", "password=x", "(hidden)"),
        ("max.batch.size", "4096", "4096"),
        ("database.password", None, "(not set)"),
    ],
)
def test_a_secret_is_never_shown_and_a_reference_to_one_is(key: str, value: str | None, said: str) -> None:
    assert shown(key, value) == said
