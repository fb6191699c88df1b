"""Clients of a scripted vendor, with quick retries and limits that are never met."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catchment.connection import Connection
from catchment.http.auth import Bearer
from catchment.http.client import HttpApi, HttpClient
from catchment.http.retry import RetryRule

QUICK = RetryRule(tries=3, first=0.001, longest=0.002, timeout=0.5)


class Budget:
    """Limits that let everything pass, and remember what they were asked and told."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.learned: list[tuple[Any, int]] = []
        self.closed = False

    def wait(self, *limits: Any, timeout: float) -> float:
        self.asked.append(limits)
        return 0.0

    def learn(self, limit: Any, status: int, headers: Mapping[str, str]) -> None:
        self.learned.append((limit, status))

    def close(self) -> None:
        self.closed = True


def connection(url: str = "https://vendor.example", **fields: Any) -> Connection:
    return Connection(**{"conn_id": "vendor", "host": url, "password": "key", **fields})


def client(url: str, *, of: Connection | None = None, **more: Any) -> HttpClient:
    """A client of the API at `url`; `HttpApi`'s and `HttpClient`'s fields go by name; `api_limits` are the API's."""
    to_client = {name: more.pop(name) for name in ("limits", "retry", "cancelled", "sleep") if name in more}
    if "api_limits" in more:
        more["limits"] = more.pop("api_limits")
    api = HttpApi(**{"base_url": "https://vendor.example", "auth": Bearer(), **more})
    return HttpClient(api, of or connection(url), **{"limits": Budget(), "retry": QUICK, **to_client})
