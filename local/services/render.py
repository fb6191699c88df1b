"""supervisord's configuration file, from the list of services."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from local.services.service import Service
from local.settings import ROOT, Settings

UNIX_SOCKET_PATH_LIMIT = 90  # the kernel's is 107; supervisord appends its pid while it makes the socket

SUPERVISORD = """\
[unix_http_server]
file={socket}
chmod=0700
username=catchment
password={password}

[supervisord]
logfile={log}/supervisord.log
logfile_maxbytes=5MB
logfile_backups=2
pidfile={run}/supervisord.pid
childlogdir={log}
directory={root}
{user}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

PROGRAM = """\
[program:{name}]
command={python} -m local.services.launch {name}
autostart=false
autorestart=true
startsecs=1
startretries=5
stopsignal={stop_signal}
stopwaitsecs={stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile={log}/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


def render(settings: Settings, services: Iterable[Service], *, password: str, as_root: bool) -> str:
    """The file's text. It holds no secret but its own password: `launch` gives each process its environment."""
    head = SUPERVISORD.format(
        socket=_escaped(socket_path(settings)),
        password=password,
        log=_escaped(settings.log),
        run=_escaped(settings.run),
        root=_escaped(ROOT),
        user="user=root\n" if as_root else "",
    )
    programs = (
        PROGRAM.format(
            name=service.name,
            python=_escaped(Path(sys.executable)),
            log=_escaped(settings.log),
            stop_signal=service.stop_signal,
            stop_seconds=service.stop_seconds,
        )
        for service in services
    )
    return "\n".join((head, *programs))


def socket_path(settings: Settings) -> Path:
    """Where supervisord listens: in `var/run`, or in the temporary folder when that path is too long for a socket."""
    path = settings.run / "supervisor.sock"
    if len(str(path)) <= UNIX_SOCKET_PATH_LIMIT:
        return path
    name = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"catchment-{name}.sock"


def _escaped(path: Path) -> str:
    """supervisord expands `%(name)s`; a percent sign of our own is doubled."""
    return str(path).replace("%", "%%")
