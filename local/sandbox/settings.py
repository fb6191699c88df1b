"""What can be set on the sandbox: credentials when it starts, limits and quirks at any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

GATED = frozenset({"ticket_forms", "sla_policies", "schedules"})


@dataclass(frozen=True)
class Credentials:
    """What the vendors accept. The Google key is the public half, PEM, with the account it belongs to."""

    chartmogul_key: str = "local-chartmogul-key"
    zendesk_email: str = "data@catchment.example"
    zendesk_token: str = "local-zendesk-token"
    google_email: str = ""
    google_public_key: bytes = b""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits as the vendors document them; `gated` streams answer 403, `unshared` spreadsheets too.

    `latency` is in seconds, for every vendor request.
    """

    chartmogul_per_second: int = 40
    chartmogul_parallel: int = 20
    chartmogul_page: int = 200
    zendesk_per_minute: int = 700
    zendesk_exports_per_minute: int = 10
    zendesk_export_page: int = 1000
    zendesk_list_page: int = 100
    sheets_reads_per_minute: int = 60
    sheets_writes_per_minute: int = 60
    gated: frozenset[str] = GATED
    unshared: frozenset[str] = frozenset()
    latency: float = 0.0

    def changed(self, changes: dict[str, Any]) -> Settings:
        """These settings with some fields replaced. Raises msgspec.ValidationError for a field that isn't there."""
        return msgspec.convert({**msgspec.structs.asdict(self), **changes}, Settings)
