"""Service account keys for the sandbox's Google: made here, checked by its token endpoint."""

from __future__ import annotations

import json
import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

EMAIL = "catchment@local-sandbox.iam.gserviceaccount.example"


def make_key(file: Path, token_uri: str) -> None:
    """Write a service account's JSON key, readable by its owner only."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = {
        "type": "service_account",
        "project_id": "local-sandbox",
        "private_key_id": os.urandom(20).hex(),
        "private_key": pem.decode(),
        "client_email": EMAIL,
        "client_id": "100000000000000000000",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": token_uri,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(key, out, indent=2)


def account(file: Path) -> tuple[str, bytes]:
    """The account's e-mail and public key (PEM) of a JSON key. Raises ValueError when the file is no such key."""
    try:
        key = json.loads(file.read_text())
        private = serialization.load_pem_private_key(key["private_key"].encode(), password=None)
        email = key["client_email"]
    except (OSError, ValueError, KeyError) as reason:
        raise ValueError(f"{file} is not a service account's key ({reason}). Delete it and start again.") from reason
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return str(email), public
