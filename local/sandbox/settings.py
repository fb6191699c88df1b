"""What can be set on the sandbox: credentials when it starts, limits and quirks at any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from local.sandbox.limits import Counting

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
    """Limits as the vendors document them, and the behaviours on which sources disagree.

    `gated` streams answer 403, `unshared` spreadsheets too; `latency` is in seconds, for every vendor request.

    - `counting`: how limits are counted, see `limits`.
    - `zendesk_too_recent`: the status of StartTimeTooRecent. 400 was seen in the world (Airbyte's connector,
      airbyte PR 23246); other notes say 422.
    - `zendesk_ratings_by`: what `start_time` and `end_time` of satisfaction ratings mean. The reference says "time of
      the oldest satisfaction rating"; people found that it is the time of creation (singer-io/tap-zendesk PR 37).
    - `zendesk_errors`: a word in `error` with a `description` (its exports), an object with title and message
      (403 is always one), or a list of `errors` with code and title (OpenAPI, `Errors`). It sends all three.
    - `chartmogul_dates`: the zone of an activities bound without an offset. Metrics are cut in the account's.
    """

    counting: Counting = "sliding"
    chartmogul_per_second: int = 40
    chartmogul_parallel: int = 20
    chartmogul_page: int = 200
    chartmogul_dates: Literal["account", "utc"] = "account"
    zendesk_per_minute: int = 700
    zendesk_exports_per_minute: int = 10
    zendesk_export_page: int = 1000
    zendesk_list_page: int = 100
    zendesk_too_recent: Literal[400, 422] = 400
    zendesk_ratings_by: Literal["created_at", "updated_at"] = "created_at"
    zendesk_errors: Literal["word", "object", "list"] = "word"
    sheets_reads_per_minute: int = 60
    gated: frozenset[str] = GATED
    unshared: frozenset[str] = frozenset()
    latency: float = 0.0

    def changed(self, changes: dict[str, Any]) -> Settings:
        """These settings with some fields replaced. Raises msgspec.ValidationError for a field that isn't there."""
        return msgspec.convert({**msgspec.structs.asdict(self), **changes}, Settings)
