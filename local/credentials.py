"""The secrets of the local profile: made at first start, kept in `var/secrets` for its owner alone."""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local.command import run
from local.errors import LocalError
from local.settings import Settings

TOKEN_PATH = "/google/token"


@dataclass(frozen=True)
class Credentials:
    """Every secret that a local service asks for."""

    airflow_fernet_key: str
    airflow_jwt_secret: str
    airflow_secret_key: str
    postgres_password: str
    warehouse_password: str
    s3_key_id: str
    s3_secret_key: str
    supervisor_password: str
    chartmogul_api_key: str
    zendesk_api_token: str
    pii_key: str
    application_password: str

    @classmethod
    def generate(cls) -> Credentials:
        return cls(
            airflow_fernet_key=base64.urlsafe_b64encode(os.urandom(32)).decode(),
            **{name: secrets.token_hex(24) for name in cls.__dataclass_fields__ if name != "airflow_fernet_key"},
        )


def ensure_credentials(settings: Settings) -> Credentials:
    """The profile's secrets, made if they aren't there yet; secrets that a newer checkout asks for are added.

    Raises:
        LocalError: the file can't be read as secrets.
    """
    path = settings.secrets / "local.json"
    try:
        kept = json.loads(path.read_text()) if path.exists() else {}
        wanted = asdict(Credentials.generate()) | kept
        if wanted != kept:
            write_private(path, json.dumps(wanted, indent=1))
        return Credentials(**wanted)
    except (ValueError, TypeError) as error:
        raise LocalError(
            f"The local secrets in {path} can't be read ({error}). "
            "`make clean` makes new ones, and removes the local data that the old ones open."
        ) from error


def google_key_path(settings: Settings) -> Path:
    return settings.secrets / "google_service_account.json"


def ensure_google_key(settings: Settings) -> None:
    """Have the sandbox make the service account's key file that it will accept, if there is none.

    Raises:
        LocalError: the sandbox's command failed; the message has its last words.
    """
    path = google_key_path(settings)
    if path.exists():
        return
    part = path.with_name(path.name + ".part")
    write_private(part, "")
    command = [sys.executable, "-m", "local.sandbox", "key", "--out", str(part)]
    command += ["--token-uri", settings.url("sandbox", TOKEN_PATH)]
    made = run(command, what="Making the sandbox's Google key")
    if made.returncode:
        part.unlink(missing_ok=True)
        raise LocalError(f"The sandbox could not make a Google service account's key: {made.stderr.strip()[-500:]}")
    write_private(path, part.read_text())
    part.unlink()


def read_google_key(settings: Settings) -> dict[str, Any]:
    """The service account's key, for the sandbox at its present port; empty before the first start."""
    path = google_key_path(settings)
    if not path.exists():
        return {}
    return {**json.loads(path.read_text()), "token_uri": settings.url("sandbox", TOKEN_PATH)}


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(path.name + ".new")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    part.replace(path)
