"""What the platform adds to Airflow's UI: the pages of the ledger and of the rejects."""

from __future__ import annotations

from functools import cache
from typing import Any

from airflow.plugins_manager import AirflowPlugin


@cache
def _pages() -> Any:
    from catchment.ui.ledger_page import guarded

    return guarded()


class CatchmentPlugin(AirflowPlugin):
    """Links on tasks lead to the pages (`catchment.operators.links`); the menu has them too."""

    name = "catchment"
    external_views: list[Any] = [  # noqa: RUF012 - Airflow declares it so
        {
            "name": "Ledger",
            "href": "/catchment/ledger",
            "destination": "nav",
            "category": "browse",
            "url_route": "catchment-ledger",
        }
    ]

    @property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        """Made when the api-server asks: every process imports this file, and a worker needs no web framework."""
        return [{"app": _pages(), "url_prefix": "/catchment", "name": "Catchment"}]
