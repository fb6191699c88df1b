"""One name per concept (docs/glossary.md): private words stay out, and no class name means two things.

To add a word: add it to PRIVATE with the
standard word. A line that needs one of the words (a quotation, a column of another system) ends in `language: as is`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRIVATE = {
    "mend(s|ed|ing)?": "fix, patch",
    "anew": "again, full refresh",
    "dry(?![ _-]run)": "dry_run",
    "patien(ce|t|tly)": "timeout, retry policy",
    "calmly": "retry_on_rebalance",
    "hand_over|heir": "transfer, successor",
    "to_come": "pending",
    "ground|lay": "fixtures, seed",
    "departed|departures": "orphaned_sessions, key_change_deletes",
    "seams?": "hook",
    "as ever": "(leave it out)",
}
CLEAN = (
    "README.md",
    "Makefile",
    "bench/*",
    "bench/chaos_cdc/*.py",
    "dags/**/*.py",
    "docs/*.md",
    "docs/adr/*.md",
    "docs/runbooks/*.md",
    "include/connectors/**/*",
    "include/dbt/*.md",
    "include/dbt/macros/**/*.sql",
    "include/dbt/models/**/*",
    "include/dbt/tests/**/*.sql",
    "include/snowflake/*",
    "local/**/*.py",
    "local/**/*.md",
    "plugins/catchment/**/*.py",
    "tests/dbt/**/*.py",
    "tests/integration/*.py",
    "tests/local/*.py",
    "tests/sandbox/*.py",
    "tests/support/*.py",
    "tests/unit/**/*.py",
    "tests/warehouse/**/*.py",
)
OF_CAPTURE = {"absent": "missing", "told": "sent, reported, alerted", "emptied": "truncated"}
"""Plain English elsewhere; in change data capture the standard word says more."""
CAPTURE = (
    "dags/cdc/*.py",
    "plugins/catchment/cdc/**/*.py",
    "plugins/catchment/operators/cdc_*.py",
    "local/cdc/*.py",
    "bench/chaos_cdc/*.py",
    "include/connectors/**/*",
    "include/dbt/macros/cdc/*.sql",
    "docs/glossary.md",
    "docs/runbooks/cdc_*.md",
)


def files(pattern: str) -> Iterator[Path]:
    """The text files of a room."""
    return (
        path
        for path in ROOT.glob(pattern)
        if path.is_file() and "__pycache__" not in path.parts and path != Path(__file__).resolve()
    )


@pytest.mark.parametrize(
    ("pattern", "words"), [(room, PRIVATE) for room in CLEAN] + [(room, OF_CAPTURE) for room in CAPTURE]
)
def test_private_words_stay_out(pattern: str, words: Mapping[str, str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]!r}, say: {standard}"
        for path in files(pattern)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if not line.endswith("language: as is")
        for word, standard in words.items()
        for match in re.finditer(rf"(?<![a-z])({word})(?![a-z])", line, re.IGNORECASE)
    ]
    assert list(files(pattern)), f"{pattern} matches no file"
    assert not found, "\n".join(found)


def classes(path: Path) -> set[str]:
    """The names of a module's classes, but for private ones."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")}


def test_no_class_name_means_two_things() -> None:
    where: dict[str, list[str]] = {}
    for path in files("plugins/catchment/**/*.py"):
        for name in classes(path):
            where.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert len(where) > 100
    assert {name: places for name, places in where.items() if len(places) > 1} == {}


def test_the_glossary_is_sorted_and_names_places_that_exist() -> None:
    rows = re.findall(r"^\| \*\*(.+?)\*\* \| .+ \| (.+) \|$", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    terms = [term.lower() for term, _ in rows]
    assert len(terms) > 30
    assert terms == sorted(set(terms))
    places = [place for _, where in rows for place in re.findall(r"`([\w./]+/[\w./]*)`", where)]
    assert [place for place in places if not (ROOT / place).exists()] == []
