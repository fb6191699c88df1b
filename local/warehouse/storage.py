"""Where the warehouse lives: one DuckDB file a database in the data directory, and S3 for external stages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import duckdb
import s3fs
from fakesnow import info_schema, macros
from fakesnow.instance import GLOBAL_DATABASE_NAME, FakeSnow
from fakesnow.transforms import show, stage

from local.warehouse import catalog

GLOBAL_FILE = "_fs_global.duckdb"


class NoResults(dict[str, tuple[Any, ...]]):
    """Upstream keeps the result of every statement, for RESULT_SCAN, as long as the server runs. Here it finds none."""

    def __setitem__(self, query_id: str, result: tuple[Any, ...]) -> None:
        """Keep nothing."""


class PersistentFakeSnow(FakeSnow):
    """Upstream's instance with its metadata in a file and with every database of the directory attached.

    Upstream keeps stages, file formats and comments in memory, attaches no existing database, and makes a missing one
    at login.
    """

    def __init__(self, data: Path) -> None:
        self.create_database_on_connect = False
        self.create_schema_on_connect = False
        self.db_path = data
        self.nop_regexes = None
        self.results_cache = NoResults()
        self.duck_conn = duckdb.connect(config={"lambda_syntax": "ENABLE_SINGLE_ARROW"})
        self.duck_conn.execute("SET GLOBAL TimeZone = 'UTC'")
        self.duck_conn.execute(f"SET GLOBAL temp_directory = '{data / 'spill'}'")
        self.duck_conn.execute(f"ATTACH '{data / GLOBAL_FILE}' AS {GLOBAL_DATABASE_NAME}")
        self.duck_conn.execute(info_schema.fs_global_creation_sql())
        self.duck_conn.execute(show.fs_global_creation_sql())
        self.duck_conn.execute(catalog.global_sql())
        self.duck_conn.execute(macros.creation_sql("memory"))
        for file in sorted(data.glob("*.db")):
            self.duck_conn.execute(f"ATTACH '{file}' AS \"{file.stem}\"")
            self.duck_conn.execute(info_schema.per_db_creation_sql(file.stem))
            self.duck_conn.execute(macros.creation_sql(file.stem))

    def databases(self) -> set[str]:
        """The names of the attached databases, without DuckDB's and upstream's own."""
        rows = self.duck_conn.cursor().execute("SELECT database_name FROM duckdb_databases() WHERE NOT internal")
        return {name for (name,) in rows.fetchall()} - {"memory", GLOBAL_DATABASE_NAME}

    def close(self) -> None:
        """Write everything to the files and let go of them."""
        self.duck_conn.close()


def open_storage(data: Path) -> PersistentFakeSnow:
    """Open (or make) the warehouse in the directory `data`; internal stages live in it as well."""
    data = data.resolve()
    data.mkdir(parents=True, exist_ok=True)
    stages = data / "stages"
    stages.mkdir(exist_ok=True)
    stage.LOCAL_BUCKET_PATH = str(stages)
    warehouse = PersistentFakeSnow(data)
    warehouse.duck_conn.register_filesystem(s3())
    return warehouse


def s3() -> s3fs.S3FileSystem:
    """S3 as the environment says: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_DEFAULT_REGION."""
    return s3fs.S3FileSystem(
        key=os.environ.get("AWS_ACCESS_KEY_ID"),
        secret=os.environ.get("AWS_SECRET_ACCESS_KEY"),
        client_kwargs={
            "endpoint_url": os.environ.get("AWS_ENDPOINT_URL"),
            "region_name": os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
        },
        use_listings_cache=False,
    )
