"""The warehouse, by an Airflow connection."""

from __future__ import annotations

from typing import Any

from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook


class WarehouseHook(SnowflakeHook):
    """Snowflake's hook for people's own DAGs, which also heeds `protocol`.

    The provider (6.19) passes `host` and `port` of a connection's extra on and drops `protocol`, so that a warehouse
    without TLS on the same machine could not be reached.
    """

    def _add_network_config(self, conn_config: dict[str, Any], extra_dict: dict[str, Any]) -> None:
        super()._add_network_config(conn_config, extra_dict)
        if protocol := extra_dict.get("protocol"):
            conn_config["protocol"] = protocol
