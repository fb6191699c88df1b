"""How to sign in: from a spec's `auth` and a connection to the headers of each request."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from catchment.connection import Connection
from catchment.errors import NeedsPerson, VendorUnavailable
from catchment.spec import BasicKey, BasicToken, GoogleServiceAccount, SourceSpec

Authorize = Callable[[], Mapping[str, str]]


def authorizer(source: SourceSpec, connection: Connection) -> Authorize:
    """A function that returns the headers to send; it renews what expires. Raises when a credential is missing."""
    match source.auth:
        case BasicKey():
            _required(connection, connection.key, "login (the API key)")
            return _constant(_basic(connection.key, ""))
        case BasicToken(user=user):
            _required(connection, connection.password, "password (the API token)")
            if connection.extra.get("auth") == "bearer":
                return _constant({"Authorization": f"Bearer {connection.password}"})
            _required(connection, connection.login, "login (the e-mail address)")
            return _constant(_basic(user.format(login=connection.login), connection.password))
        case GoogleServiceAccount(scopes=scopes):
            return _GoogleTokens(connection, scopes)


def _required(connection: Connection, value: str, what: str) -> None:
    if not value:
        raise NeedsPerson(
            f'The connection "{connection.conn_id}" has no {what}: set it (docs/runbooks/credentials.md).'
        )


def _basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def _constant(headers: Mapping[str, str]) -> Authorize:
    return lambda: headers


def _service_account(connection: Connection, scopes: tuple[str, ...]) -> Any:
    """Google's credentials from the key in the connection's extra."""
    from google.oauth2 import service_account

    info: Any = connection.extra.get("keyfile_dict") or {}
    try:
        info = json.loads(info) if isinstance(info, str) else info
        return service_account.Credentials.from_service_account_info(info, scopes=scopes)
    except (ValueError, TypeError, AttributeError) as error:  # ValueError: no JSON, a field is missing, no RSA key
        raise NeedsPerson(
            f'The connection "{connection.conn_id}" has no service-account key: put the whole of its JSON into '
            "`keyfile_dict` of its extra (docs/runbooks/credentials.md)."
        ) from error


class _GoogleTokens:
    """Bearer tokens for a service account, by google-auth; renewed when they are about to expire."""

    def __init__(self, connection: Connection, scopes: tuple[str, ...]) -> None:
        self._credentials = _service_account(connection, scopes)
        self._conn_id = connection.conn_id
        self.identity = str(self._credentials.service_account_email)
        self._lock = Lock()

    def __call__(self) -> Mapping[str, str]:
        from google.auth import exceptions
        from google.auth.transport.requests import Request

        with self._lock:
            if not self._credentials.valid:
                try:
                    self._credentials.refresh(Request())
                except exceptions.RefreshError as error:
                    if error.retryable:
                        raise VendorUnavailable(f"Google's token endpoint fails ({error.args[0]})") from error
                    raise NeedsPerson(
                        f'Google refused the service account of the connection "{self._conn_id}" ({error.args[0]}): '
                        "make a new key (docs/runbooks/credentials.md)."
                    ) from error
                except exceptions.TransportError as error:
                    raise VendorUnavailable(f"Google's token endpoint does not answer ({error})") from error
            return {"Authorization": f"Bearer {self._credentials.token}"}
