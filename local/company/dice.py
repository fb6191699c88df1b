"""Chance without surprise: each thing draws from a generator named after it, and has an id made from its name."""

from __future__ import annotations

from hashlib import blake2b
from random import Random


def dice(seed: int, *name: object) -> Random:
    """A generator that depends on the seed and the name only, whatever else was drawn before."""
    return Random(f"{seed}:{':'.join(map(str, name))}")


def uuid(seed: int, *name: object) -> str:
    """A stable UUID for a name."""
    text = blake2b(f"{seed}:{':'.join(map(str, name))}".encode(), digest_size=16).hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"
