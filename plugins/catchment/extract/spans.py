"""Replace or remove fields of a JSON text where they stand: every other byte stays the vendor's.

Each occurrence counts: a name that an object has twice is found twice, as is one that is spelled with escapes. The text
must be well-formed JSON: that is not checked here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec

Replace = Callable[[bytes], bytes | None]
"""From a value's bytes to what stands in its place; None removes the whole field."""
Rules = dict[bytes, Any]
"""By a field's name (UTF-8): a `Replace`, or the rules for the fields below."""

STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
SIMPLE = STRING + rb'|[^\s{}\[\]:,"]++'
_INNER = rb'[^{}\[\]"]*+(?:' + STRING + rb'[^{}\[\]"]*+)*+'
NESTED = rb"[\[{]" + _INNER + rb"[\]}]"
for _ in range(3):  # an object or a list, with a few levels of them below
    NESTED = rb"[\[{]" + _INNER + rb"(?:" + NESTED + _INNER + rb")*+[\]}]"
_FIELD = re.compile(rb"\s*(" + STRING + rb")\s*:\s*(?:(" + SIMPLE + rb")\s*,?)?", re.DOTALL)
_ITEM = re.compile(rb"\s*(?:(" + SIMPLE + rb")\s*,?|(?=[{\[]))", re.DOTALL)
_COMMA = re.compile(rb"\s*,?")
_NESTING = re.compile(_INNER + rb"([{}\[\]])", re.DOTALL)
# Not possessive as a whole: until 3.11.5 Python's `*+` goes wrong over a group that holds alternatives (gh-106052).
_DULL = rb'(?:\s*+"(?!(?:%s)")[^"\\]*+"\s*+:\s*+(?:' + SIMPLE + rb"|" + NESTED + rb")\s*+,?+)*"
_text = msgspec.json.Decoder(str).decode


def edited(data: bytes, rules: Rules) -> bytes:
    """`data` with `rules` applied to its fields, or to those of each of its elements where it is a list."""
    parts: list[bytes] = []
    done = 0
    for start, end, new in _edits(data, len(data) - len(data.lstrip()), rules):
        parts += (data[done:start], new)
        done = end
    return b"".join((*parts, data[done:]))


def _edits(data: bytes, at: int, rules: Rules) -> Iterator[tuple[int, int, bytes]]:
    """What to replace within the value at `at`: from, to, by what."""
    match data[at : at + 1]:
        case b"{":
            yield from _in_object(data, at + 1, rules)
        case b"[":
            at += 1
            while item := _ITEM.match(data, at):
                start, at = item.end(), item.end() if item[1] else _after(data, item.end())
                yield from _edits(data, start, rules) if not item[1] else ()


def _in_object(data: bytes, at: int, rules: Rules) -> Iterator[tuple[int, int, bytes]]:
    others, first = _others(tuple(rules)), at
    kept = False
    while field := _FIELD.match(data, at := others(data, at).end()):  # type: ignore[union-attr]
        kept = kept or field.start() > first
        start, end = field.span(2)
        if end < 0:  # an object or a list
            start, end = field.end(), _end(data, field.end())
        at = field.end() if field[2] else _COMMA.match(data, end).end()  # type: ignore[union-attr]
        rule = rules.get(_name(field[1]))
        if isinstance(rule, dict):
            yield from _edits(data, start, rule)
        elif rule and (new := rule(data[start:end])) is not None:
            yield start, end, new
        elif rule:  # the field goes, with the comma before it, or with the one after it where none is left before it
            yield (data.rindex(b",", 0, field.start(1)), end, b"") if kept else (field.start(1), at, b"")
            first = first if kept else at


@lru_cache(256)
def _others(names: tuple[bytes, ...]) -> Callable[[bytes, int], re.Match[bytes] | None]:
    """Matches the fields that come next, as far as they are simple and have none of the names."""
    return re.compile(_DULL % b"|".join(map(re.escape, names)), re.DOTALL).match


def _name(token: bytes) -> bytes:
    return _text(token).encode() if b"\\" in token else token[1:-1]


def _end(data: bytes, at: int) -> int:
    """Where the object or list at `at` ends."""
    depth = 0
    for token in _NESTING.finditer(data, at):
        depth += 1 if token[1] in b"{[" else -1
        if not depth:
            return token.end()
    raise ValueError("the text is not JSON")


def _after(data: bytes, at: int) -> int:
    """Where the object or list at `at` ends, with the comma after it."""
    return _COMMA.match(data, _end(data, at)).end()  # type: ignore[union-attr]
