"""Vendors are reached by way of the proxy that the environment names.

airbytehq/airbyte #27192, #3076 and #53227: in locked networks people set HTTPS_PROXY, often without a scheme or with a
login, and NO_PROXY with hosts and networks, and every tool is expected to keep to them.
"""

from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import Iterator
from threading import Thread

import pytest
from urllib3.exceptions import URLSchemeUnknown

from catchment.http.proxies import Pools, proxy_of
from catchment.http.request import Request
from tests.support.vendor import Reply, Scripted
from tests.unit.http.fakes import client

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def proxy() -> Iterator[Scripted]:
    with Scripted(lambda request: Reply(b"by way of the proxy")).running() as server:
        yield server


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ({}, "https://api.vendor.example/v1", None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "https://api.vendor.example/v1", "http://proxy:3128"),
        ({"https_proxy": "proxy:3128"}, "https://api.vendor.example/v1", "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://api.vendor.example/v1", None),
        ({"ALL_PROXY": "http://proxy:3128"}, "http://api.vendor.example/v1", "http://proxy:3128"),
        ({"ALL_PROXY": "http://proxy:3128"}, "http://127.0.0.1:8090/v1", None),
        ({"ALL_PROXY": "http://proxy:3128", "NO_PROXY": ".vendor.example"}, "https://api.vendor.example/v1", None),
        ({"ALL_PROXY": "http://proxy:3128", "NO_PROXY": "10.0.0.0/8,.local"}, "https://10.1.2.3/v1", None),
    ],
)
def test_which_proxy(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, expected: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(url) == expected


def test_a_request_goes_by_way_of_the_proxy_with_its_login(monkeypatch: pytest.MonkeyPatch, proxy: Scripted) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("://", "://me:p%40ss@"))
    vendor = client("http://vendor.example/v1")
    assert vendor.send(Request("things"), accept=lambda reply: reply.body) == b"by way of the proxy"
    vendor.close()
    (asked,) = proxy.requests
    assert asked.headers["host"] == "vendor.example"
    assert asked.headers["proxy-authorization"] == f"Basic {b64encode(b'me:p@ss').decode()}"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("", "/"),
        ("/v1//a?b=%2F&c=d%20e", "/v1//a?b=%2F&c=d%20e"),
        ("//key.txt?sig=1", "//key.txt?sig=1"),
        ("?a", "/?a"),
    ],
)
def test_without_a_proxy_the_address_is_asked_for_as_it_is_written(path: str, target: str) -> None:
    """psf/requests #6711: of two slashes one was stripped, so that a signed address of S3 was refused with 403."""
    asked: list[bytes] = []

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(4096).split(b"\r\n")[0])
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    pools = Pools(retries=False, timeout=10)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=answer)
        thread.start()
        pools.request("GET", f"http://127.0.0.1:{listener.getsockname()[1]}{path}")
        thread.join()
    pools.close()
    assert asked == [f"GET {target} HTTP/1.1".encode()]


@pytest.mark.parametrize("url", ["htps://vendor.example/v1", "ftp://vendor.example/v1"])
def test_an_address_that_is_neither_http_nor_https_gets_no_request(url: str) -> None:
    """urllib3's own oracle: its manager refuses such a scheme, while a pool made without it takes it for plain HTTP.

    Right: a slip in the connection's host sends no credentials unencrypted.
    """
    with pytest.raises(URLSchemeUnknown):
        Pools(retries=False, timeout=0.1).request("GET", url)
