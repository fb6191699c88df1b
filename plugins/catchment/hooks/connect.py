"""Kafka Connect, by an Airflow connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from catchment.hooks.connections import look_up, tested

if TYPE_CHECKING:
    from catchment.cdc.connectors.client import Connect


class ConnectHook(BaseHook):
    """Kafka Connect's REST API for a DAG of one's own: `with ConnectHook().get_conn() as connect: …`."""

    conn_name_attr = "conn_id"
    default_conn_name = "kafka_connect"
    conn_type = "http"
    hook_name = "Catchment Kafka Connect"

    def __init__(self, conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id

    def get_conn(self) -> Connect:
        from catchment.cdc.connectors.client import Connect

        return Connect(look_up(self.conn_id))

    def test_connection(self) -> tuple[bool, str]:
        """List the connectors."""
        from catchment.check_systems import try_connect

        return tested(lambda: try_connect(look_up(self.conn_id)))
