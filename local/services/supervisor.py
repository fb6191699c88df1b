"""Talking to supervisord: start it, and ask it about its processes over its unix socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport

from local.command import run
from local.errors import LocalError
from local.services.render import socket_path
from local.settings import Settings

ALREADY_STARTED, NOT_RUNNING = 60, 70  # supervisor.xmlrpc.Faults


@dataclass(frozen=True)
class Process:
    """What supervisord knows about a process; `since` is when it last started or stopped."""

    name: str
    state: str
    pid: int
    since: datetime
    problem: str

    @property
    def runs(self) -> bool:
        return self.state in ("RUNNING", "STARTING")

    @property
    def failed(self) -> bool:
        return self.state in ("FATAL", "EXITED", "UNKNOWN")


class Supervisor:
    """One profile's supervisord."""

    def __init__(self, settings: Settings, password: str) -> None:
        self._settings = settings
        self._socket = socket_path(settings)
        self._password = password

    @property
    def configuration(self) -> Path:
        return self._settings.run / "supervisord.conf"

    def is_running(self) -> bool:
        try:
            self._rpc().getState()
        except OSError:
            return False
        return True

    def start(self, environment: Mapping[str, str], *, python: str) -> None:
        """Start supervisord as a daemon; its children inherit `environment`."""
        command = [python, "-m", "supervisor.supervisord", "-c", str(self.configuration)]
        done = run(command, what="Starting supervisord", environment=environment)
        if done.returncode:
            said = (done.stdout + done.stderr).strip()[-500:]
            raise LocalError(f"supervisord did not start: {said} (its configuration: {self.configuration})")
        _wait(self.is_running, seconds=10, what="supervisord's socket")

    def processes(self) -> dict[str, Process]:
        """Every process by name."""
        return {info["name"]: _process(info) for info in self._rpc().getAllProcessInfo()}

    def start_process(self, name: str) -> None:
        try:
            self._rpc().startProcess(name, False)
        except Fault as fault:
            if fault.faultCode != ALREADY_STARTED:
                raise LocalError(f"supervisord could not start {name}: {fault.faultString}") from fault

    def stop_process(self, name: str) -> None:
        """Stop it and wait until it is gone."""
        try:
            self._rpc().stopProcess(name, True)
        except Fault as fault:
            if fault.faultCode != NOT_RUNNING:
                raise LocalError(f"supervisord could not stop {name}: {fault.faultString}") from fault

    def shutdown(self) -> None:
        """End supervisord, when its processes are stopped."""
        pid = self._rpc().getPID()
        self._rpc().shutdown()
        try:
            psutil.Process(pid).wait(timeout=60)
        except psutil.NoSuchProcess:
            return
        except psutil.TimeoutExpired:
            raise LocalError(
                f"supervisord (process {pid}) did not end within a minute; see its log in var/log"
            ) from None

    def _rpc(self) -> Any:  # xmlrpc's proxies have no static shape
        transport = SupervisorTransport("catchment", self._password, f"unix://{self._socket}")
        return ServerProxy("http://127.0.0.1", transport=transport).supervisor


def _process(info: Mapping[str, object]) -> Process:
    runs = info["statename"] in ("RUNNING", "STARTING")
    moment = info["start"] if runs else info["stop"]
    return Process(
        name=str(info["name"]),
        state=str(info["statename"]),
        pid=int(str(info["pid"])),
        since=datetime.fromtimestamp(int(str(moment)), tz=UTC),
        problem=str(info["spawnerr"] or info["description"]),
    )


def _wait(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LocalError(f"{what} was not there after {seconds:.0f} seconds; see var/log/supervisord.log")
        time.sleep(0.1)
