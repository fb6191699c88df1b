"""Replace or remove fields of a JSON text where they stand: every other byte stays the vendor's.

Each occurrence counts: a name that an object has twice is found twice, as is one that is spelled with escapes. The text
must be well-formed JSON: that is not checked here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

Replace = Callable[[bytes], bytes | None]
"""From a value's bytes to what stands in its place; None removes the whole field."""
Rules = dict[bytes, Any]
"""By a field's name (UTF-8): a `Replace`, or the rules for the fields below."""

STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
SIMPLE = STRING + rb'|[^\s{}\[\]:,"]+'
_FIELD = re.compile(rb"\s*(" + STRING + rb")\s*:\s*(?:(" + SIMPLE + rb")\s*,?)?", re.DOTALL)
_ITEM = re.compile(rb"\s*(?:(" + SIMPLE + rb")\s*,?|(?=[{\[]))", re.DOTALL)
_COMMA = re.compile(rb"\s*,?")
_NESTING = re.compile(STRING + rb"|[{}\[\]]", re.DOTALL)
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
    kept, before = False, at
    while field := _FIELD.match(data, at):
        start, end = field.span(2)
        if end < 0:  # an object or a list
            start = field.end()
            end = _end(data, start)
        at = field.end() if field[2] else _COMMA.match(data, end).end()  # type: ignore[union-attr]
        rule = rules.get(_name(field[1]))
        if isinstance(rule, dict):
            yield from _edits(data, start, rule)
        elif rule and (new := rule(data[start:end])) is not None:
            yield start, end, new
        elif rule:  # the field goes, with the comma before it, or with the one after it where it is the first
            yield (before, end, b"") if kept else (field.start(1), at, b"")
            before = end
            continue
        kept, before = True, end


def _name(token: bytes) -> bytes:
    return _text(token).encode() if b"\\" in token else token[1:-1]


def _end(data: bytes, at: int) -> int:
    """Where the object or list at `at` ends."""
    depth = 0
    for token in _NESTING.finditer(data, at):
        first = token[0][:1]
        depth += (first in b"{[") - (first in b"}]")
        if not depth:
            return token.end()
    raise ValueError("the text is not JSON")


def _after(data: bytes, at: int) -> int:
    """Where the object or list at `at` ends, with the comma after it."""
    return _COMMA.match(data, _end(data, at)).end()  # type: ignore[union-attr]
