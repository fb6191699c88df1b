"""The errors of the local profile. Every message is a sentence: what failed, where, what to do."""

from __future__ import annotations


class LocalError(Exception):
    """Something in the local profile failed; the message says which step, why, and what to try."""
