"""What the vendors' handlers take and give: plain values, so that tests need no server."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, quote

import msgspec


@dataclass(frozen=True)
class Request:
    """One request. `path` is decoded and without the vendor's mount; `base` is the mount's full URL."""

    method: str
    path: str
    query_string: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    base: str = ""
    raw_path: str = ""

    @cached_property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.query_string, keep_blank_values=True)

    def param(self, name: str) -> str | None:
        """The last value of a query parameter, None when it is absent or empty."""
        return (self.query.get(name) or [""])[-1] or None

    def number(self, name: str, default: int, most: int | None = None) -> int:
        """A positive integer parameter; anything else is the default, more than `most` is `most`."""
        text = self.param(name)
        value = int(text) if text and text.isdigit() and int(text) > 0 else default
        return min(value, most) if most else value

    @property
    def basic(self) -> tuple[str, str] | None:
        """User and password of HTTP Basic."""
        scheme, _, text = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return user, password

    @property
    def bearer(self) -> str | None:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    def json(self) -> Any:
        """The body's value. Raises msgspec.DecodeError."""
        return msgspec.json.decode(self.body or b"{}")


@dataclass(frozen=True)
class Reply:
    """One reply. `records` names the list in the body that holds the records, for the faults that act on them."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    records: str | None = None
    content_type: str = "application/json; charset=utf-8"

    def with_headers(self, *headers: tuple[str, str]) -> Reply:
        return replace(self, headers=(*self.headers, *headers))


class Refused(Exception):
    """A vendor says no: carries the reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def as_json(value: Any, status: int = 200, records: str | None = None) -> Reply:
    return Reply(status, msgspec.json.encode(value), records=records)


def envelope(records: str, bodies: list[bytes], rest: dict[str, Any]) -> Reply:
    """A page: the records' own bytes, then the rest of the fields."""
    tail = msgspec.json.encode(rest)[1:]
    comma = b"," if rest else b""
    return Reply(200, b'{"%s":[%s]%s%s' % (records.encode(), b",".join(bodies), comma, tail), records=records)


def url(base: str, path: str, **params: object) -> str:
    """A link as vendors build them, with the parameters that are not None."""
    pairs = "&".join(f"{quote(k, safe='')}={quote(str(v), safe='')}" for k, v in params.items() if v is not None)
    return f"{base}{path}?{pairs}" if pairs else f"{base}{path}"
