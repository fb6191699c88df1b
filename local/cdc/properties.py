"""Java's `.properties` files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from local.credentials import write_private

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def write_properties(path: Path, properties: Mapping[str, str]) -> None:
    """Write the file for its owner alone, whole or not at all."""
    write_private(path, render(properties))


def render(properties: Mapping[str, str]) -> str:
    """One `key=value` a line; keys hold no `=`, colon or space."""
    return "".join(f"{key}={value.translate(_ESCAPES)}\n" for key, value in properties.items())


def read(text: str) -> dict[str, str]:
    """What `render` wrote: plain lines, without escapes in what we read back."""
    lines = (line.partition("=") for line in text.splitlines() if line and not line.startswith("#"))
    return {key.strip(): value for key, _, value in lines}
