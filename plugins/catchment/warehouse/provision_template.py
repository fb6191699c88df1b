"""SQL templates of what an account needs: `include/snowflake/NN_step.sql`, run in the order of their names.

A template is plain SQL that a person can read, with a head of comment lines:

    -- as: SYSADMIN              the role that runs it (required)
    -- for each: schema          render once per row of that kind (default: once)
    -- when: storage_integration render only if that value is set

A line that ends in `-- when: name` stands only if `name` is set. `'{name}'` is filled with a text literal, a bare
`{name}` only with an identifier or a whole number: no value can end its literal or add a statement. Of several texts
`'{name}'` makes a list of literals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from catchment.errors import NeedsPerson

Value = str | int | tuple[str, ...]
Values = Mapping[str, Value]

STEP = re.compile(r"\d+_(?P<step>[a-z_]+)\.sql")
HEAD = re.compile(r"--\s*(?P<word>as|for each|when):\s*(?P<value>\w+)\s*")
LINE_WHEN = re.compile(r"\s*-- when: (\w+)$")
PLACE = re.compile(r"(?P<quote>'?)\{(?P<name>\w+)\}(?P<end>'?)")
IDENTIFIER = re.compile(r"[A-Z][A-Z0-9_]{0,254}")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Template:
    """One file: statements that one role runs, once for each row of `each` ("" for once), if `when` is set."""

    step: str
    role: str
    statements: tuple[str, ...]
    each: str = ""
    when: str = ""

    def fill(self, values: Values) -> Iterator[str]:
        """The statements with the values in place; none when `when` is empty."""
        if self.when and not _value(self.step, self.when, values):
            return
        for statement in self.statements:
            yield PLACE.sub(lambda place: _place(self.step, place, values), _lines(self.step, statement, values))


def read(folder: Path) -> tuple[Template, ...]:
    """All templates of a folder, in the order of their numbers."""
    return tuple(parse(path.name, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.sql")))


def parse(name: str, text: str) -> Template:
    """A template from its file's name and text."""
    named = STEP.fullmatch(name)
    if named is None:
        raise NeedsPerson(f"{name}: a template's name is a number and a step, as in 20_file_format.sql. Rename it.")
    lines = text.splitlines()
    head = {m["word"]: m["value"] for m in map(HEAD.fullmatch, lines) if m}
    if "as" not in head:
        raise NeedsPerson(f"{name} does not say which role runs it. Begin it with a line such as: -- as: SYSADMIN")
    body = "\n".join(line for line in lines if not line.startswith("--"))
    statements = tuple(s.strip() for s in re.split(r";[ \t]*(?:\n|$)", body) if s.strip())
    return Template(named["step"], head["as"], statements, head.get("for each", ""), head.get("when", ""))


def _lines(step: str, statement: str, values: Values) -> str:
    """The statement without the lines whose `when` is not set."""
    kept = []
    for line in statement.splitlines():
        condition = LINE_WHEN.search(line)
        if condition is None:
            kept.append(line)
        elif _value(step, condition[1], values):
            kept.append(line[: condition.start()])
    return "\n".join(kept)


def _value(step: str, name: str, values: Values) -> Value:
    if name not in values:
        raise NeedsPerson(f"{step} names {{{name}}}, which nothing provides. It may use: {', '.join(sorted(values))}.")
    return values[name]


def _place(step: str, place: re.Match[str], values: Values) -> str:
    """What stands for one placeholder: a literal between quotes, else an identifier or a number."""
    name = place["name"]
    value = _value(step, name, values)
    if place["quote"] and place["end"]:
        texts = value if isinstance(value, tuple) else (str(value),)
        return ", ".join(_literal(step, name, text) for text in texts)
    bare = str(value)
    if not isinstance(value, int) and IDENTIFIER.fullmatch(bare) is None:
        raise NeedsPerson(
            f"{step}: {name} is {bare!r}; an identifier has capital letters, digits and underscores only. Change it."
        )
    return place["quote"] + bare + place["end"]


def _literal(step: str, name: str, value: str) -> str:
    """A Snowflake text literal: quotes doubled, and backslashes too, for they escape inside single quotes."""
    if CONTROL.search(value):
        raise NeedsPerson(f"{step}: {name} holds a line break or another control character. Set it on one line.")
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
