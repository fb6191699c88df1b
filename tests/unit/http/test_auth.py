"""Signing in: where a key stands, tokens that are renewed in time, and what is said when they are refused."""

from __future__ import annotations

import json
import logging
from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import pytest

from catchment.connection import Connection
from catchment.errors import NeedsPerson, VendorUnavailable
from catchment.http.auth import (
    ApiKeyHeader,
    Auth,
    BasicKey,
    BasicToken,
    Bearer,
    GoogleServiceAccount,
    OAuth2ClientCredentials,
    OAuth2RefreshToken,
    _Tokens,
)
from tests.support.vendor import Reply, Request, Scripted


def connection(**fields: Any) -> Connection:
    return Connection(conn_id="vendor", **fields)


def headers(auth: Auth, **fields: Any) -> dict[str, str]:
    return dict(auth.sign_in(connection(**fields))())


def basic(header: str) -> str:
    return b64decode(header.removeprefix("Basic ")).decode()


# --- keys and tokens that last ---


def test_a_key_is_sent_as_each_vendor_wants_it() -> None:
    assert basic(headers(BasicKey(), password="k")["Authorization"]) == "k:"
    assert headers(Bearer(), password="k") == {"Authorization": "Bearer k"}
    assert headers(ApiKeyHeader("X-Key", "Token "), password="k") == {"X-Key": "Token k"}
    token = headers(BasicToken(), login="ann@example.com", password="t")
    assert basic(token["Authorization"]) == "ann@example.com/token:t"
    bearer = headers(BasicToken(), password="t", extra={"auth": "bearer"})
    assert bearer == {"Authorization": "Bearer t"}


def test_the_password_comes_before_the_login_and_needs_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    sent = headers(BasicKey(), login="a label", password="k")
    assert basic(sent["Authorization"]) == "k:"
    assert caplog.records == []


def test_a_key_in_the_login_works_and_is_warned_of_without_showing_it(caplog: pytest.LogCaptureFixture) -> None:
    """Airflow masks passwords and names that look like secrets, and no logins."""
    with caplog.at_level(logging.WARNING):
        sent = headers(BasicKey(), login="s3cret")
    assert basic(sent["Authorization"]) == "s3cret:"
    assert "move it to the password" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("auth", "fields", "lacks"),
    [
        (BasicKey(), {}, "password"),
        (Bearer(), {}, "password"),
        (ApiKeyHeader(), {}, "password"),
        (BasicToken(), {"login": "a"}, "password"),
        (BasicToken(), {"password": "a"}, "login"),
        (OAuth2ClientCredentials("https://t"), {"password": "a"}, "login"),
        (OAuth2ClientCredentials("https://t"), {"login": "a"}, "password"),
        (OAuth2RefreshToken("https://t"), {"login": "a", "password": "b"}, "refresh_token"),
        (GoogleServiceAccount(("s",)), {}, "service-account key"),
        (GoogleServiceAccount(("s",)), {"extra": {"keyfile_dict": "no json"}}, "service-account key"),
    ],
)
def test_a_missing_credential_needs_a_person(auth: Auth, fields: dict[str, Any], lacks: str) -> None:
    with pytest.raises(NeedsPerson, match=lacks) as raised:
        auth.sign_in(connection(**fields))
    assert '"vendor"' in str(raised.value)


@pytest.mark.parametrize("auth", [BasicKey(), Bearer(), ApiKeyHeader(), BasicToken()])
def test_a_key_that_was_pasted_with_a_line_break_is_the_key(auth: Auth) -> None:
    """logicalclocks/hopsworks-api #184, kubernetes-client/python #656 (from AIRFLOW-3228): a line break after a key.

    http.client refuses such a header, and its error prints the key; so did ours.
    """
    assert headers(auth, login="ann", password=" k\r\n") == headers(auth, login="ann", password="k")


