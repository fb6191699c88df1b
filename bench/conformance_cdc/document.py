"""`docs/cdc_types.md`, written from the matrix' definitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.conformance_cdc.matrix import LARGE, LIMITS, REFUSED_IN_KEY, REFUSED_TYPES, SUBJECTS, Subject, Way
from bench.conformance_cdc.refused import REFUSED_TABLES
from bench.conformance_cdc.tables import FORMS
from catchment.cdc.types import key_refusal, parse, refusal
from local.settings import ROOT

FILE: Path = ROOT / "docs" / "cdc_types.md"
_WAREHOUSE = {
    **dict.fromkeys(("smallint", "integer", "bigint"), "NUMBER(38, 0)"),
    **dict.fromkeys(("real", "double precision"), "FLOAT"),
    **dict.fromkeys(("json", "jsonb"), "VARIANT"),
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP_NTZ",
    "timestamptz": "TIMESTAMP_TZ",
    "interval": "VARCHAR, ISO 8601",
    "bytea": "VARCHAR, hexadecimal",
    "char": "VARCHAR, without blanks at the end",
}


def render() -> str:
    """The page."""
    ways = ", ".join(way.words for way in Way)
    large = _listed(dict.fromkeys(subject.declared for subject in LARGE))
    return "\n".join(
        [
            "# Postgres types in the warehouse",
            "",
            "Written from the definitions of `make conformance-cdc` (`bench/conformance_cdc/matrix.py`); do not edit.",
            "That command tries each line on the real parts, as a column and as part of the primary key, by each way",
            f"({ways}), and compares with what Postgres prints.",
            "",
            "Every value is exact, or NULL with Postgres' text in `_special`, or its type is refused.",
            "",
            "| Declared | In the warehouse | NULL, with the text in `_special` | In the primary key |",
            "|---|---|---|---|",
            *_lines(),
            "",
            f"Large values are tried as {large}: of 15 MB they are exact, also where they are carried forward;",
            f"{next(iter(LARGE)).special}.",
            "",
            "## Refused where they are declared",
            "",
            "| Type | Why, and what to do |",
            "|---|---|",
            *_refused(),
            "",
            "In a key:",
            "",
            "| Type | Why, and what to do |",
            "|---|---|",
            *(f"| `{kind}` | {_sentence(key_refusal(parse(kind), has_surrogate=False))} |" for kind in REFUSED_IN_KEY),
            "",
            "## Tables",
            "",
            "Tried in the same way:",
            "",
            *(f"- {form.words}" for form in FORMS),
            "",
            "Refused by `python -m catchment cdc-check`, with what to do:",
            "",
            *(f"- {words}" for words in REFUSED_TABLES),
            "",
            "## What is not known from a declaration",
            "",
            *(f"- {limit}" for limit in LIMITS),
            "",
        ]
    )


def _lines() -> Iterator[str]:
    seen = set()
    for subject in SUBJECTS:
        if (line := _line(subject)) not in seen:
            seen.add(line)
            yield line


def _line(subject: Subject) -> str:
    declared = f"`{subject.declared}`" + (f" ({subject.words})" if subject.words else "")
    kind = parse(subject.declared)
    if not subject.can_be_key or key_refusal(kind, has_surrogate=True):
        key = "refused"
    else:
        key = "with a `surrogate_key`" if key_refusal(kind, has_surrogate=False) else "yes"
    return f"| {declared} | {_warehouse(subject.declared)} | {subject.special} | {key} |"


def _refused() -> Iterator[str]:
    """Types that are refused for the same reason are one line."""
    reasons: dict[str, list[str]] = {}
    for kind in REFUSED_TYPES:
        name, reason = str(parse(kind)), refusal(parse(kind)) or ""
        reason = reason.replace(f"of a {name} ", "of such an array ").replace(f"{name} is not", "it is not")
        reasons.setdefault(_sentence(reason), []).append(f"`{kind}`")
    return (f"| {', '.join(kinds)} | {reason} |" for reason, kinds in reasons.items())


def _warehouse(declared: str) -> str:
    base = declared.partition("(")[0]
    if declared.endswith("[]"):
        return "ARRAY"
    if base == "numeric":
        return declared.replace("numeric", "NUMBER").replace(",", ", ") if "(" in declared else "NUMBER(38, 9)"
    return _WAREHOUSE.get(base, "VARCHAR")


def _listed(kinds: Iterable[str]) -> str:
    *most, last = (f"`{kind}`" for kind in kinds)
    return f"{', '.join(most)} and {last}"


def _sentence(text: str | None) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""
