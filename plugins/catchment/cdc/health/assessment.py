"""The result of looking at one thing: its state, a sentence for a person, and what the next run wants to know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from catchment.cdc.declared import Shard
from catchment.cdc.health.policy import State

CONNECT, KAFKA, WAREHOUSE, CLOCK, LOADER = "connect", "kafka", "warehouse", "clock", "loader"


@dataclass(frozen=True)
class Assessment:
    """`explained`: another subject's state is the cause, so this one raises no alert. `shard`: the one it speaks of.

    `about`: what of many it is about, where another one in the same state is news. `news`: an alert at once, however
    long the state has to last otherwise.
    """

    subject: str
    state: State
    sentence: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    explained: bool = False
    shard: Shard | None = None
    about: str = ""
    news: bool = False


def amount(count: float) -> str:
    """Bytes for a person: `1.5 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(count) < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def first_cause(trace: str) -> str:
    """The innermost cause of a Java stack trace that says something, in one line.

    Of a cause without words (a NullPointerException) the place is named, for that is all that is known.
    """
    causes: list[str] = []
    for line in (line.strip() for line in trace.splitlines()):
        if line.startswith("at "):
            if causes and _WORDLESS.fullmatch(causes[-1]):
                causes[-1] = f"no reason given in {line.removeprefix('at ').partition('(')[0]}"
        elif line and not line.startswith("..."):
            causes.append(line.removeprefix("Caused by: "))
    worded = [cause for cause in causes if not cause.startswith("no reason given")]
    name, _, said = ((worded or [""])[-1]).partition(": ")
    text = f"{name.rpartition('.')[2]}: {said}" if said else name
    wordless = causes[-1] if causes and causes[-1] not in worded else ""
    return (f"{text[:240]} ({wordless[:160]})" if text and wordless else text[:240] or wordless) or "no trace"


_WORDLESS = re.compile(r"java\.lang\.NullPointerException(: Cannot .*)?")
