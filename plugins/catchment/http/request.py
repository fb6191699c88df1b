"""One request as a value: what is asked, without where the API lives or who asks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

import msgspec

from catchment.errors import NeedsPerson, VendorUnavailable

NOTHING: Mapping[str, Any] = MappingProxyType({})
_DOT = re.compile(r"(?<!\\)\.")


@dataclass(frozen=True)
class Request:
    """A request to one API.

    Args:
        path: Below the API's base URL, or an absolute URL on one of the API's hosts.
        params: Query parameters: texts, numbers and booleans (`true`, `false`); None leaves one out, a list repeats it.
        json: The JSON body, for APIs that search by POST.
        link: An address that the vendor gave (a next page): it replaces path and params, and is resolved against
            the address of `path` (RFC 3986, section 5).
        memory: What a paginator remembers from page to page; never sent.
        signed: Sent with credentials, and therefore only to the API's own hosts. False for a download from an address
            that carries its own signature: such a request may go to any HTTPS host, and carries no credentials.
    """

    path: str
    method: str = "GET"
    params: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    json: Mapping[str, Any] | None = None
    link: str = ""
    memory: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    signed: bool = True

    def with_params(self, params: Mapping[str, Any] | None = None, /, **more: Any) -> Request:
        """The same request with parameters set; names that are no Python names go into the mapping."""
        return replace(self, params={**self.params, **(params or {}), **more})

    def with_json(self, path: str, value: Any) -> Request:
        r"""The same request with the value at a dotted path of its JSON body set; objects on the way are made.

        A dot that belongs to a name is written "\."."""
        names = (name.replace(r"\.", ".") for name in _DOT.split(path))
        return replace(self, json=_set(self.json or {}, tuple(names), value))

    def with_memory(self, **remembered: Any) -> Request:
        return replace(self, memory={**self.memory, **remembered})

    def follow(self, link: str) -> Request:
        """The request for an address that the vendor gave; its parameters are in that address."""
        return replace(self, link=link)

    @cached_property
    def query(self) -> str:
        """The parameters as they are sent."""
        return _encoded(self.params)

    @property
    def identity(self) -> str:
        """What is sent, as text: equal for requests that ask for the same."""
        query = self.link or f"{self.path}?{self.query}"
        return f"{self.method} {query} {msgspec.json.encode(self.json).decode()}" if self.json else query

    @property
    def shown(self) -> str:
        """Method and path for a message: without the query, which may hold a secret."""
        path = urlsplit(urljoin("/" + self.path.lstrip("/"), self.link)).path if self.link else self.path
        return f"{self.method} /{urlsplit(path).path.lstrip('/')}"


def address(request: Request, *, base_url: str, hosts: Mapping[str, str], conn_id: str) -> str:
    """The URL of a request.

    A signed request goes to the origin of `base_url` or to one of `hosts` (path prefix → base URL) and nowhere else. A
    link is compared by its host name alone and takes scheme and port from ours: APIs behind a proxy write
    `http://` or leave the port out.

    Raises:
        NeedsPerson: The address is on a host that is not the API's.
        VendorUnavailable: The vendor gave an address that is none.
    """
    try:
        return _address(request, base_url, hosts, conn_id)
    except ValueError as error:  # urllib's; its text repeats the address
        raise VendorUnavailable("the vendor gave an address that can't be read") from error


def _address(request: Request, base_url: str, hosts: Mapping[str, str], conn_id: str) -> str:
    if not request.signed:
        return _unsigned(request, conn_id)
    if request.path.startswith(("https://", "http://")):
        return _on_our_hosts(request.path, (base_url, *hosts.values()), conn_id) + _query(request)
    path = request.path.lstrip("/")
    base = next((host for start, host in hosts.items() if path.startswith(start)), base_url)
    url = f"{base}/{path}"
    if request.link:
        return _on_our_hosts(urljoin(url, request.link), (base, base_url, *hosts.values()), conn_id)
    return url + _query(request)


def _unsigned(request: Request, conn_id: str) -> str:
    url = (request.link or request.path) + ("" if request.link else _query(request))
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost"):
        raise NeedsPerson(
            f'The vendor of the connection "{conn_id}" gave a download address that is not HTTPS (host '
            f'"{parts.hostname or ""}"): it was not asked. Ask the vendor for an HTTPS address.'
        )
    return url


def _on_our_hosts(url: str, ours: tuple[str, ...], conn_id: str) -> str:
    parts = urlsplit(url)
    for base in map(urlsplit, ours):
        if parts.hostname and parts.hostname == base.hostname:
            return parts._replace(scheme=base.scheme, netloc=base.netloc, fragment="").geturl()
    known = ", ".join(dict.fromkeys(urlsplit(base).hostname or "" for base in ours))
    raise NeedsPerson(
        f'The vendor points to the host "{parts.hostname or ""}", which is not the API\'s ({known}): no credentials '
        f'were sent there. If the account has moved, change the base URL in the connection "{conn_id}"; if the API has '
        "several hosts, declare them in its spec (`other_hosts`)."
    )


def with_query(url: str, params: Mapping[str, str]) -> str:
    """The URL with parameters that it does not have: a vendor's links repeat ours, or leave them out."""
    parts = urlsplit(url)
    present = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    lacking = _encoded({name: value for name, value in params.items() if name not in present})
    return parts._replace(query="&".join(filter(None, (parts.query, lacking)))).geturl()


def _query(request: Request) -> str:
    return f"{'&' if '?' in request.path else '?'}{request.query}" if request.query else ""


def _encoded(params: Mapping[str, Any]) -> str:
    """The query, with %20 for a space: "+" is one in forms only, and OData, for one, reads it as a plus."""
    return urlencode(list(_pairs(params)), quote_via=quote)


def _pairs(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            if one is None:
                continue
            if not isinstance(one, str | int | float):  # Python's own spelling of it means nothing to a vendor
                raise TypeError(f"The parameter {name!r} is a {type(one).__name__}: give it as text.")
            yield name, str(one).lower() if isinstance(one, bool) else str(one)


def _set(value: Mapping[str, Any], path: tuple[str, ...], leaf: Any) -> dict[str, Any]:
    name, *rest = path
    if not rest:
        return {**value, name: leaf}
    inner = value.get(name)
    return {**value, name: _set(inner if isinstance(inner, Mapping) else {}, tuple(rest), leaf)}
