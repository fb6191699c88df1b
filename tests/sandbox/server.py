"""The sandbox that the tests speak to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests

from local.company.company import Company
from local.sandbox.inprocess import Running

NOW = int(datetime(2026, 11, 23, 9, 30, 0, tzinfo=UTC).timestamp())
SEED = 7
KEY = "the-chartmogul-key"
EMAIL, TOKEN = "data@catchment.example", "the-zendesk-token"


@dataclass(frozen=True)
class Server:
    """A running sandbox and how to speak to it, with the right credentials."""

    running: Running

    @property
    def url(self) -> str:
        return self.running.url

    @property
    def google_key(self) -> dict[str, Any]:
        return self.running.google_key

    @property
    def company(self) -> Company:
        return self.running.sandbox.world.company

    def chartmogul(self, path: str, **params: Any) -> requests.Response:
        return requests.get(f"{self.url}/chartmogul/v1{path}", params=params, auth=(KEY, ""), timeout=10)

    def zendesk(self, path: str, allow_redirects: bool = True, **params: Any) -> requests.Response:
        auth = (f"{EMAIL}/token", TOKEN)
        url = f"{self.url}/zendesk/api/v2{path}"
        return requests.get(url, params=params, auth=auth, timeout=10, allow_redirects=allow_redirects)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        reply = requests.request(method, f"{self.url}/_sandbox{path}", json=body, timeout=10)
        reply.raise_for_status()
        return reply.json()

    def settings(self, **changes: Any) -> None:
        self.control("POST", "/settings", changes)
