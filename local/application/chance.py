"""Texts and bytes that Postgres keeps out of line (TOAST): long, and with nothing in them to compress."""

from __future__ import annotations

from random import Random

LONG = 9_000  # characters; above 8 kB, so that even a compressed form leaves the row


def long_text(draw: Random, characters: int = LONG) -> str:
    """Words that make no sense, in several scripts."""
    return "Größe ✨ 株式会社 – " + draw.randbytes(characters // 2).hex()


def long_bytes(draw: Random, size: int = LONG) -> bytes:
    return draw.randbytes(size)
