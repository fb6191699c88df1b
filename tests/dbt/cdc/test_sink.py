"""What Snowflake's own sink writes to raw is what staging reads: the real jar, on records that Debezium really wrote.

Reports that are tried here (of snowflake-kafka-connector, where no other name is given):

- Tombstones: with 1.5 and 1.7 they broke the task, from 2.1 on they are empty objects (issues 277, 416, 481; pull
  requests 688, 705); by the newer streaming they may be a VARIANT that holds null (estuary issue 4936,
  ingest-java issue 919). Right: no row and no version comes of one.
- The key is beside the record, in RECORD_METADATA, as text or as an object, which depends on the converter (issues 39,
  289; pull request 103). Right: an object, for staging reads `key:"id"`.
- Metadata has more in it than the documentation lists: `SnowflakeConnectorPushTime`, `schema_id`, the headers that
  Debezium adds to every record, and `LogAppendTime` in place of `CreateTime` where the topic says so. Right: nothing
  changes by them.
- A rebalance or a reopened channel writes records again, a whole table once (issues 354, 710). Right: the same rows and
  versions as if they had come once.
- Decimals came as base64 or lost digits (issues 122, 684, 790; pull requests 220, 225), infinite doubles are spelled
  otherwise (pull request 1068). Right: digits and doubles as Debezium wrote them, keys beyond 2^53 and escapes too.

Version 4 is not in Maven Central, so its form is made of 2.5's rows by what its source says (`SnowflakeSinkRecord`):
no RECORD_CONTENT at all for a tombstone, headers as texts, infinite doubles as "Inf".
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from catchment.cdc.connectors.configs import CONVERTERS
from catchment.cdc.connectors.sink import Sink, sink_config
from catchment.cdc.declared import application
from catchment.cdc.loader import tables
from catchment.cdc.loader.batch import KafkaBatch, Partition
from catchment.cdc.loader.warehouse import LoaderWarehouse
from catchment.connection import Connection
from tests.dbt.cdc import raw
from tests.dbt.cdc.record import RECORDED, TABLES
from tests.dbt.cdc.records import MS, customer, envelope
from tests.dbt.warehouse import Warehouse
from tests.support import snowflake_sink
from tests.support.snowflake_sink import SinkOutput

pytestmark = pytest.mark.timeout(600)

MODELS = (
    *(f"stg_application__{table}" for table in TABLES),
    *(f"hist_application__{table}" for table in TABLES if application().database("application").table(table).history),
)
CUSTOMERS = ("stg_application__customers", "hist_application__customers")
CONFIG = {
    **sink_config(
        application(),
        application().database("application"),
        Sink(account="a", user="u", private_key="${file:/unresolved:key}"),
    ),
    **CONVERTERS,
}
Rows = list[str]
Form = Callable[[str | None, dict[str, Any]], str | None]
"""A version's RECORD_CONTENT of 2.5's; it changes the metadata in place."""


@dataclass(frozen=True)
class KafkaRecord:
    """A record as the loader's Kafka client gives it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def recorded() -> list[dict[str, Any]]:
    return [*(json.loads(line) for line in RECORDED.read_text().splitlines()), *map(odd, range(len(ODD)))]


ODD: tuple[dict[str, Any], ...] = (
    {"id": 9007199254740993, "health_score": 5e-324, "tags": [None, -2147483648], "email": "null"},
    {"id": 9223372036854775807, "health_score": "Infinity", "biography": "\x01\u2028\U0010ffff {}", "city": "1e400"},
    {"id": -9223372036854775808, "health_score": -0.1, "profile": '{"z": "\\u0000", "": null, "e": 1e-7}', "city": ""},
    {"id": 4, "profile": '{"n": 12345678901234567890123456789012345678, "list": [[], {}]}', "born": "1582-10-10Z"},
    {"id": 5, "profile": "null", "account_id": -1, "not_declared": {"deep": [1.10, None, "é"]}},
)
"""Values of rows that were not recorded."""


def odd(number: int, **more: Any) -> dict[str, Any]:
    """An insert as Debezium writes it, in a partition that has no other records."""
    values = {**ODD[number], **more}
    change = envelope("c", {**customer(1), **values}, lsn=30_000_000 + number, commit=30_000_000, ms=MS, transaction=9)
    parts = {"key": {"id": values["id"]}, "value": change}
    as_bytes = {part: base64.b64encode(json.dumps(given).encode()).decode() for part, given in parts.items()}
    return {
        "topic": "s0.public.customers",
        "partition": 2,
        "offset": number,
        "timestamp": MS,
        "headers": [],
        **as_bytes,
    }


def as_kafka(record: dict[str, Any]) -> KafkaRecord:
    key, value = (None if record[k] is None else base64.b64decode(record[k]) for k in ("key", "value"))
    return KafkaRecord(record["topic"], record["partition"], record["offset"], record["timestamp"], key, value)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> SinkOutput:
    """What the sink writes for every recorded record."""
    return snowflake_sink.run(CONFIG, recorded(), tmp_path_factory.mktemp("classes"))


