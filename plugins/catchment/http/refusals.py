"""What a person must do about a reply: the sentence for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from catchment.errors import Refused
from catchment.http.actions import Action, Do, PlanGated, Skipped
from catchment.http.request import Request
from catchment.http.words import said

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KINDS: Mapping[Do, type[Refused]] = {Do.SKIP: Skipped, Do.GATED: PlanGated}


@dataclass(frozen=True)
class Refusals:
    """Errors for the replies of one API. `identity` is who we are there, where the credentials tell."""

    conn_id: str
    base_url: str
    identity: str = ""

    def error(
        self, request: Request, status: int, headers: Mapping[str, str], body: bytes, action: Action | None
    ) -> Refused:
        """The error for a reply that is not retried."""
        kind = _KINDS.get(action.do, Refused) if action else Refused
        cure = (action.cure if action else "") or self._cure(request, status, headers)
        return kind(f"{status} from {request.shown}{said(body)}: {cure}", status=status)

    def _cure(self, request: Request, status: int, headers: Mapping[str, str]) -> str:
        if status in REDIRECTS:
            return self._moved(request, next((v for k, v in headers.items() if k.lower() == "location"), ""))
        if not request.signed:
            return "the vendor's download address is refused or has expired. Run the task again for a new one"
        share = f", or not shared with {self.identity}" if self.identity else ""
        return {
            401: f'the credentials were refused. Renew them in the connection "{self.conn_id}" '
            "(docs/runbooks/credentials.md)",
            402: "the plan does not pay for this. Ask the vendor, or leave the stream out",
            403: self._forbidden(),
            404: f"there is no such address{share}. Check the stream's path, and the base URL in the connection "
            f'"{self.conn_id}"',
        }.get(status, "the request itself was refused. Compare the stream's spec with the vendor's reference")

    def _forbidden(self) -> str:
        scope = "the scope or the plan feature, or leave the stream out (docs/runbooks/credentials.md)"
        if self.identity:
            return f"the account {self.identity} may not read this. Share it with that address, or grant {scope}"
        return f"the credentials may not read this. Grant {scope}"

    def _moved(self, request: Request, location: str) -> str:
        """A redirect is not followed: it would carry the credentials to wherever a reply says."""
        here = urlsplit(self.base_url)
        try:
            there = urlsplit(urljoin(self.base_url + "/", location))
        except ValueError:
            location = ""
        if not location or there.hostname is None:
            return "the vendor redirects, and does not say where to. Compare the stream's spec with its reference"
        if there.hostname != here.hostname:
            return (
                f"the account has moved to {there.hostname}: change the base URL in the connection "
                f'"{self.conn_id}" (no credentials were sent there)'
            )
        if (there.scheme, there.netloc) != (here.scheme, here.netloc):
            return (
                f"the API is at {there.scheme}://{there.netloc} now: change the base URL in the connection "
                f'"{self.conn_id}"'
            )
        return f"the vendor redirects to {there.path}. Compare the stream's spec with the vendor's reference"
