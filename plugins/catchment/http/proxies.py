"""Connections by way of the proxy that the environment names, as requests and curl have it.

`HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY`, in capitals or not; `NO_PROXY` names hosts and networks that are reached
without one. This machine itself always is.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment

import urllib3

_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def proxy_of(url: str) -> str | None:
    """The proxy for a URL; None: it is reached without one."""
    if not getproxies_environment() or urlsplit(url).hostname in _THIS_MACHINE:
        return None
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


class Pools:
    """urllib3's pool managers, one for each proxy. `options` are those of `PoolManager`. Close them when done."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._by_proxy: dict[str | None, urllib3.PoolManager] = {}
        self._by_origin: dict[tuple[str, str], urllib3.PoolManager] = {}

    def request(self, method: str, url: str, **more: Any) -> urllib3.BaseHTTPResponse:
        """`PoolManager.request`, by way of the URL's proxy."""
        parts = urlsplit(url)
        origin = parts.scheme, parts.netloc
        pool = self._by_origin.get(origin)
        if pool is None:
            pool = self._by_origin[origin] = self._pool(proxy_of(url))
        return pool.request(method, url, **more)

    def close(self) -> None:
        for pool in list(self._by_proxy.values()):
            pool.clear()

    def _pool(self, proxy: str | None) -> urllib3.PoolManager:
        if proxy is None:
            return self._by_proxy.setdefault(None, urllib3.PoolManager(**self._options))
        made = urllib3.ProxyManager(proxy, proxy_headers=_signature(proxy), **self._options)
        return self._by_proxy.setdefault(proxy, made)


def _signature(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return dict(urllib3.make_headers(proxy_basic_auth=login))
