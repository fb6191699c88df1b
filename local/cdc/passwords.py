"""The passwords of the role `cdc`, one a shard; they are kept where Connect's config provider reads them."""

from __future__ import annotations

import secrets
from pathlib import Path

from local.cdc.properties import read, write_properties
from local.settings import Settings


def file(settings: Settings) -> Path:
    """`<shard>.password=…`, in a folder of its own: the one that Connect may read."""
    return settings.secrets / "connect" / "shards.properties"


def reference(settings: Settings, shard: str) -> str:
    """How a connector's configuration names a shard's password."""
    return f"${{file:{file(settings)}:{shard}.password}}"


def ensure(settings: Settings) -> dict[str, str]:
    """The password of each shard, made where there is none yet."""
    path = file(settings)
    kept = read(path.read_text()) if path.exists() else {}
    wanted = {f"{shard}.password": secrets.token_hex(24) for shard in settings.ports.shards} | kept
    if wanted != kept:
        write_properties(path, wanted)
    return {shard: wanted[f"{shard}.password"] for shard in settings.ports.shards}
