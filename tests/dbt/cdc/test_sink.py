"""What Snowflake's own sink writes to raw is what staging reads: the real jar, on records that Debezium really wrote.

Reports that are tried here:

- Tombstones: with 1.5 and 1.7 they broke the task, from 2.1 on they are empty objects (snowflake-kafka-connector issues
  277, 416, 481; pull requests 688, 705). Right: no row and no version comes of one.
- The key is beside the record, in RECORD_METADATA, as text or as an object, which depends on the converter
  (`RecordService.putKey`). Right: an object, for staging reads `key:"id"`.
- Metadata has more in it than the documentation lists: `SnowflakeConnectorPushTime`, `schema_id`, and the headers that
  Debezium adds to every record. Right: nothing changes by them.

Version 4 is not in Maven Central, so its form is made of 2.5's rows by what its source says (`SnowflakeSinkRecord`):
no RECORD_CONTENT at all for a tombstone, headers as texts, infinite doubles as "Inf".
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
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
    return [json.loads(line) for line in RECORDED.read_text().splitlines()]


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


@pytest.mark.parametrize(("version", "models"), [("2.5", MODELS), ("4", CUSTOMERS)])
def test_staging_and_history_of_what_the_sink_writes_are_those_of_the_loader(
    version: str,
    models: tuple[str, ...],
    written: SinkOutput,
    expected: dict[str, Rows],
    warehouse: Warehouse,
    run_models: Callable[..., None],
) -> None:
    raw.begin_again(warehouse, *TABLES)
    _load(warehouse, written, as_version_4=version == "4")
    built = _built(warehouse, run_models, models)
    assert all(built.values())
    assert built == {model: expected[model] for model in models}


def _load(warehouse: Warehouse, output: SinkOutput, *, as_version_4: bool) -> None:
    """Put the sink's rows in place: its two columns, and nothing in those of our loader."""
    with warehouse.connect() as connection, closing(connection.cursor()) as cursor:
        for row in output.rows:
            content, metadata = row.content, json.loads(row.metadata)
            if as_version_4:
                content = None if content == "{}" else (content or "").replace('"-Infinity"', '"-Inf"')
                metadata["headers"] = {n: json.dumps(v) for n, v in metadata.get("headers", {}).items()}
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