@pytest.fixture(scope="module")
def expected(warehouse: Warehouse, run_models: Callable[..., None]) -> dict[str, Rows]:
    """Staging and history of what our loader writes for the same records."""
    raw.begin_again(warehouse, *TABLES)
    _load_by_loader(warehouse)
    return _built(warehouse, run_models, MODELS)


def test_the_sink_writes_a_row_for_every_record_with_the_key_as_an_object(written: SinkOutput) -> None:
    """Metadata is the loader's, and more; content is the record's value, and `{}` for a tombstone."""
    assert written.dead_letters == ()
    theirs = {
        (row.table, metadata["partition"], metadata["offset"]): (row.content, metadata)
        for row in written.rows
        for metadata in [json.loads(row.metadata)]
    }
    assert len(theirs) == len(written.rows) == len(recorded())
    for record in map(as_kafka, recorded()):
        content, metadata = theirs[record.topic.replace(".public.", "_").upper(), record.partition, record.offset]
        ours = {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "CreateTime": record.timestamp,
            **({} if record.key is None else {"key": json.loads(record.key)}),
        }
        assert {name: metadata.get(name) for name in ours} == ours
        assert metadata.keys() - ours.keys() <= {"SnowflakeConnectorPushTime", "schema_id", "headers"}
        assert json.loads(content or "null") == (json.loads(record.value) if record.value else {})


def test_a_record_that_is_too_large_is_a_dead_letter_and_raw_has_not_even_its_key(tmp_path: Path) -> None:
    """The connector's checks refuse more than 16 MB, on accounts that hold 128 MB as well (pull requests 1550, 1561).

    Our loader leaves the key of such a record in raw, so that no older value is carried across it (artie PR 100). The
    sink does not: what says so is its dead letter alone, and docs/runbooks/cdc_rejects.md what to do.
    """
    found = snowflake_sink.run(CONFIG, [odd(0, biography="x" * 17_000_000), odd(1)], tmp_path)
    assert found.dead_letters == (("s0.public.customers", 2, 0),)
    assert [json.loads(row.metadata)["offset"] for row in found.rows] == [1]


def as_2_5(content: str | None, metadata: dict[str, Any]) -> str | None:
    """The real jar's own."""
    return content


def as_4(content: str | None, metadata: dict[str, Any]) -> str | None:
    metadata["headers"] = {name: json.dumps(value) for name, value in metadata.get("headers", {}).items()}
    metadata["LogAppendTime"] = metadata.pop("CreateTime")
    return None if content == "{}" else (content or "").replace('Infinity"', 'Inf"')


def as_4_with_json_null(content: str | None, metadata: dict[str, Any]) -> str | None:
    return as_4(content, metadata) or "null"


@pytest.mark.parametrize(
    ("form", "times", "models"),
    [(as_2_5, 1, MODELS), (as_2_5, 2, MODELS), (as_4, 1, CUSTOMERS), (as_4_with_json_null, 2, CUSTOMERS)],
)
def test_staging_and_history_of_what_the_sink_writes_are_those_of_the_loader(
    form: Form,
    times: int,
    models: tuple[str, ...],
    written: SinkOutput,
    expected: dict[str, Rows],
    warehouse: Warehouse,
    run_models: Callable[..., None],
) -> None:
    raw.begin_again(warehouse, *TABLES)
    for _ in range(times):
        _load(warehouse, written, form)
    built = _built(warehouse, run_models, models)
    assert all(built.values())
    assert built == {model: expected[model] for model in models}


def _load(warehouse: Warehouse, output: SinkOutput, form: Form) -> None:
    """Put the sink's rows in place: its two columns, and nothing in those of our loader."""
    with warehouse.connect() as connection, closing(connection.cursor()) as cursor:
        for row in output.rows:
            metadata = json.loads(row.metadata)
            content = form(row.content, metadata)
            cursor.execute(
                f"INSERT INTO RAW.APPLICATION.{row.table} (RECORD_CONTENT, RECORD_METADATA) "
                "SELECT PARSE_JSON(%s), PARSE_JSON(%s)",
                (content, json.dumps(metadata)),
            )


def _load_by_loader(warehouse: Warehouse) -> None:
    """Load the records as the loader does: a batch, in one transaction with its offsets."""
    batch = KafkaBatch()
    for record in map(as_kafka, recorded()):
        partition = Partition(record.topic, record.partition)
        batch.add(partition, [record])
        batch.read[partition] = record.offset + 1
    connection = Connection(
        conn_id="snowflake_default",
        login="scratch",
        password="scratch",
        extra={"account": "local", "host": "127.0.0.1", "port": warehouse.port, "protocol": "http"},
    )
    topics = {partition.topic: "an id" for partition in batch.read}
    with closing(LoaderWarehouse.open(connection, "test")) as session:
        refused = session.commit(batch, batch.advances({}), tables.targets(application()), topics)
    assert (refused, batch.rejects) == ((), [])


def _built(warehouse: Warehouse, run_models: Callable[..., None], models: tuple[str, ...]) -> dict[str, Rows]:
    """Every row and column of the models after a run, as text: NaN is not equal to itself."""
    run_models(*models)
    return {model: sorted(map(repr, warehouse.rows(f"SELECT * FROM ANALYTICS.STAGING.{model}"))) for model in models}
