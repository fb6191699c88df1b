"""A vendor's API, by an Airflow connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from catchment.hooks.connections import look_up, tested

if TYPE_CHECKING:
    from catchment.http.client import HttpClient


class VendorHook(BaseHook):
    """A source's API for a DAG of one's own: signed in, retried as the vendor asks, within the limits all tasks share.

    ```python
    with closing(VendorHook("zendesk").get_conn()) as zendesk:
        reply = zendesk.send(Request("groups.json"), accept=lambda reply: msgspec.json.decode(reply.body))
    ```

    Args:
        source: One of `catchment.sources.SOURCES`.
        conn_id: The connection; by default that of the source's name.
    """

    conn_name_attr = "conn_id"
    conn_type = "http"
    hook_name = "Catchment vendor"

    def __init__(self, source: str, *, conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.conn_id = conn_id or source

    def get_conn(self) -> HttpClient:
        """A client that is safe to use from several threads; close it when done."""
        from catchment.platform import open_client
        from catchment.sources import source

        return open_client(source(self.source), look_up(self.conn_id), look_up)

    def test_connection(self) -> tuple[bool, str]:
        """Ask for one page of one stream."""
        return tested(self._ask)

    def _ask(self) -> str:
        from catchment.check_systems import try_vendor
        from catchment.sources import source

        client = self.get_conn()
        try:
            return try_vendor(client, source(self.source))
        finally:
            client.close()