@pytest.mark.parametrize("key", ["s3cr\net", "“s3cret”", "s3cret\u200b"])
@pytest.mark.parametrize("auth", [Bearer(), ApiKeyHeader()])
def test_a_key_that_is_none_is_said_without_it(auth: Auth, key: str) -> None:
    with pytest.raises(NeedsPerson, match='in the connection "vendor" has a character that no key has') as raised:
        auth.sign_in(connection(password=key))
    assert "s3cr" not in str(raised.value)


# --- OAuth 2.0 ---


@pytest.fixture
def endpoint() -> Iterator[Scripted]:
    """A token endpoint that gives out token-1, token-2 … for an hour each."""
    with Scripted(lambda request: Reply()).running() as server:
        server.handler = lambda request: token(f"token-{len(server.requests)}")
        yield server


def token(text: str = "token", **more: Any) -> Reply:
    return Reply.json({"access_token": text, "token_type": "bearer", "expires_in": 3600, **more})


def form(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode()))


CLIENT: dict[str, Any] = {"login": "client", "password": "s3cret"}
REFRESHING: dict[str, Any] = {**CLIENT, "extra": {"refresh_token": "r1"}}


def test_a_client_shows_its_secret_in_one_place_only(endpoint: Scripted) -> None:
    """lakeflow-community-connectors PR 271: credentials in header and body at once are refused (RFC 6749, 2.3).

    dlt-hub/dlt #4206: some vendors read the header only. louislam/uptime-kuma #7875: others want a `resource`.
    """
    headers(OAuth2ClientCredentials(endpoint.url, ("read", "export")), **CLIENT)
    headers(OAuth2ClientCredentials(endpoint.url, in_body=True, params={"audience": "api"}), **CLIENT)
    by_header, by_body = endpoint.requests
    assert basic(by_header.headers["authorization"]) == "client:s3cret"
    assert form(by_header) == {"grant_type": "client_credentials", "scope": "read export"}
    assert "authorization" not in by_body.headers
    assert form(by_body) == {
        "grant_type": "client_credentials",
        "audience": "api",
        "client_id": "client",
        "client_secret": "s3cret",
    }


def test_a_token_is_used_until_it_is_forgotten(endpoint: Scripted) -> None:
    authorize = OAuth2ClientCredentials(endpoint.url).sign_in(connection(**CLIENT))
    assert [authorize()["Authorization"] for _ in range(3)] == ["Bearer token-1"] * 3
    authorize.forget(authorize())  # type: ignore[attr-defined]
    assert authorize()["Authorization"] == "Bearer token-2"


def test_a_token_that_another_thread_replaced_is_not_replaced_again(endpoint: Scripted) -> None:
    """librefang/librefang #3625, conda/rattler PR 2522: requests that meet a 401 together each ask for a new token.

    A vendor that ends the old token with each new one then refuses the first thread's, and a run that was well fails.
    Right: only the token that was refused is thrown away.
    """
    authorize = OAuth2ClientCredentials(endpoint.url).sign_in(connection(**CLIENT))
    refused = authorize()
    for _ in range(3):
        authorize.forget(refused)  # type: ignore[attr-defined]
        assert authorize()["Authorization"] == "Bearer token-2"
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize(
    ("lifetime", "used", "renewed"),
    [
        ({"expires_in": 3600}, 3539, 3540),
        ({"expires_in": "3600"}, 3539, 3540),
        ({}, 3539, 3540),
        ({"expires_in": None}, 3539, 3540),
        ({"expires_in": "soon"}, 3539, 3540),
        ({"expires_in": 60}, 29, 30),
        ({"expires_in": 0}, 3539, 3540),
        ({"expires_in": -1}, 3539, 3540),
        ({"expires_in": "nan"}, 3539, 3540),
    ],
)
def test_a_token_is_renewed_before_its_end(lifetime: dict[str, Any], used: float, renewed: float) -> None:
    """airbytehq/airbyte #60240: a token renewed at the very second of its end met a 401, which ended the sync.

    oomol-lab/open-connector PR 266 and xorbitsai/xagent #1540: without `expires_in`, a token was never renewed.
    VKCOM/vk-ios-sdk #166, wso2/product-apim #3226: 0 and -1 mean "for ever"; ours asked for a token with each call.
    """
    now = [0.0]
    asked: list[float] = []

    def ask() -> dict[str, Any]:
        asked.append(now[0])
        return {"access_token": "t", **lifetime}

    tokens = _Tokens(ask, clock=lambda: now[0])
    for moment in (0.0, used, renewed):
        now[0] = moment
        tokens()
    assert asked == [0.0, renewed]


