"""Seeds the shards and Connect before the application writes: schema, first rows, replication, connectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

import psycopg2
from psycopg2 import sql

from local.application import rows as first_rows
from local.cdc import shards as clusters
from local.command import catchment
from local.credentials import Credentials
from local.settings import ROOT, SHARD, Settings

SCHEMA = ROOT / "local" / "application" / "schema.sql"


def seed_shards(
    settings: Settings, credentials: Credentials, environment: Mapping[str, str], *, shards: Iterable[str], rows: bool
) -> None:
    """Give the shards (by their services' names) the application's schema, first rows and what replication needs.

    Quick when it is all there. `environment` has the connections.

    Raises:
        LocalError: the platform's migration failed; the message has its last words.
    """
    names = [service.removeprefix(SHARD) for service in shards]
    with ThreadPoolExecutor() as together:
        for done in [together.submit(_application, settings, credentials, name, rows) for name in names]:
            done.result()
    catchment("cdc-migrate", *(word for name in names for word in ("--shard", name)), environment=environment)


def apply_connectors(environment: Mapping[str, str]) -> None:
    """Make Connect run the declared source connectors, as the health DAG would."""
    catchment("cdc-connectors", "apply", environment=environment)


def _application(settings: Settings, credentials: Credentials, shard: str, rows: bool) -> None:
    cluster = clusters.cluster(settings, credentials, shard)
    _create_database(cluster.dsn("postgres"), clusters.DATABASE)
    connection = psycopg2.connect(cluster.dsn(clusters.DATABASE))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(SCHEMA.read_text())
            number = str(list(settings.ports.shards).index(shard))
            cursor.execute("INSERT INTO internal.facts VALUES ('shard number', %s) ON CONFLICT DO NOTHING", (number,))
            if rows:
                first_rows.ensure(cursor, settings, shard)
    finally:
        connection.close()


def _create_database(dsn: str, name: str) -> None:
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    finally:
        connection.close()
