"""`docs/cdc_types.md`, written from the matrix' definitions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.conformance_cdc.matrix import LIMITS, REFUSED_IN_KEY, REFUSED_TYPES, SUBJECTS, Subject, Way
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
            "## Refused where they are declared",
            "",
            "| Type | Why, and what to do |",
            "|---|---|",
            *(f"| `{kind}` | {_sentence(refusal(parse(kind)))} |" for kind in REFUSED_TYPES),
            "",
            "In a key:",
            "",
            "| Type | Why, and what to do |",
            "|---|---|",
            *(f"| `{kind}` | {_sentence(key_refusal(parse(kind), has_surrogate=False))} |" for kind in REFUSED_IN_KEY),
            "",
            "What a shard's tables must be like besides, `python -m catchment cdc-check` says.",
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
    declared = f"`{subject.declared}`" + (f" (`{subject.made}` in Postgres)" if subject.made[:8] == "numeric(" else "")
    kind = parse(subject.declared)
    if not subject.can_be_key or key_refusal(kind, has_surrogate=True):
        key = "refused"
    else:
        key = "with a `surrogate_key`" if key_refusal(kind, has_surrogate=False) else "yes"
    return f"| {declared} | {_warehouse(subject.declared)} | {subject.special} | {key} |"


def _warehouse(declared: str) -> str:
    base = declared.partition("(")[0]
    if declared.endswith("[]"):
        return "ARRAY"
    if base == "numeric":
        return declared.replace("numeric", "NUMBER").replace(",", ", ") if "(" in declared else "NUMBER(38, 9)"
    return _WAREHOUSE.get(base, "VARCHAR")


def _sentence(text: str | None) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""