def test_a_refresh_token_that_stays_is_used_again(endpoint: Scripted) -> None:
    endpoint.handler = lambda request: token(refresh_token="r1")
    authorize = OAuth2RefreshToken(endpoint.url).sign_in(connection(**REFRESHING))
    for _ in range(2):
        authorize.forget(authorize())  # type: ignore[attr-defined]
    assert [form(request)["refresh_token"] for request in endpoint.requests] == ["r1", "r1"]


def test_a_rotated_refresh_token_is_kept_before_the_access_token_is_used(endpoint: Scripted) -> None:
    """airbytehq/airbyte #3990, estuary/connectors #2886 (Zendesk): each refresh replaces the refresh token.

    Whoever keeps the old one is locked out at the next run.
    """
    kept: list[str] = []
    endpoint.handler = lambda request: token(refresh_token=f"r{len(endpoint.requests) + 1}")
    auth = OAuth2RefreshToken(endpoint.url, on_rotated=lambda _, new: kept.append(new))
    authorize = auth.sign_in(connection(**REFRESHING))
    for _ in range(2):
        authorize.forget(authorize())  # type: ignore[attr-defined]
    assert kept == ["r2", "r3"]
    assert [form(request)["refresh_token"] for request in endpoint.requests] == ["r1", "r2"]


def test_a_rotation_that_nobody_keeps_is_said_at_once(endpoint: Scripted) -> None:
    """The alternative is a night that works and a next one that is refused."""
    endpoint.handler = lambda request: token(refresh_token="r2-s3cret")
    with pytest.raises(NeedsPerson, match="replaced its refresh token, and a task can't write it back") as raised:
        headers(OAuth2RefreshToken(endpoint.url), **REFRESHING)
    assert "s3cret" not in str(raised.value)
    stays = OAuth2RefreshToken(endpoint.url, old_stays_valid=True)
    assert headers(stays, **REFRESHING) == {"Authorization": "Bearer token"}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_token_endpoint_that_fails_is_tried_again_and_nothing_is_thrown_away(endpoint: Scripted, status: int) -> None:
    """xorbitsai/xagent #1544: a blip of the token endpoint was taken for a revoked grant."""
    endpoint.handler = lambda request: Reply(b"<html>", status)
    with pytest.raises(VendorUnavailable, match=f"HTTP {status}"):
        headers(OAuth2RefreshToken(endpoint.url), **REFRESHING)


def test_a_token_endpoint_that_is_not_there_may_come_back() -> None:
    with pytest.raises(VendorUnavailable, match="does not answer"):
        headers(OAuth2ClientCredentials("http://127.0.0.1:9"), **CLIENT)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (
            400,
            {"error": "invalid_grant", "error_description": "for 'Ann' (ann@x.example)"},
            "invalid_grant: for <value>",
        ),
        (401, {"error": "invalid_client"}, "HTTP 401, invalid_client"),
        (200, {"error": "bad_verification_code"}, "HTTP 200, bad_verification_code"),
        (403, "no JSON object", "HTTP 403\\)"),
    ],
)
def test_a_refused_grant_is_a_sentence(endpoint: Scripted, status: int, body: Any, says: str) -> None:
    """GitHub answers a refused grant with 200 and an `error`."""
    endpoint.handler = lambda request: Reply.json(body, status)
    with pytest.raises(NeedsPerson, match=says) as raised:
        headers(OAuth2RefreshToken(endpoint.url), **REFRESHING)
    text = str(raised.value)
    assert 'the connection "vendor"' in text
    assert not any(word in text for word in ("ann@", "s3cret", "r1", "{"))


