"""dbt's profile, from the Airflow connection that everything else uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from cosmos import ProfileConfig, ProjectConfig
from cosmos.profiles.snowflake.base import SnowflakeBaseProfileMapping

from catchment.dbt_project import PARTS, part_of
from catchment.warehouse.names import CDC_WAREHOUSE
from catchment.warehouse.session import make_ready_for_threads, query_tag

PROJECT_NAME = "catchment"


class WarehouseProfile(SnowflakeBaseProfileMapping):
    """Like Cosmos's own Snowflake mappings, for password and key pair alike, and with host, port and protocol.

    Cosmos (1.15) has one mapping for each way to sign in, and none passes `protocol`. Secrets go to dbt by environment
    variables; the connection is read when a task runs, never when a DAG is parsed.
    """

    airflow_connection_type: ClassVar[str] = "snowflake"
    dbt_profile_type: ClassVar[str] = "snowflake"
    required_fields: ClassVar[list[str]] = ["account", "user"]
    secret_fields: ClassVar[list[str]] = ["password", "private_key", "private_key_passphrase"]
    airflow_param_mapping: ClassVar[dict[str, Any]] = {
        "account": "extra.account",
        "user": "login",
        "host": "extra.host",
        "port": "extra.port",
        "protocol": "extra.protocol",
        "insecure_mode": "extra.insecure_mode",
        "private_key_path": "extra.private_key_file",
        "private_key": "extra.private_key_content",
        "private_key_passphrase": "password",
        "password": "password",
    }

    @property
    def secrets(self) -> dict[str, str]:
        """The secrets that the connection holds, by their names in dbt's profile: a password, or a key and its own."""
        found = {name: self.get_dbt_value(name) for name in self.secret_fields}
        by_key = bool(found["private_key"] or self.get_dbt_value("private_key_path"))
        unused = "password" if by_key else "private_key_passphrase"
        return {name: str(value) for name, value in found.items() if value and name != unused}

    @property
    def env_vars(self) -> dict[str, str]:
        """The secrets as variables. Cosmos asks for them in the process that runs dbt, before dbt's threads begin."""
        make_ready_for_threads()
        return {self.get_env_var_name(name): value for name, value in self.secrets.items()}

    @property
    def profile(self) -> dict[str, Any | None]:
        plain = {name: value for name, value in super().profile.items() if name not in self.secret_fields}
        return plain | {name: self.get_env_var_format(name) for name in self.secrets}

    def transform_private_key(self, private_key: str) -> str:
        return self._decode_private_key_content(private_key)


def project_config(project: Path, dag: str) -> ProjectConfig:
    """The dbt project in a folder, with the DAG's part of the manifest that was made ahead.

    The manifest's path is set afterwards, for Cosmos (1.15) would make it an ObjectStoragePath, and to open that loads
    every provider's file system (boto3 among them) in each process that parses the DAG: 0.6 s of its 0.9 s.
    """
    config = ProjectConfig(dbt_project_path=project, project_name=PROJECT_NAME, install_dbt_deps=False)
    config.manifest_path = project / part_of(dag)
    return config


def profile_config(dag: str, conn_id: str = "snowflake_default") -> ProfileConfig:
    """The project's profile: dbt writes ANALYTICS as TRANSFORMER on a warehouse that loads nothing.

    What is built of the application's changes every few minutes has the warehouse of change data capture: whatever that
    costs, the marts are built.

    Its statements carry the DAG's name, as those of other tasks do. Not the run's: dbt parses the whole project again
    when its profile changes. The comment of each statement names model and invocation (macros/names.sql), and the
    session's time zone is set in macros/session.sql, for dbt's profile has no field for it.
    """
    return ProfileConfig(
        profile_name="catchment",
        target_name="production",
        profile_mapping=WarehouseProfile(
            conn_id=conn_id,
            profile_args={
                "database": "ANALYTICS",
                "schema": "MARTS",
                "role": "TRANSFORMER",
                "warehouse": CDC_WAREHOUSE if PARTS.get(dag) or dag.startswith("cdc_") else "TRANSFORMING",
                "threads": 4,
                "connect_retries": 3,
                "connect_timeout": 30,
                "reuse_connections": True,
                "query_tag": query_tag(dag=dag, task="dbt"),
            },
        ),
    )
