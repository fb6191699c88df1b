"""Who holds a TCP port on this machine."""

from __future__ import annotations

import shlex
import socket
from dataclasses import dataclass

import psutil

from local.errors import LocalError


@dataclass(frozen=True)
class Holder:
    """The process that listens on a port; `pid` is None where the system hides it from this user."""

    pid: int | None
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command})" if self.pid else self.command


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1 at `port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def holder(port: int) -> Holder:
    """The process that listens on `port`, as far as this user may know."""
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return Holder(connection.pid, _command(connection.pid))
    return Holder(None, "a process of another user")


def require_free(port: int, *, service: str, variable: str) -> None:
    """Raise a sentence that names the holder when `port` is taken."""
    if not is_free(port):
        raise LocalError(
            f"Port {port}, wanted by {service}, is taken by {holder(port)}. "
            f"Stop it, or start with another port: {variable}={port + 1}"
        )


def _command(pid: int) -> str:
    try:
        return shlex.join(psutil.Process(pid).cmdline())[:120]
    except psutil.Error:
        return "its command is not visible"