def test_any_2xx_with_a_token_is_a_token(endpoint: Scripted) -> None:
    """modelcontextprotocol/python-sdk #1502: Supabase answers 201. Ours said that the client was refused."""
    endpoint.handler = lambda request: Reply.json({"access_token": "t", "error": None}, 201)
    assert headers(OAuth2ClientCredentials(endpoint.url), **CLIENT) == {"Authorization": "Bearer t"}


def test_an_answer_without_a_token_is_no_token(endpoint: Scripted) -> None:
    for answer in ({"ok": True}, {"access_token": ""}, {"access_token": "a\nb"}, {"access_token": None}):
        endpoint.handler = lambda request, answer=answer: Reply.json(answer)  # type: ignore[misc]
        with pytest.raises(VendorUnavailable, match="without an access token"):
            headers(OAuth2ClientCredentials(endpoint.url), **CLIENT)


def test_a_token_endpoint_that_redirects_gets_no_secret_sent_on(endpoint: Scripted) -> None:
    with Scripted(lambda request: token()).running() as other:
        endpoint.handler = lambda request: Reply(b"", 307, {"Location": other.url})
        with pytest.raises(NeedsPerson, match="HTTP 307"):
            headers(OAuth2ClientCredentials(endpoint.url, in_body=True), **CLIENT)
        assert other.requests == []


# --- Google ---


@cache
def private_key() -> str:
    from cryptography.hazmat.primitives import serialization as form_of
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(form_of.Encoding.PEM, form_of.PrivateFormat.PKCS8, form_of.NoEncryption())
    return pem.decode()


def google(endpoint: Scripted) -> Callable[[], Any]:
    info = {
        "type": "service_account",
        "client_email": "reader@project.iam.gserviceaccount.com",
        "private_key": private_key(),
        "token_uri": endpoint.url,
    }
    return GoogleServiceAccount(("scope",)).sign_in(connection(extra={"keyfile_dict": json.dumps(info)}))


def test_a_service_account_gets_a_token_and_says_who_it_is(endpoint: Scripted) -> None:
    authorize = google(endpoint)
    assert authorize() == {"Authorization": "Bearer token-1"}
    assert authorize() == {"Authorization": "Bearer token-1"}
    for _ in range(2):
        authorize.forget({"Authorization": "Bearer token-1"})  # type: ignore[attr-defined]
        assert authorize() == {"Authorization": "Bearer token-2"}
    assert authorize.identity == "reader@project.iam.gserviceaccount.com"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, "invalid_grant: Invalid JWT"),
        ({"error": {"code": 403, "message": "Disabled", "status": "DENIED"}}, "DENIED: Disabled"),
        ({"error": {"code": 403}}, 'the connection "vendor": make a new key'),
        ({}, 'the connection "vendor": make a new key'),
    ],
)
def test_googles_refusal_is_a_sentence_and_no_python_dict(endpoint: Scripted, body: Any, says: str) -> None:
    endpoint.handler = lambda request: Reply.json(body, 400)
    with pytest.raises(NeedsPerson) as raised:
        google(endpoint)()
    text = str(raised.value)
    assert says in text
    assert "reader@project.iam.gserviceaccount.com" in text
    assert "{" not in text


def test_a_silent_google_may_come_back() -> None:
    with Scripted(lambda request: Reply()).running() as gone:
        pass
    with pytest.raises(VendorUnavailable, match="Google's token endpoint"):
        google(gone)()
