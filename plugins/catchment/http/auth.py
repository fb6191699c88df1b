"""How one signs in: from a spec's `auth` and a connection to the headers of each request.

Keys and tokens belong in a connection's password: Airflow masks passwords in logs, and no logins. OAuth 2.0 is two
requests of RFC 6749 (4.4 and 6), so that no library is needed for it; Google's signed assertions are google-auth's.
"""

from __future__ import annotations

import json
import logging
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import Any, Protocol

import msgspec
import urllib3

from catchment.connection import Connection
from catchment.errors import NeedsPerson, VendorUnavailable
from catchment.http.limit_headers import read_allowance
from catchment.http.proxies import Pools
from catchment.http.request import NOTHING
from catchment.http.words import masked

Authorize = Callable[[], Mapping[str, str]]
LEEWAY = 60.0
"""Seconds before its end at which a token is renewed: clocks differ, and a request takes its time."""

log = logging.getLogger(__name__)


class Auth(Protocol):
    """How one signs in. `sign_in` raises `NeedsPerson` when the connection lacks a credential.

    What it returns may have `forget(refused)`, to get a new token in place of the one in the headers that the vendor
    refused before their time; `identity`, a name under which the vendor knows us, for messages; and `params`, what goes
    into the query of each request.
    """

    def sign_in(self, connection: Connection) -> Authorize: ...


# --- keys and tokens that last ---


@dataclass(frozen=True)
class BasicKey:
    """HTTP Basic: the connection's password is the user name, and the password is empty (ChartMogul, Stripe)."""

    def sign_in(self, connection: Connection) -> Authorize:
        return _constant(connection, _basic(_key(connection), ""))


@dataclass(frozen=True)
class BasicToken:
    """HTTP Basic: user is `user` with the connection's login filled in, the password is its token (Zendesk).

    With `{"auth": "bearer"}` in the connection's extra, the password is sent as a bearer token instead.
    """

    user: str = "{login}/token"

    def sign_in(self, connection: Connection) -> Authorize:
        token = _required(connection, connection.password, "password (the API token)")
        if connection.extra.get("auth") == "bearer":
            return _constant(connection, {"Authorization": f"Bearer {token}"})
        login = _required(connection, connection.login, "login (the e-mail address)")
        return _constant(connection, _basic(self.user.format(login=login), token))


@dataclass(frozen=True)
class Bearer:
    """The connection's password as a bearer token (RFC 6750)."""

    def sign_in(self, connection: Connection) -> Authorize:
        return _constant(connection, {"Authorization": f"Bearer {_key(connection)}"})


@dataclass(frozen=True)
class ApiKeyHeader:
    """The connection's password in a header of the vendor's own, after `prefix`."""

    header: str = "X-API-Key"
    prefix: str = ""

    def sign_in(self, connection: Connection) -> Authorize:
        return _constant(connection, {self.header: f"{self.prefix}{_key(connection)}"})


@dataclass(frozen=True)
class ApiKeyParam:
    """The connection's password as a parameter of each request's query, for vendors that read no header for it."""

    param: str = "api_key"

    def sign_in(self, connection: Connection) -> Authorize:
        return _InQuery({self.param: _key(connection)})


@dataclass(frozen=True)
class _InQuery:
    params: Mapping[str, str] = field(repr=False)

    def __call__(self) -> Mapping[str, str]:
        return {}


def _key(connection: Connection) -> str:
    """The key in the password; one in the login works still, and is warned of."""
    if not connection.password and connection.login:
        log.warning(
            'The key of the connection "%s" stands in its login, which Airflow shows in forms and does not mask in '
            "logs: move it to the password (docs/runbooks/credentials.md).",
            connection.conn_id,
        )
        return connection.login.strip()
    return _required(connection, connection.password, "password (the API key)")


def _required(connection: Connection, value: str, what: str) -> str:
    """The value without the line break that it was pasted with."""
    value = value.strip()
    if not value:
        raise NeedsPerson(
            f'The connection "{connection.conn_id}" has no {what}: set it (docs/runbooks/credentials.md).'
        )
    return value


def _basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def _constant(connection: Connection, headers: Mapping[str, str]) -> Authorize:
    if not all(map(_fits_header, headers.values())):
        raise NeedsPerson(
            f'The key in the connection "{connection.conn_id}" has a character that no key has, such as a line break '
            "or a typographic quote: copy it again (docs/runbooks/credentials.md)."
        )
    return lambda: headers


def _fits_header(value: str) -> bool:
    """Whether it can be sent: http.client would raise what can't, with the key in the error's text."""
    return value.isascii() and value.isprintable()


