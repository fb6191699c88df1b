"""A vendor's own words for an error, without the people and the keys in them.

Vendors repeat what was sent or stored: a 422 may quote an address, a name, a phone number, a 401 the key. Only fields
that are meant for messages are read, and of them only the words of errors are shown (`vocabulary`): any other may be a
name. It is masked and not left out, for the code and the kind of the trouble are what the reader needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from catchment.http.vocabulary import NAMES, TITLED, WORDS

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


_CHUNK = re.compile(r"([^\w<]*)(.*?)([^\w>]*)", re.DOTALL)
_MASK = re.compile(r"<(?:value|query|e-mail|token|number)>")
_DAY = re.compile(r"\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_SHORTENED = re.compile(r"['’](t|s|re|ve|d|ll|m)$", re.IGNORECASE)
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+|\d+")
_LONGEST_NUMBER = 6


def masked(text: str) -> str:
    """The text without e-mail addresses, phone numbers, keys and quoted values; at most 200 characters, on one line."""
    return _short(_without_values(text))


def _without_values(text: str) -> str:
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    return " ".join(text.split())


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def in_known_words(text: str) -> str:
    """The text with `<value>` for each word that is none of an error's: a name, somebody's text, a foreign word."""
    shown: list[str] = []
    begins = True
    for chunk in text.split(" "):
        before, core, after = _CHUNK.fullmatch(chunk).groups()  # type: ignore[union-attr]
        known = _is_known(core, begins=begins)
        if known or not shown or shown[-1] != "<value>":
            shown.append(chunk if known else f"{before}<value>{after}")
        begins = chunk.endswith((".", ":", ";", "!", "?"))
    return " ".join(shown)


def _is_known(core: str, *, begins: bool) -> bool:
    """Whether a word, a number or an identifier (`updated_at`, `RecordInvalid`) is one of errors."""
    rest = _SHORTENED.sub("", _MASK.sub(" ", core))
    if _DAY.fullmatch(rest):
        return True
    capitals = begins or "_" in rest or re.search("[a-z][A-Z]", rest) is not None
    return all(_is_known_part(part, capitals=capitals) for part in _PARTS.findall(rest))


def _is_known_part(part: str, *, capitals: bool) -> bool:
    word = part.lower()
    if part.isdigit():
        return len(part) <= _LONGEST_NUMBER
    if part == word:
        return word in WORDS
    may_be_name = word in NAMES or not (capitals or part.isupper())
    return word in TITLED or (word in WORDS and not may_be_name)


def said(body: bytes) -> str:
    """What an error reply says, in brackets; "" if it says nothing that is meant for a message."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    parts = list(dict.fromkeys(part for part in _parts(value, depth=0) if part))
    return f' ("{_short(in_known_words(_without_values(": ".join(parts))))}")' if parts else ""


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
