"""Google's field masks, as `fields` in a query: `properties(locale,timeZone),sheets.data.rowData(values/x)`."""

from __future__ import annotations

import re
from typing import Any

Mask = dict[str, "Mask"]
_TOKEN = re.compile(r"[A-Za-z_*]+|[(),./]")


def parse(text: str) -> Mask:
    """The tree of names; an empty one below a name means all of it. Raises ValueError for a mask that is none."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text.replace(" ", ""):
        raise ValueError(text)
    mask = _list(tokens)
    if tokens:
        raise ValueError(text)
    return mask


def masked(value: Any, mask: Mask) -> Any:
    """What the mask leaves of a value."""
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [masked(item, mask) for item in value]
    if isinstance(value, dict):
        return {name: masked(value[name], below) for name, below in mask.items() if name in value}
    return value


def _list(tokens: list[str]) -> Mask:
    mask: Mask = {}
    while True:
        _path(tokens, mask)
        if not tokens or tokens[0] != ",":
            return mask
        tokens.pop(0)


def _path(tokens: list[str], mask: Mask) -> None:
    if not tokens or (not tokens[0][0].isalpha() and tokens[0] != "*"):
        raise ValueError("a field mask lacks a name")
    below = mask.setdefault(tokens.pop(0), {})
    if tokens and tokens[0] in "./":
        tokens.pop(0)
        _path(tokens, below)
    elif tokens and tokens[0] == "(":
        tokens.pop(0)
        below.update(_list(tokens))
        if not tokens or tokens.pop(0) != ")":
            raise ValueError("a field mask lacks a bracket")
