"""JSON texts: which Snowflake refuses, and how one that DuckDB refuses is kept.

A string may hold half of a surrogate pair as an escape (`"\\ud83d"`), which vendors do send and DuckDB's JSON functions
refuse: such an escape is parked as the escape pair of a code point of the last private-use plane (U+10F800 + n), and
`unpark` gives the text back as it came.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any

import msgspec

LIMIT = int(os.environ.get("CATCHMENT_WAREHOUSE_VARIANT_BYTES", 16 * 1024 * 1024))
"""Bytes of a VARIANT or a VARCHAR at most: 16 MB, and 128 MB for tables that newer accounts make."""

PARKED_FROM = 0x10F800
_HALF_OR_PARKED = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.S
)
_PARKED = re.compile(r"\\(?:u[dD][bB]([fF][eEfF])\\u([dD][c-fC-F][0-9a-fA-F]{2})|.)", re.S)


@dataclass(frozen=True)
class Refusal:
    """Why a text is no VARIANT; `character` counts from 1."""

    reason: str
    character: int = 1


def _no_duplicates(members: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in members]
    if len(set(names)) != len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(f'duplicate object attribute "{twice}"')


def _no_constant(name: str) -> None:
    raise ValueError(f"unknown keyword {name!r}")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_float=str, parse_int=str, parse_constant=_no_constant
)
_QUICK, _ENCODER = msgspec.json.Decoder(), msgspec.json.Encoder()


def size(text: str) -> int:
    """Bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def refusal(text: str) -> Refusal | None:
    """Why PARSE_JSON and COPY refuse a text: it is no JSON, repeats a key in an object, or is too large."""
    if (actual := size(text)) > LIMIT:
        return Refusal(f"Max LOB size ({LIMIT}) exceeded, actual size of parsed column is {actual}")
    if _surely_fits(text):
        return None
    try:
        _DECODER.decode(text)
    except json.JSONDecodeError as error:
        return Refusal(f"Error parsing JSON: {error.msg}, pos {error.pos + 1}", error.pos + 1)
    except ValueError as error:
        return Refusal(f"Error parsing JSON: {error}")
    except RecursionError:
        return Refusal("Error parsing JSON: nested too deeply")
    return None


def _surely_fits(text: str) -> bool:
    """Whether decoding and encoding gives the same text: then it is JSON in which no object has a key twice.

    That is how programs write JSON, and takes a fifth of the time. False says nothing.
    """
    try:
        return _ENCODER.encode(_QUICK.decode(text)) == text.encode()
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False


def park(text: str) -> str:
    """Replace each escape of half a surrogate pair by the escape pair of its private-use stand-in."""
    if not _HALF_OR_PARKED.search(text):
        return text

    def one(match: re.Match[str]) -> str:
        if not (half := match[3]):
            return match[0]
        code = PARKED_FROM + int(half, 16) - 0xD800 - 0x10000
        pair = f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
        return pair if half[0] == "d" else pair.upper().replace("\\U", "\\u")

    return _ESCAPE.sub(one, text)


def unpark(text: str) -> str:
    """The inverse of `park`."""

    def one(match: re.Match[str]) -> str:
        if not match[1]:
            return match[0]
        high, low = int("db" + match[1], 16), int(match[2], 16)
        code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
        if code < PARKED_FROM:
            return match[0]
        half = f"{code - PARKED_FROM + 0xD800:04x}"
        return "\\u" + (half if match[2][0] == "d" else half.upper())

    return _PARKED.sub(one, text)
