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
    """A pool of urllib3's for each host, or its proxy. `options` are those of a pool. Close them when done."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._proxies: dict[str, urllib3.ProxyManager] = {}
        self._hosts: dict[tuple[str, str], urllib3.HTTPConnectionPool | urllib3.ProxyManager] = {}

    def request(self, method: str, url: str, **more: Any) -> urllib3.BaseHTTPResponse:
        """`request` of the URL's pool."""
        parts = urlsplit(url)
        origin = parts.scheme, parts.netloc
        pool = self._hosts.get(origin) or self._hosts.setdefault(origin, self._pool(url))
        if isinstance(pool, urllib3.ProxyManager):
            return pool.request(method, url, **more)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        return pool.request(method, target, **more)

    def close(self) -> None:
        for manager in list(self._proxies.values()):
            manager.clear()
        for pool in list(self._hosts.values()):
            if isinstance(pool, urllib3.HTTPConnectionPool):
                pool.close()

    def _pool(self, url: str) -> urllib3.HTTPConnectionPool | urllib3.ProxyManager:
        scheme, proxy = urlsplit(url).scheme, proxy_of(url)
        if scheme not in ("http", "https"):  # a pool by itself would take any other for plain HTTP
            raise urllib3.exceptions.URLSchemeUnknown(scheme)
        if proxy is None:
            return urllib3.connection_from_url(url, **self._options)
        made = urllib3.ProxyManager(proxy, proxy_headers=_signature(proxy), **self._options)
        return self._proxies.setdefault(proxy, made)


def _signature(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return dict(urllib3.make_headers(proxy_basic_auth=login))
