"""The `Link` header (RFC 8288, section 3). Targets and quoted values hold commas and semicolons; names have no case."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_QUOTED = r""""(?:[^"\\]|\\.)*"|'[^']*'"""
_LINK = re.compile(rf'<([^>]*)>((?:\s*;\s*[^\s=;,]+\s*(?:=\s*(?:{_QUOTED}|[^\s";,]*))?)*)\s*;?')
_PARAM = re.compile(rf';\s*([^\s=;,]+)\s*=\s*({_QUOTED}|[^\s";,]*)')


@dataclass(frozen=True)
class Link:
    """One link; names and values of `params` are in lower case."""

    target: str
    params: Mapping[str, str]


def find_link(header: str, rel: str) -> Link | None:
    """The link with a relation; None without one."""
    for target, text in _LINK.findall(header):
        params = {name.lower(): value.strip("\"'").lower() for name, value in _PARAM.findall(text)}
        if rel.lower() in params.get("rel", "").split():
            return Link(target, params)
    return None


def unread(header: str) -> str:
    """What of the header is no link by the grammar: the link that one looks for may be in it."""
    return _LINK.sub("", header).strip(", \t")
