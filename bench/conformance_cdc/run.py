"""The matrix on the real parts: Postgres, Debezium, Kafka, the loader, the warehouse, dbt's macros."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg2

from bench.conformance_cdc.matrix import Way
from bench.conformance_cdc.tables import PREPARATION, Trial
from catchment import dbt_application
from catchment.cdc import pipeline
from catchment.cdc import shard as database
from catchment.cdc.connectors.client import TaskStatus
from catchment.cdc.connectors.configs import CUT, source_config
from catchment.cdc.declared import Application, Shard, Table, parse
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import Kafka
from catchment.cdc.loader.loader import Loader, LoaderSettings
from catchment.cdc.loader.warehouse import LoaderWarehouse
from catchment.cdc.repair import signals
from catchment.cdc.setup.migrate import migrate
from catchment.cdc.systems import Systems
from catchment.connection import Connection
from catchment.dbt_project import DBT, TARGET, environment
from catchment.errors import CatchmentError
from local.settings import ROOT

PROJECT = ROOT / "include" / "dbt"
CHUNK = 3  # rows of a chunk: an incremental snapshot that works for one chunk only is found
TIMEOUT = 600.0  # the large values pass one by one
Report = Callable[[str], None]


def declaration(trials: Sequence[Trial], shard: str) -> str:
    """What a person would write to have the tables replicated."""
    head = 'source = "application"\ndatabase = "conformance"\nschema = "public"\npublication = "conformance"\n'
    shards = f'[[shards]]\nname = "{shard}"\n'
    return head + shards + "".join(_entry(trial) for trial in trials)


def _entry(trial: Trial) -> str:
    columns = "".join(f'"{name}" = {json.dumps(kind)}\n' for name, kind in trial.columns.items())
    surrogate = 'surrogate_key = "id"\n' if trial.needs_surrogate else ""
    return f'[[tables]]\nname = "{trial.name}"\nkey = {json.dumps(trial.key)}\n{surrogate}[tables.columns]\n{columns}'


@dataclass
class Run:
    """One run of the matrix. Its shard's name makes topics and raw tables its own."""

    look_up: Callable[[str], Connection]
    trials: Sequence[Trial]
    folder: Path
    report: Report
    shard_name: str = "c0"

    def __post_init__(self) -> None:
        self.application: Application = parse(declaration(self.trials, self.shard_name))
        self.shard: Shard = self.application.shards[0]
        name = f"conformance_{self.shard_name}"
        self.owner = replace(self.look_up("application_s0_owner"), schema=name)
        self.replicator = replace(self.look_up("application_s0"), schema=name)
        self.systems = Systems(self._connection, self.application)

    def _connection(self, name: str) -> Connection:
        if name == self.shard.connection:
            return self.replicator
        return self.owner if name == self.shard.owner_connection else self.look_up(name)

    # --- Postgres ---------------------------------------------------------------------------------------------------

    @contextmanager
    def session(self, connection: Connection | None = None) -> Iterator[Any]:
        of = connection or self.owner
        opened = psycopg2.connect(
            host=of.host, port=of.port, dbname=of.schema, user=of.login, password=of.password,
            options="-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=postgres",
        )  # fmt: skip
        opened.autocommit = True
        with closing(opened):
            yield opened

    def execute(self, *statements: str) -> None:
        """One transaction."""
        with self.session() as session, session.cursor() as cursor:
            cursor.execute("BEGIN")
            for statement in statements:
                cursor.execute(statement)
            cursor.execute("COMMIT")

    def prepare(self) -> None:
        """The database with what is there before the connector starts."""
        with self.session(replace(self.owner, schema="postgres")) as session:
            database.rows(session, f'CREATE DATABASE "{self.owner.schema}"')
        self.execute(PREPARATION, *(statement for trial in self.trials for statement in trial.ddl()))
        for trial in self.trials:
            self.execute(*trial.before())
        migrate(self.shard.of, self.owner, self.replicator)

    # --- capture ----------------------------------------------------------------------------------------------------

    def capture(self) -> None:
        """Everything, through to raw."""
        password = self.replicator.password
        config = source_config(self.shard, self.replicator, password)
        config |= {**CUT, "incremental.snapshot.chunk.size": str(CHUNK)}
        with self.systems.connect() as connect:
            connect.put(self.shard.connector, config)
            self._until("the initial snapshot ends", lambda: self._streams(connect))
        self.report("the changes stream")
        for trial in self.trials:
            for statements in trial.stream():
                self.execute(*statements)
        for trial in self.trials:
            self._read_again(self.shard.table(trial.name))
        self.report("the changes are written, incremental snapshots are asked for")

    def finish(self) -> None:
        """After the truth was read: the deletes. Then all must have come to raw."""
        for trial in self.trials:
            self.execute(trial.end())
        self._until("the incremental snapshots end", self._all_read_again)
        with self._loader():
            with self.session() as session:
                wanted = pipeline.lsn_now(session)
            self._until("Debezium has all", lambda: self._captured() >= wanted)
            topics = [self.shard.topic(table) for table in self.shard.tables]
            ends = pipeline.ends(self.look_up("kafka"), topics)
            self._until("raw has all", lambda: not self._not_loaded(ends))
        self.report("raw has everything")

    def _read_again(self, table: Table) -> None:
        asked = signals.execute_snapshot(self.shard, table, {})
        condition = {
            "data-collection": f"{self.shard.of.schema}.{table.name}",
            "filter": f"way = '{Way.INCREMENTAL.words}'",
        }
        data = {**asked, "additional-conditions": [condition]}
        with self.session() as session:
            signals.send(session, f"{table.name}-again", data)

    def _all_read_again(self) -> bool:
        """Debezium closes each chunk with a window; none is open when the heartbeat has passed the last of them."""
        with self.systems.connect() as connect:
            found = json.dumps(connect.offsets(self.shard.connector))
        return "incremental_snapshot_collections" not in found

    def _streams(self, connect: Any) -> bool:
        offsets = connect.offsets(self.shard.connector)
        return bool(offsets) and not any(entry["offset"].get("snapshot") for entry in offsets)

    def _captured(self) -> int:
        with self.session() as session:
            return pipeline.captured(session, self.shard) or 0

    def _not_loaded(self, ends: dict[Partition, int]) -> bool:
        with self.systems.warehouse() as warehouse:
            return bool(pipeline.not_loaded(warehouse.cursor(), ends))

    @contextmanager
    def _loader(self) -> Iterator[None]:
        stop = Event()
        kafka, warehouse = self.look_up("kafka"), self.look_up("snowflake_default")
        loader = Loader(
            open_warehouse=lambda: LoaderWarehouse.open(warehouse, f"conformance-{self.shard_name}"),
            open_kafka=lambda: Kafka(kafka),
            settings=LoaderSettings(refresh_seconds=2),
            declared=lambda: self.application,
            stop=stop,
        )
        thread = Thread(target=loader.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(60)

    def _until(self, what: str, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not done():
            failed = self._failed_tasks()
            if failed or time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {TIMEOUT:.0f} s. Failed tasks: {failed}")
            time.sleep(1)

    def _failed_tasks(self) -> tuple[TaskStatus, ...]:
        """None where Connect does not know yet."""
        try:
            with self.systems.connect() as connect:
                return connect.status(self.shard.connector).failed
        except CatchmentError:
            return ()

    # --- dbt --------------------------------------------------------------------------------------------------------

    def build(self) -> None:
        """dbt's macros for the tables, in a project that has no other models."""
        project = self.folder / "dbt"
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs", "tests"))
        shutil.copytree(PROJECT / "tests" / "generic", project / "tests" / "generic")
        catchment = project / "models" / "staging" / "catchment"
        kept = {path: path.read_text() for path in catchment.glob("*sources.yml")}
        shutil.rmtree(project / "models")
        for path, text in [
            *kept.items(),
            *((project / p, t) for p, t in dbt_application.render(self.application).items()),
        ]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        connection = self.look_up("snowflake_default")
        extra = connection.extra
        settings = {
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "target"),
            "SNOWFLAKE_ACCOUNT": str(extra["account"]),
            "SNOWFLAKE_USER": connection.login,
            "SNOWFLAKE_PASSWORD": connection.password,
            "SNOWFLAKE_HOST": str(extra["host"]),
            "SNOWFLAKE_PORT": str(extra["port"]),
            "SNOWFLAKE_PROTOCOL": str(extra["protocol"]),
            "SNOWFLAKE_INSECURE_MODE": "true",
        }
        done = subprocess.run(
            [str(DBT), "--no-use-colors", "run", "--target", TARGET, "--full-refresh"],
            cwd=project,
            env=environment(project, os.environ) | settings,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            self.report("dbt failed: " + done.stdout[-6000:])
        self.report("dbt has built the current state")