# --- OAuth 2.0 ---


@dataclass(frozen=True)
class OAuth2ClientCredentials:
    """Tokens for a client (RFC 6749, 4.4): login is the client's id, password its secret.

    `in_body` sends these in the form, for vendors that read no Basic header. `params` is what else the form must hold:
    Auth0's `audience`, a `resource` (RFC 8707), Zoom's own `grant_type` and `account_id`.
    """

    token_url: str
    scopes: tuple[str, ...] = ()
    in_body: bool = False
    params: Mapping[str, str] = field(default_factory=lambda: NOTHING)

    def sign_in(self, connection: Connection) -> Authorize:
        client = _client(connection)
        scope = {"scope": " ".join(self.scopes)} if self.scopes else {}
        form = {"grant_type": "client_credentials", **scope, **self.params}
        return _Tokens(lambda: _ask(self.token_url, form, client, connection, in_body=self.in_body))


@dataclass(frozen=True)
class OAuth2RefreshToken:
    """Tokens for a user who consented once (RFC 6749, 6): `refresh_token` in the connection's extra.

    Login is the client's id, password its secret. A vendor may answer with a new refresh token that replaces the old
    one. A task can't write a connection, so somebody must keep it: `on_rotated` is called with the connection and the
    new token before the access token is used. Without it a rotation is an error, unless the vendor's reference says
    that the old one stays valid (`old_stays_valid`): the next task would be refused.
    """

    token_url: str
    in_body: bool = False
    old_stays_valid: bool = False
    on_rotated: Callable[[Connection, str], None] | None = None

    def sign_in(self, connection: Connection) -> Authorize:
        client = _client(connection)
        first = _required(connection, str(connection.extra.get("refresh_token") or ""), "`refresh_token` in its extra")
        return _Tokens(_Refresh(self, connection, client, first))


class _Refresh:
    """Exchanges the newest refresh token that we know of."""

    def __init__(
        self, auth: OAuth2RefreshToken, connection: Connection, client: tuple[str, str], refresh_token: str
    ) -> None:
        self._auth, self._connection, self._client = auth, connection, client
        self._newest = refresh_token

    def __call__(self) -> dict[str, Any]:
        form = {"grant_type": "refresh_token", "refresh_token": self._newest}
        reply = _ask(self._auth.token_url, form, self._client, self._connection, in_body=self._auth.in_body)
        new = reply.get("refresh_token")
        if isinstance(new, str) and new and new != self._newest:
            self._rotated(new)
        return reply

    def _rotated(self, new: str) -> None:
        self._newest = new
        if self._auth.on_rotated:
            self._auth.on_rotated(self._connection, new)
        elif not self._auth.old_stays_valid:
            raise NeedsPerson(
                f'The vendor of the connection "{self._connection.conn_id}" replaced its refresh token, and a task '
                "can't write it back: the next task would be refused. Turn rotation off at the vendor, use client "
                "credentials, or give the spec's auth an `on_rotated` that keeps the new one; then sign in again and "
                "put a new `refresh_token` into the extra (docs/runbooks/credentials.md)."
            )


