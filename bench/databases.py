"""Databases more than the local profile has, on its shards' clusters, with declarations and dbt models of their own.

A stack is told of the declarations by `CATCHMENT_CONNECTORS`, set before it starts.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import psycopg2

from catchment import dbt_application
from catchment.cdc.declared import Application, Shard
from catchment.connection import Connection
from catchment.dbt_project import DBT, TARGET, environment
from local.cdc import passwords, properties, shards
from local.cdc.stack import Stack
from local.command import run
from local.errors import LocalError
from local.settings import ROOT

PROJECT = ROOT / "include" / "dbt"


def make(stack: Stack, shard: Shard, cluster: str, statements: Iterable[str]) -> dict[str, str]:
    """A database named after `shard`, on the cluster of the stack's shard `cluster`; the variables of its connections.

    The role `cdc` is the cluster's, with the cluster's password.
    """
    sql(stack, cluster, "postgres", [f'CREATE DATABASE "{shard.name}"'])
    sql(stack, cluster, shard.name, statements)
    file = passwords.file(stack.settings)
    known = properties.read(file.read_text())
    password = known[f"{cluster}.password"]
    properties.write_properties(file, {**known, f"{shard.name}.password": password})
    place = {
        "conn_type": "postgres",
        "host": "127.0.0.1",
        "port": stack.settings.ports.shards[cluster],
        "schema": shard.name,
    }
    roles = {
        shard.connection: {"login": "cdc", "password": password},
        shard.owner_connection: {"login": shards.OWNER, "password": stack.credentials.application_password},
    }
    return {f"AIRFLOW_CONN_{conn_id.upper()}": json.dumps({**place, **role}) for conn_id, role in roles.items()}


def sql(stack: Stack, cluster: str, database: str, statements: Iterable[str]) -> None:
    """Statements of the owner, each a transaction of its own."""
    with closing(psycopg2.connect(shards.cluster(stack.settings, stack.credentials, cluster).dsn(database))) as opened:
        opened.autocommit = True
        with opened.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


def run_models(application: Application, warehouse: Connection, folder: Path, *models: str) -> None:
    """Run dbt's models by name, in a copy of the project that has the files of `application`."""
    project = folder / "dbt"
    if not project.exists():
        shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
        for path, text in dbt_application.render(application).items():
            (project / path).write_text(text)
    extra = warehouse.extra
    settings = {
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "target"),
        "SNOWFLAKE_ACCOUNT": str(extra["account"]),
        "SNOWFLAKE_USER": warehouse.login,
        "SNOWFLAKE_PASSWORD": warehouse.password,
        "SNOWFLAKE_HOST": str(extra["host"]),
        "SNOWFLAKE_PORT": str(extra["port"]),
        "SNOWFLAKE_PROTOCOL": str(extra["protocol"]),
        "SNOWFLAKE_INSECURE_MODE": "true",
    }
    done = run(
        [str(DBT), "--no-use-colors", "run", "--target", TARGET, "--select", *models],
        what="dbt",
        environment=environment(project, os.environ) | settings,
        cwd=project,
    )
    if done.returncode:
        raise LocalError(f"dbt could not build {', '.join(models)}: {done.stdout[-2000:]}")
