"""Kafka Connect's REST API, as far as the platform uses it: typed replies, and errors that say what to do.

What each status means here (Kafka 4.3; recorded replies are in tests/unit/cdc/replies):
400 a config that the plugin refuses · 404 with a JSON body: no such connector or task; without: the worker is still
starting · 409 a rebalance is going on · 500 a race between restarts, or a time-out inside Connect · 503 not ready.
A config in a reply may hold a secret that somebody typed in: its values are never part of an error or a `repr`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import urllib3

from catchment.connection import Connection
from catchment.errors import CatchmentError, NeedsPerson, TryAgain

DEFAULT_URL = "http://127.0.0.1:8083"
_TIMEOUT = urllib3.Timeout(connect=3, read=12)
Config = Mapping[str, str]


class ConnectUnavailable(TryAgain):
    """Connect can't be reached, is still starting, or fails by itself."""


class Rebalancing(TryAgain):
    """409: the workers are sharing out connectors; the same request works some seconds later."""


class NotThere(CatchmentError):
    """404: there is no such connector, task or plugin."""


@dataclass(frozen=True)
class TaskStatus:
    """One task. `trace` is the Java stack trace of a failed one."""

    id: int
    state: str
    trace: str = field(default="", repr=False)


@dataclass(frozen=True)
class ConnectorStatus:
    """What Connect says of a connector. RUNNING is not health: tasks may be failed, missing or idle."""

    state: str
    tasks: tuple[TaskStatus, ...] = ()
    trace: str = field(default="", repr=False)

    @property
    def failed(self) -> tuple[TaskStatus, ...]:
        return tuple(task for task in self.tasks if task.state == "FAILED")


@dataclass(frozen=True)
class Running:
    """A connector that exists: its config as stored (references to secrets unresolved) and its status, if known."""

    name: str
    config: Config = field(repr=False)
    status: ConnectorStatus | None = None


class Connect(AbstractContextManager["Connect"]):
    """A Connect cluster, by the connection `kafka_connect` (any worker, or a load balancer before them)."""

    def __init__(self, connection: Connection, *, timeout: urllib3.Timeout = _TIMEOUT) -> None:
        self._base = connection.base_url(DEFAULT_URL)
        self._headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if connection.login:
            self._headers |= urllib3.make_headers(basic_auth=f"{connection.login}:{connection.password}")
        self._pool = urllib3.PoolManager(retries=False, timeout=timeout)

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    # --- looking ----------------------------------------------------------------------------------------------------

    def connectors(self) -> dict[str, Running]:
        """Every connector by name, with its config and status, in one request.

        A worker that has not read the cluster's state yet, as it can't while Kafka is away, answers that there is none
        (Kafka 4.3, seen): so an empty answer counts only from a worker that says that it has started.
        """
        reply = self._ask("GET", "/connectors", {"expand": ["info", "status"]})
        if not reply:
            self._ask("GET", "/health")
        return {name: _running(name, entry) for name, entry in sorted(reply.items())}

    def status(self, name: str) -> ConnectorStatus:
        return _status(self._ask("GET", f"/connectors/{quote(name)}/status"))

    def config(self, name: str) -> Config:
        return MappingProxyType(dict(self._ask("GET", f"/connectors/{quote(name)}/config")))

    def plugins(self) -> tuple[str, ...]:
        """The classes of the connectors that are installed."""
        return tuple(sorted(plugin["class"] for plugin in self._ask("GET", "/connector-plugins")))

    def offsets(self, name: str) -> list[dict[str, Any]]:
        """A connector's committed offsets: a list of {"partition": {…}, "offset": {…}}."""
        return list(self._ask("GET", f"/connectors/{quote(name)}/offsets")["offsets"])

    def validate(self, config: Config) -> dict[str, tuple[str, ...]]:
        """The keys that the plugin's own ConfigDef defines, and what it has against each. Connect ignores other keys.

        Debezium also tries the database. Snowflake's sink tries its account, and ends in a time-out where there is
        none, unless its key is a reference that Connect can't resolve.
        """
        plugin = quote(config["connector.class"])
        reply = self._ask("PUT", f"/connector-plugins/{plugin}/config/validate", body=dict(config))
        return {entry["definition"]["name"]: tuple(entry["value"]["errors"]) for entry in reply["configs"]}

    # --- acting -----------------------------------------------------------------------------------------------------

    def put(self, name: str, config: Config) -> None:
        """Create the connector, or give it this config as a whole; tasks restart by themselves."""
        self._ask("PUT", f"/connectors/{quote(name)}/config", body=dict(config))

    def delete(self, name: str) -> None:
        """Delete the connector. Its offsets stay, and so does the replication slot of a Debezium source."""
        self._ask("DELETE", f"/connectors/{quote(name)}")

    def restart_failed(self, name: str) -> None:
        """Restart what has failed of a connector, and nothing else."""
        self._ask("POST", f"/connectors/{quote(name)}/restart", {"includeTasks": "true", "onlyFailed": "true"})

    def restart(self, name: str) -> None:
        """Restart the connector and all of its tasks."""
        self._ask("POST", f"/connectors/{quote(name)}/restart", {"includeTasks": "true", "onlyFailed": "false"})

    def pause(self, name: str) -> None:
        self._ask("PUT", f"/connectors/{quote(name)}/pause")

    def resume(self, name: str) -> None:
        self._ask("PUT", f"/connectors/{quote(name)}/resume")

    def stop(self, name: str) -> None:
        """End the connector's tasks; it keeps its config and its offsets, which may be changed only now."""
        self._ask("PUT", f"/connectors/{quote(name)}/stop")

    def patch_offsets(self, name: str, offsets: list[dict[str, Any]]) -> None:
        """Set a stopped connector's offsets. Keys of an offset that are not given are gone."""
        self._ask("PATCH", f"/connectors/{quote(name)}/offsets", body={"offsets": offsets})

    def reset_offsets(self, name: str) -> None:
        """Forget how far a stopped connector has read. What it has not read by then may never be read."""
        self._ask("DELETE", f"/connectors/{quote(name)}/offsets")

    # --- the wire ---------------------------------------------------------------------------------------------------

    def _ask(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, *, body: dict[str, Any] | None = None
    ) -> Any:
        url = self._base + path + (f"?{urlencode(query, doseq=True)}" if query else "")
        content = None if body is None else msgspec.json.encode(body)
        try:
            reply = self._pool.request(method, url, body=content, headers=self._headers)
        except urllib3.exceptions.HTTPError as error:
            raise ConnectUnavailable(
                f"Kafka Connect at {self._base} does not answer {method} {path} ({_reason(error)}). "
                "See that a worker runs (docs/runbooks/cdc_connect_down.md)."
            ) from error
        try:
            value = msgspec.json.decode(reply.data) if reply.data else None
        except msgspec.DecodeError:
            value = None
        if reply.status < 300:
            return value
        raise _error(reply.status, f"{method} {path}", value)