class _Tokens:
    """Bearer headers; a new token is asked for when there is none, or when it is about to expire."""

    def __init__(self, ask: Callable[[], Mapping[str, Any]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = Lock()
        self._headers: Mapping[str, str] | None = None
        self._until = 0.0

    def __call__(self) -> Mapping[str, str]:
        with self._lock:
            if self._headers is None or self._clock() >= self._until:
                asked_at = self._clock()
                reply = self._ask()
                self._headers = {"Authorization": f"Bearer {reply['access_token']}"}
                self._until = asked_at + _lifetime(reply)
            return self._headers

    def forget(self, refused: Mapping[str, str]) -> None:
        """Unless another thread has replaced the token already: vendors end the old one with each new one."""
        with self._lock:
            if self._headers == refused:
                self._headers = None


def _lifetime(reply: Mapping[str, Any]) -> float:
    """Seconds for which a token is used: what the vendor says, less a leeway; an hour where it does not say.

    Vendors say 0 or -1 for "for ever".
    """
    try:
        seconds = float(reply.get("expires_in") or 3600)
    except (TypeError, ValueError):
        seconds = 3600.0
    if not seconds > 0:  # NaN too
        seconds = 3600.0
    return max(seconds - LEEWAY, seconds / 2)


def _client(connection: Connection) -> tuple[str, str]:
    return (
        _required(connection, connection.login, "login (the OAuth client's id)"),
        _required(connection, connection.password, "password (the OAuth client's secret)"),
    )


def _ask(
    url: str, form: Mapping[str, str], client: tuple[str, str], connection: Connection, *, in_body: bool
) -> dict[str, Any]:
    """One request to a token endpoint. Not retried here: the client's own retries come round again."""
    headers = {"Accept": "application/json"} | ({} if in_body else _basic(*client))
    fields = {**form, "client_id": client[0], "client_secret": client[1]} if in_body else dict(form)
    url = str(connection.extra.get("token_url") or url)
    try:
        with closing(Pools(retries=False, timeout=urllib3.Timeout(connect=10, read=60))) as pools:
            reply = pools.request("POST", url, fields=fields, headers=headers, encode_multipart=False, redirect=False)
    except urllib3.exceptions.HTTPError as error:
        raise VendorUnavailable(f"the token endpoint does not answer ({type(error).__name__})") from error
    value = _object(reply.data)
    if reply.status == 429 or reply.status >= 500:
        wish = read_allowance(reply.headers, time.time()).wish(reply.status == 429)
        raise VendorUnavailable(
            f"the token endpoint answers HTTP {reply.status}{_reason(value)}",
            after=None if wish is None else timedelta(seconds=wish),
        )
    if not 200 <= reply.status < 300 or value.get("error"):
        raise NeedsPerson(
            f'The vendor refused the OAuth client or token of the connection "{connection.conn_id}" '
            f"(HTTP {reply.status}{_reason(value)}): renew it (docs/runbooks/credentials.md)."
        )
    token = value.get("access_token")
    if not isinstance(token, str) or not token or not _fits_header(token):
        raise VendorUnavailable(f"the token endpoint answers HTTP {reply.status} without an access token")
    return value


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _reason(value: Mapping[str, Any]) -> str:
    """`error` and `error_description` (RFC 6749, 5.2) or Google's nested `error.message`, as text; "" without."""
    error = value.get("error")
    inner = error if isinstance(error, Mapping) else value
    code = inner.get("status") if isinstance(error, Mapping) else error
    text = inner.get("message") if isinstance(error, Mapping) else inner.get("error_description")
    words = ": ".join(str(part) for part in (code, text) if part)
    return f", {masked(words)}" if words else ""


# --- Google ---


@dataclass(frozen=True)
class GoogleServiceAccount:
    """A service account's key (`keyfile_dict` in the connection's extra), exchanged for short-lived bearer tokens."""

    scopes: tuple[str, ...]

    def sign_in(self, connection: Connection) -> Authorize:
        return _GoogleTokens(connection, self.scopes)


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
    """Bearer tokens for a service account, by google-auth; renewed when they are about to expire.

    `identity` is the account's e-mail address: with whom a sheet or a folder must be shared.
    """

    def __init__(self, connection: Connection, scopes: tuple[str, ...]) -> None:
        self._credentials = _service_account(connection, scopes)
        self._conn_id = connection.conn_id
        self._lock = Lock()
        self.identity = str(self._credentials.service_account_email)

    def __call__(self) -> Mapping[str, str]:
        with self._lock:
            if not self._credentials.valid:
                self._refresh()
            return {"Authorization": f"Bearer {self._credentials.token}"}

    def forget(self, refused: Mapping[str, str]) -> None:
        with self._lock:
            if refused.get("Authorization") == f"Bearer {self._credentials.token}":
                self._credentials.token = None

    def _refresh(self) -> None:
        from google.auth import exceptions
        from google.auth.transport.requests import Request

        try:
            self._credentials.refresh(Request())
        except exceptions.RefreshError as error:
            reason = _google_reason(error)
            if error.retryable:
                raise VendorUnavailable(f"Google's token endpoint fails{reason}") from error
            raise NeedsPerson(
                f'Google refused the service account {self.identity} of the connection "{self._conn_id}"{reason}: '
                "make a new key, and see that the machine's clock is right (docs/runbooks/credentials.md)."
            ) from error
        except exceptions.TransportError as error:
            raise VendorUnavailable(f"Google's token endpoint does not answer ({type(error).__name__})") from error


def _google_reason(error: Exception) -> str:
    """What Google said. google-auth puts the reply beside its own text, which may be a Python dict as text."""
    details = error.args[1] if len(error.args) > 1 else None
    if isinstance(details, str):
        details = _object(details.encode())
    reason = _reason(details) if isinstance(details, Mapping) else ""
    if not reason and error.args and isinstance(error.args[0], str) and "{" not in error.args[0]:
        reason = f", {masked(error.args[0])}"
    return f" ({reason[2:]})" if reason else ""
