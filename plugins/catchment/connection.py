"""A connection: where a system is and who we are there. The only thing that differs between laptop and production.

Airflow's connections have the same fields (`Connection.like`); outside Airflow they come from `AIRFLOW_CONN_<ID>`, in
Airflow's JSON form.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from catchment.errors import NeedsPerson


class NoConnection(NeedsPerson):
    """There is no connection of that name. One that can't be read, or is not right, is another `NeedsPerson`."""


class _LikeConnection(Protocol):
    """What Airflow's Connection and ours have in common."""

    conn_id: str
    host: str | None
    login: str | None
    password: str | None
    schema: str | None
    port: int | None

    @property
    def extra_dejson(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class Connection:
    """One system's address and credentials. `repr` never shows a secret."""

    conn_id: str
    host: str = ""
    login: str = ""
    password: str = field(default="", repr=False)
    schema: str = ""
    port: int | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    @classmethod
    def like(cls, other: _LikeConnection) -> Connection:
        """The same connection, from an Airflow one."""
        return cls(
            conn_id=other.conn_id,
            host=other.host or "",
            login=other.login or "",
            password=other.password or "",
            schema=other.schema or "",
            port=other.port,
            extra=MappingProxyType(dict(other.extra_dejson)),
        )

    @classmethod
    def from_env(cls, conn_id: str, env: Mapping[str, str] = os.environ) -> Connection:
        """The connection in `AIRFLOW_CONN_<ID>`: JSON, or Airflow's URI form."""
        name = f"AIRFLOW_CONN_{conn_id.upper()}"
        text = env.get(name)
        if text is None:
            raise NoConnection(f'There is no connection "{conn_id}": set {name} (see docs/production.md).')
        read = cls._from_json if text.lstrip().startswith("{") else cls._from_uri
        return read(conn_id, name, text)

    @classmethod
    def _from_json(cls, conn_id: str, name: str, text: str) -> Connection:
        try:
            fields = json.loads(text)
            extra = fields.get("extra") or {}
            extra = dict(json.loads(extra) if isinstance(extra, str) else extra)
            port = int(fields["port"]) if fields.get("port") else None
            texts = {key: fields.get(key) or "" for key in ("host", "login", "password", "schema")}
            if not all(isinstance(text, str) for text in texts.values()):
                raise TypeError("a field is no text")
        except (ValueError, AttributeError, TypeError, OverflowError, RecursionError) as error:
            raise NeedsPerson(f"{name} is not a JSON object: correct it (see docs/production.md).") from error
        return cls(
            conn_id=conn_id,
            **texts,
            port=port,
            extra=MappingProxyType(extra),
        )

    @classmethod
    def _from_uri(cls, conn_id: str, name: str, text: str) -> Connection:
        try:
            parts = urlsplit(text)
            port = parts.port
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            extra = json.loads(query.pop("__extra__", "{}")) | query
        except (ValueError, TypeError, RecursionError) as error:
            raise NeedsPerson(f"{name} is not a connection URI: correct it (see docs/production.md).") from error
        host = parts.netloc.rpartition("@")[2]
        return cls(
            conn_id=conn_id,
            host=unquote(host.removesuffix(f":{port}")),
            login=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            schema=unquote(parts.path.lstrip("/")),
            port=port,
            extra=MappingProxyType(extra),
        )

    def base_url(self, default: str) -> str:
        """The vendor's base URL without a slash at its end: `base_url` in extra, else the host, else `default`.

        A host may be a whole URL with a path; a bare one takes its scheme from `schema` (https unless it says http)
        and its port from `port`.
        """
        url = self.extra.get("base_url") or self.host or default
        if "://" not in url:
            scheme = self.schema if self.schema in ("http", "https") else "https"
            authority, _, path = url.partition("/")
            port = f":{self.port}" if self.port else ""
            url = f"{scheme}://{authority}{port}/{path}"
        elif self.port and url == self.host and urlsplit(url).port is None:
            parts = urlsplit(url)
            url = parts._replace(netloc=f"{parts.netloc}:{self.port}").geturl()
        return str(url).rstrip("/")

    @property
    def key(self) -> str:
        """The API key, from the login or, where that is empty, the password: people use either field."""
        return self.login or self.password