def _running(name: str, entry: Mapping[str, Any]) -> Running:
    config = entry.get("info", {}).get("config", {})
    status = entry.get("status")
    return Running(name, MappingProxyType(dict(config)), _status(status) if status else None)


def _status(reply: Mapping[str, Any]) -> ConnectorStatus:
    connector = reply["connector"]
    return ConnectorStatus(
        state=connector["state"],
        tasks=tuple(TaskStatus(task["id"], task["state"], task.get("trace") or "") for task in reply.get("tasks", ())),
        trace=connector.get("trace") or "",
    )


def _error(status: int, request: str, value: Any) -> CatchmentError:
    """The error that a refused request is."""
    own = isinstance(value, dict) and "message" in value
    said = f": {str(value['message']).splitlines()[0][:300]}" if own else ""
    if status == 400 and own:
        # All complaints in one line, without the pointer to the endpoint.
        lines = [line.strip() for line in str(value["message"]).splitlines() if line.strip()]
        complaints = "; ".join(line for line in lines if not line.startswith("You can also find"))
        return NeedsPerson(f"Kafka Connect refused {request}: {complaints[:1000]}")
    if status in (401, 403):
        return NeedsPerson(
            f"Kafka Connect refused the credentials for {request} (HTTP {status}). Renew them in the connection "
            '"kafka_connect" (docs/runbooks/credentials.md).'
        )
    # A worker that starts has no routes yet, and says so in JSON as well: "HTTP 404 Not Found" (4.2, seen).
    if status == 404 and own and value["message"] != "HTTP 404 Not Found":
        return NotThere(f"Kafka Connect has no such thing: {request}{said}.")
    # 4.2 says so of a connector's config with a 500: "… because a rebalance is expected" (seen).
    if status == 409 or (status == 500 and "rebalance" in said):
        return Rebalancing(
            f"Kafka Connect is busy (HTTP {status} from {request}{said}). The same request works shortly."
        )
    return ConnectUnavailable(f"Kafka Connect answered HTTP {status} to {request}{said}. It is tried again.")


def _reason(error: Exception) -> str:
    match error:
        case urllib3.exceptions.NewConnectionError():
            return "connection refused"
        case urllib3.exceptions.TimeoutError():
            return "no answer in time"
        case _:
            return type(error).__name__
