"""Which shard an account lives on."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32


def shard_of(external_id: str, shards: Sequence[str]) -> str:
    """The shard of an account, by a hash of its external id; all that belongs to the account is there as well."""
    return shards[crc32(external_id.encode()) % len(shards)]
