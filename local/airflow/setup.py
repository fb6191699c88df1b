"""What Airflow needs once before its processes start: its database, in the schema of the installed version."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg2
from psycopg2 import errors, sql

from local.airflow import metadata
from local.command import run
from local.credentials import Credentials
from local.errors import LocalError
from local.settings import ROOT, Settings


def ensure_database(
    settings: Settings, credentials: Credentials, environment: Mapping[str, str], *, say: Callable[[str], None]
) -> None:
    """Create Airflow's database, or bring it to the installed version's schema. Quick when it is there already.

    Raises:
        LocalError: `airflow db migrate` failed; the message has its last words and its log.
    """
    stamp = settings.var / "airflow" / "database.version"
    wanted = hashlib.sha256((ROOT / "requirements.txt").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say("preparing Airflow's database (once)")
    _create_database(settings, credentials)
    _migrate(settings.log / "airflow-db-migrate.log", environment)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)


def _create_database(settings: Settings, credentials: Credentials) -> None:
    connection = psycopg2.connect(metadata.cluster(settings, credentials).dsn("postgres"))
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(metadata.DATABASE)))
    except errors.DuplicateDatabase:
        pass
    finally:
        connection.close()


def _migrate(log: Path, environment: Mapping[str, str]) -> None:
    with log.open("w") as output:
        command = [str(Path(sys.executable).with_name("airflow")), "db", "migrate"]
        done = run(command, what=f"`airflow db migrate` (its log: {log})", environment=environment, output=output)
    if done.returncode:
        last = " ".join(log.read_text().strip().splitlines()[-3:])
        raise LocalError(f"`airflow db migrate` failed with status {done.returncode}: {last[-500:]} (see {log})")
