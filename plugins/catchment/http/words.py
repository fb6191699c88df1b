"""A vendor's own words for an error, without the people and the keys in them.

Vendors repeat what was sent or stored: a 422 may quote an address, a name, a phone number, a 401 the key. Only fields
that are meant for messages are read, and what looks like a person or a value in them is masked. Why it is masked and
not left out: the code and the kind of the trouble are what the reader needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

LONGEST = 200
_CONTAINERS = ("error", "errors", "details", "fault")
_CODES = ("code", "type", "status", "reason")
_TEXTS = ("title", "message", "description", "detail", "error_description", "error_message")

_MASKS = (
    (re.compile(r"(\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|‘[^’]*’|“[^”]*”|«[^»]*»|`[^`]*`)"), "<value>"),
    (re.compile(r"(https?://[^\s?]*)\?\S*"), r"\1?<query>"),
    (re.compile(r"[^\s@<>\"(),;:]*@[^\s@<>\"'(),;:]+"), "<e-mail>"),
    (re.compile(r"(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{20,}"), "<token>"),
    (re.compile(r"(?<!\w)(?!\d{4}-\d\d-\d\d)\+?\(?\d[\d ().\-/]{6,}\d"), "<number>"),
)


def masked(text: str) -> str:
    """The text without e-mail addresses, phone numbers, keys and quoted values; at most 200 characters, on one line."""
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def said(body: bytes) -> str:
    """What an error reply says, in brackets; "" if it says nothing that is meant for a message."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    parts = list(dict.fromkeys(part for part in _parts(value, depth=0) if part))
    return f' ("{masked(": ".join(parts))}")' if parts else ""


def _parts(value: Any, *, depth: int) -> Iterator[str]:
    """The texts of an error object, outermost first."""
    if depth > 4:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value[:3]:
            yield from _parts(item, depth=depth + 1)
    elif isinstance(value, dict):
        yield from _object_parts(value, depth)


def _object_parts(value: dict[str, Any], depth: int) -> Iterator[str]:
    words = [name for name in _TEXTS if isinstance(value.get(name), str)]
    containers = [name for name in _CONTAINERS if name in value]
    if depth:
        yield from (str(value[name]) for name in _CODES if isinstance(value.get(name), str))
    for name in containers:
        yield from _parts(value[name], depth=depth + 1)
    yield from (value[name] for name in words)
    if depth and not words and not containers:
        yield from _by_field(value, depth)


def _by_field(value: dict[str, Any], depth: int) -> Iterator[str]:
    """Errors by the name of the field that is wrong: `{"name": "has already been taken"}`."""
    for name, inner in list(value.items())[:3]:
        texts = list(_parts(inner, depth=depth + 1))
        if texts and name not in _CODES:
            yield f"{name}: {texts[0]}"
