"""What can go wrong, by what should happen next. Every message is a sentence: what failed, where, what to do."""

from __future__ import annotations

from datetime import timedelta


class CatchmentError(Exception):
    """The base of all errors that the platform raises on purpose."""


class NeedsPerson(CatchmentError):
    """Trying again changes nothing: a person must fix a credential, a scope, a contract or a spec."""


class Refused(NeedsPerson):
    """The vendor answered 4xx: the request, the credentials or the plan are not right."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class ContractBroken(NeedsPerson):
    """What arrived is not what the spec or a header contract promises."""


class TryAgain(CatchmentError):
    """A passing trouble: the same request may work later."""

    def __init__(self, message: str, *, after: timedelta | None = None) -> None:
        super().__init__(message)
        self.after = after


class RateLimited(TryAgain):
    """The vendor asks to wait longer than a task should hold its slot; `after` is how long."""


class VendorUnavailable(TryAgain):
    """The vendor fails, is silent, or answers with something that is not its API."""


class LandingUnavailable(TryAgain):
    """S3 can't be read or written."""


class WarehouseUnavailable(TryAgain):
    """The warehouse can't be reached or dropped the connection."""
